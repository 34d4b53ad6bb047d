"""Puts a report together: reads what the chosen runs hold, chooses, and makes every item."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from csam_lightning.figures.style import styled
from csam_lightning.reporting import evidence
from csam_lightning.reporting.advice import advise, cautions
from csam_lightning.reporting.candidate_tables import candidate_table, data_size_table
from csam_lightning.reporting.cell_items import confusion_item, counts_item, curves_item, metallization_item
from csam_lightning.reporting.cells import FACTORS, ReportCell, fold_count
from csam_lightning.reporting.choice import choose_as_the_paper, choose_ours
from csam_lightning.reporting.comparison import comparable, compared
from csam_lightning.reporting.document import Document
from csam_lightning.reporting.figures_sweep import Chosen
from csam_lightning.reporting.out_of_fold import read_out_of_fold
from csam_lightning.reporting.picking import TOLERANCE
from csam_lightning.reporting.selection import Selection
from csam_lightning.reporting.sweep_items import cost_item, factor_item, grid_item, ranking_item
from csam_lightning.reporting.tables import Table
from csam_lightning.tracking.store import store_uri, without_password
from csam_lightning.wording import counted

if TYPE_CHECKING:
    import pandas as pd

    from csam_lightning.tracking.reading import StoreReader


def assemble(store: "StoreReader", selection: Selection, *, tolerance: float = TOLERANCE) -> Document:
    """Return the report about ``selection``.

    Args:
        store: The store that the runs are in.
        selection: The cells.
        tolerance: Macro F1 that the recommended cell may lie below the best.

    Raises:
        InputError: The store does not answer any more.
    """
    cells, remarks = comparable(selection.cells)
    allowed = [cell for cell in cells if cell.protocol == "grouped"]
    predictions = {cell.id: read_out_of_fold(store, cell) for cell in selection.cells}
    comparison = compared(selection.cells, predictions, allowed)
    found = choose_ours(comparison, tolerance=tolerance)
    rates = {cell.id: evidence.error_rates(store, cell) for cell in selection.cells}
    named = None if store.uri == store_uri(None) else without_password(store.uri)
    advice = advise(comparison, found, rates, cells, tolerance=tolerance, store=named)
    balances = _balances(store, cells)
    scans = evidence.scan_table(store, [advice.shown, *cells])
    reach = {cell: last for cell, table in balances.items() if (last := evidence.last_read_out(table)) is not None}
    last = None if scans is None else evidence.last_read_out(scans[scans["split"] == "train"])
    papers = choose_as_the_paper(cells, reach, last)
    chosen = Chosen(advice.chosen, papers.cell)
    classes = _classes(store, advice.shown, scans)
    with styled():
        items = [
            ranking_item(selection.cells, comparison, rates, chosen),
            counts_item(advice.shown, scans, balances[advice.shown.id], classes),
            *(factor_item(cells, factor, chosen) for factor in FACTORS),
            curves_item(store, advice.shown, recommended=advice.chosen is not None),
            confusion_item(store, cells, chosen),
            metallization_item(store, cells, scans),
            grid_item(cells, chosen),
            cost_item(selection.cells, chosen),
        ]
    undone = [[cell.name, cell.id, cell.reason] for cell in selection.unfinished]
    tables = [] if found is None else [candidate_table(found), data_size_table(comparison, found)]
    return Document(
        title=selection.title,
        facts=_facts(store, selection),
        advice=advice,
        papers=papers,
        remarks=[*remarks, *cautions(comparison, cells)],
        tables=[table for table in tables if table is not None],
        items=items,
        unfinished=Table("unfinished", "Cells without results", ["cell", "cell id", "reason"], undone),
    )


def _balances(store: "StoreReader", cells: Sequence[ReportCell]) -> "dict[str, pd.DataFrame | None]":
    """Return each cell's balance table by its id; cells that are balanced alike share one."""
    known: dict[tuple[object, ...], pd.DataFrame | None] = {}
    tables = {}
    for cell in cells:
        alike = (cell.fingerprint, cell.data_size, cell.protocol, cell.seed, cell.run.params.get("data.num_folds"))
        if known.get(alike) is None:
            known[alike] = evidence.balance_table(store, cell)
        tables[cell.id] = known[alike]
    return tables


def _classes(store: "StoreReader", cell: ReportCell, scans: "pd.DataFrame | None") -> list[str]:
    """Return the class names in the order in which the cell has them, or sorted where that is not known."""
    scores = evidence.scores_on_test(store, cell)
    labels = set() if scans is None else set(scans["label"].dropna())
    return scores.classes if scores is not None and labels <= set(scores.classes) else sorted(labels)


def _facts(store: "StoreReader", selection: Selection) -> list[str]:
    cells = selection.cells
    sets = {cell.fingerprint: cell for cell in cells}.values()
    commits = sorted({cell.run.tags.get("git.commit", "unknown")[:12] for cell in cells})
    impossible = sum(cell.impossible for cell in selection.unfinished)
    missing = len(selection.unfinished) - impossible
    undone = f", {missing} more without results" if missing else ""
    undone += f", {impossible} impossible and never launched" if impossible else ""
    return [
        f"Read: {selection.title}, from MLflow store {without_password(store.uri)}",
        f"{counted(len(cells), 'finished cell')}, {fold_count(cells)}{undone}",
        *(f"Data: {_data(cell)}; fingerprint {cell.fingerprint[:12]}" for cell in sets),
        f"Code: commit {', '.join(commits)}",
    ]


def _data(cell: ReportCell) -> str:
    profile = cell.run.profile
    counts = ", ".join(
        f"{profile[name]} {name}" for name in ("training scans", "test scans", "packages") if name in profile
    )
    return counts or "unknown"
