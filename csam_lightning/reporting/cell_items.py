"""The report's items about single cells and their data: figures 4, 6d, 7 and 8."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from csam_lightning.evaluation.operating_point import DELAMINATION, is_delamination
from csam_lightning.figures.cell import Matrix, draw_confusion, draw_curves
from csam_lightning.figures.style import shown
from csam_lightning.reporting import evidence
from csam_lightning.reporting.cells import ReportCell, fold_count, scan_count, series
from csam_lightning.reporting.document import Item
from csam_lightning.reporting.figures_data import (
    MOST_METALLIZATIONS,
    NAMED_REGIONS,
    UNKNOWN,
    counts_after,
    counts_before,
    delaminated,
    draw_class_counts,
    draw_metallizations,
)
from csam_lightning.reporting.figures_sweep import Chosen
from csam_lightning.reporting.tables import Entry, Table

if TYPE_CHECKING:
    import pandas as pd

    from csam_lightning.tracking.reading import StoreReader

PAPER = {420: (0.68, 0.59), 840: (0.86, 0.83)}
"""The paper's macro precision and recall on its test split, by data size (figure 7)."""

NOT_LOGGED = "is not in the store, or cannot be read; cells that were trained before it was logged have none."


def counts_item(
    cell: ReportCell, scans: "pd.DataFrame | None", balance: "pd.DataFrame | None", classes: Sequence[str]
) -> Item:
    """Return figure 4, of the cell ``cell``."""
    name, title = "figure_4", "Figure 4: class counts per read-out before and after balancing"
    if scans is None or balance is None:
        return Item(name, title, f"{'scans.csv' if scans is None else 'balance.csv'} {NOT_LOGGED}")
    if cell.protocol == "published":
        sets = "the one balanced set that is split into folds"
    else:
        sets = f"the training side of a fold, mean of {balance['fold'].nunique()} folds"
    before = counts_before(scans)
    text = (
        f"Of cell {cell.name}. Before: {int(before.to_numpy().sum())} scans of the training split. After: {sets}; the "
        f"data size {cell.data_size} takes the earliest read-outs. Paler: augmented copies."
    )
    counts = [before, counts_after(balance, "scans"), counts_after(balance, "copies")]
    rows = [
        [None if cycles == UNKNOWN else cycles, label, *(_count(table, cycles, label) for table in counts)]
        for cycles in sorted({int(cycles) for table in counts for cycles in table.index})
        for label in classes
    ]
    header = ["cycles", "class", "scans before", "scans after", "copies after"]
    return Item(name, title, text, draw_class_counts(scans, balance, classes), [Table(name, title, header, rows)])


def _count(table: "pd.DataFrame", cycles: int, label: str) -> float:
    return float(table[label].get(cycles, 0)) if label in table else 0.0


def curves_item(store: "StoreReader", cell: ReportCell, *, recommended: bool) -> Item:
    """Return figure 6d, of the cell ``cell``, which is recommended or, where none is, has the best score."""
    which = "recommended" if recommended else "best"
    name, title = "figure_6d", f"Figure 6d: training and validation curves of the {which} cell"
    histories = evidence.curves(store, cell)
    if not histories:
        return Item(name, title, f"The metrics per epoch of cell {cell.name} are not all in the store.")
    text = (
        f"Of cell {cell.name}: {fold_count([cell])} (thin) and their mean (thick); "
        f"{scan_count(cell, 'training scans')} in the data set. Training: running mean over balanced, augmented "
        "batches while the network learns; validation: evaluation passes over scans as scanned."
    )
    return Item(name, title, text, draw_curves(histories))


def confusion_item(store: "StoreReader", cells: Sequence[ReportCell], chosen: Chosen) -> Item:
    """Return figure 7: cells of 420 and 840 images or, without them, of the smallest and the largest data size."""
    name, title = "figure_7", "Figure 7: confusion matrices on the test split"
    group = series(cells, "data_size", around=chosen.cells) or [chosen.cells[0]]
    papers = [cell for cell in group if cell.data_size in PAPER]
    pair = papers if len(papers) == len(PAPER) else [group[0], *group[1:][-1:]]
    judged = [(cell, scores) for cell in pair if (scores := evidence.scores_on_test(store, cell)) is not None]
    if not judged:
        return Item(name, title, "There is no test split, or result.json is not in the store.")
    counts = [f"{cell.name}: {fold_count([cell])}, {int(scores.counts.sum())} test scans" for cell, scores in judged]
    text = (
        "The ensemble of the folds on the test split, which is neither balanced nor augmented nor trained on; macro "
        f"averages. {'. '.join(counts)}. "
    )
    theirs = PAPER if pair is papers and all(is_delamination(scores.classes) for _, scores in judged) else {}
    if theirs:
        text += "The paper's numbers are those of its own 86 test scans, which are not public."
    else:
        text += (
            "No pair of cells of 420 and 840 images and the paper's classes differs in nothing else, so the paper's "
        )
        text += "numbers are left out; the smallest and the largest data size are shown."
    drawn = [matrix(cell.name, scores, theirs.get(cell.data_size)) for cell, scores in judged]
    return Item(name, title, text, draw_confusion(drawn), _score_tables(judged, theirs))


def matrix(name: str, scores: evidence.SplitScores, papers: tuple[float, float] | None) -> Matrix:
    """Return the confusion matrix of a cell, with the paper's precision and recall where it has them."""
    precision, recall = ("", "") if papers is None else (f" (paper: {value:.2f})" for value in papers)
    title = (
        f"{shown(name)}\n{scores.counts.sum()} test scans, accuracy {scores.accuracy:.2f}\n"
        f"precision {scores.precision:.2f}{precision}, recall {scores.recall:.2f}{recall}"
    )
    return Matrix(title, scores.classes, scores.counts)


def _score_tables(
    judged: "Sequence[tuple[ReportCell, evidence.SplitScores]]", theirs: Mapping[int, tuple[float, float]]
) -> list[Table]:
    averages: list[list[Entry]] = []
    classes: list[list[Entry]] = []
    for cell, scores in judged:
        precision, recall = theirs.get(cell.data_size, (None, None))
        ours = [scores.accuracy, scores.precision, precision, scores.recall, recall, scores.f1]
        averages.append([cell.name, cell.data_size, int(scores.counts.sum()), *ours])
        classes += [[cell.name, *line] for line in scores.per_class]
    header = ["cell", "trained on", "test scans", "accuracy", "precision", "paper's precision", "recall"]
    header += ["paper's recall", "macro F1"]
    return [
        Table("figure_7", "Macro averages on the test split, the paper's beside ours", header, averages),
        Table("figure_7_classes", "By class", ["cell", "class", "precision", "recall", "test scans"], classes),
    ]


def metallization_item(store: "StoreReader", cells: Sequence[ReportCell], scans: "pd.DataFrame | None") -> Item:
    """Return figure 8, of the data set of ``cells``; example scans are those of the cell with the largest images."""
    name, title = "figure_8", "Figure 8: delamination by metallization"
    if scans is None:
        return Item(name, title, f"scans.csv {NOT_LOGGED}")
    if not set(scans["label"].dropna()) <= set(DELAMINATION):
        return Item(name, title, "The classes are not A to D, so which region they mean is not known.")
    shares = delaminated(scans)
    if not len(shares):
        return Item(name, title, "The data set names no metallizations, or no read-outs.")
    pictures = evidence.examples(store, max(cells, key=lambda cell: cell.image_size), scans)
    text = (
        f"{int(shares['scans'].sum())} scans of the training split, by the class that each was given. A or C: the die "
        "pad is delaminated; B or C: a bond pad."
    )
    metals = shares["metallization"].nunique()
    if metals > MOST_METALLIZATIONS:
        text += f" The first {MOST_METALLIZATIONS} of {metals} metallizations are drawn, the table has all."
    text += " Left: one package at its first and last read-out." if pictures else " The store holds no example scans."
    header = ["metallization", "cycles", "scans", *NAMED_REGIONS]
    rows: list[list[Entry]] = [
        [str(row[0]), int(row[1]), int(row[2]), *map(float, row[3:])] for row in shares[header].itertuples(index=False)
    ]
    return Item(name, title, text, draw_metallizations(shares, pictures), [Table(name, title, header, rows)])
