"""The report's items about many cells: one factor at a time, the grid, the ranking, the cost."""

from collections.abc import Sequence

from csam_lightning.reporting.cells import FACTORS, METRICS, ReportCell, fold_count, scan_count, series
from csam_lightning.reporting.choice import interval
from csam_lightning.reporting.document import Item
from csam_lightning.reporting.figures_sweep import DRAWN, Chosen, draw_cost, draw_factor, draw_grid, draw_ranking
from csam_lightning.reporting.tables import Entry, Spread, Table

FACTOR_FIGURES = {
    "data_size": ("figure_6a", "Figure 6a: overfitting against data size"),
    "image_size": ("figure_6b", "Figure 6b: overfitting against image size"),
    "batch_size": ("figure_6c", "Figure 6c: overfitting against batch size"),
}
WORDS = {"data_size": "data size", "image_size": "image size", "batch_size": "batch size"}
TEST = ("accuracy", "precision", "recall", "f1")


def factor_item(cells: Sequence[ReportCell], factor: str, chosen: Chosen) -> Item:
    """Return delta accuracy and delta loss against a factor of ``FACTORS``."""
    name, title = FACTOR_FIGURES[factor]
    group = series(cells, factor, around=(chosen.ours, chosen.papers))
    if not group:
        return Item(name, title, f"No two cells differ in {WORDS[factor]} alone.")
    fixed = ", ".join(f"{WORDS[other]} {getattr(group[0], other)}" for other in FACTORS if other != factor)
    text = (
        f"{len(group)} cells that differ in {WORDS[factor]} alone ({fixed}); {fold_count(group)} each, "
        f"{scan_count(group[0], 'training scans')} in the data set. Training and validation are both evaluation "
        "passes over scans as scanned. "
    )
    if factor == "data_size":
        text += "A data size takes the earliest read-outs, so each one is validated on other scans. "
    away = [rule for rule, cell in (("our", chosen.ours), ("the paper's", chosen.papers)) if cell not in group]
    if away:
        text += f"The cell that {' and '.join(away)} rule chooses differs from these in more and is not marked."
    rows: list[list[Entry]] = [
        [getattr(cell, factor), len(cell.folds), *_spreads(cell, ("delta_accuracy", "delta_loss"))] for cell in group
    ]
    header = [WORDS[factor], "folds", "Δ accuracy", "Δ loss"]
    return Item(name, title, text, draw_factor(group, factor, chosen), [Table(name, title, header, rows)])


def grid_item(cells: Sequence[ReportCell], chosen: Chosen) -> Item:
    """Return macro F1 over the whole grid."""
    title = "The grid: macro F1 over data size, image size and batch size"
    group = series(cells, *FACTORS, around=(chosen.ours, chosen.papers))
    if min((len({getattr(cell, factor) for cell in group}) for factor in ("data_size", "image_size")), default=0) < 2:  # noqa: PLR2004 - what a map needs
        return Item(
            "grid", title, "The cells do not span a grid: it takes two data sizes and two image sizes at least."
        )
    text = (
        f"{len(group)} cells, {fold_count(group)} each; brighter is better, grey was not run. "
        f"{scan_count(group[0], 'training scans')} in the data set; each data size is validated on its own read-outs."
    )
    rows: list[list[Entry]] = [
        [cell.data_size, cell.image_size, cell.batch_size, *_spreads(cell, ("val_f1",))] for cell in group
    ]
    header = ["data size", "image size", "batch size", "macro F1"]
    return Item("grid", title, text, draw_grid(group, chosen), [Table("grid", title, header, rows)])


def ranking_item(cells: Sequence[ReportCell], chosen: Chosen) -> Item:
    """Return all cells, best macro F1 first."""
    title = "Ranking: best macro F1 first"
    text = (
        f"{len(cells)} cells, {fold_count(cells)}, mean ± standard deviation over the folds; 95 % confidence interval "
        f"of macro F1 by Student's t. {'All' if len(cells) <= DRAWN else f'The best {DRAWN}'} are drawn."
    )
    header = [
        "rank",
        "cell",
        "folds",
        "macro F1",
        "CI low",
        "CI high",
        "precision",
        "recall",
        "accuracy",
        "Δ accuracy",
        "Δ loss",
    ]
    header += [f"test {name}" for name in TEST] + ["seconds", "images per second"]
    header += ["data size", "image size", "batch size", "protocol", "seed", "cell id", "run id"]
    rows = [_ranked(rank, cell) for rank, cell in enumerate(cells, start=1)]
    return Item("ranking", title, text, draw_ranking(cells, chosen), [Table("ranking", title, header, rows)])


def _ranked(rank: int, cell: ReportCell) -> list[Entry]:
    others = [metric for metric in METRICS if metric != "val_f1"]
    test: list[Entry] = [cell.run.metrics.get(f"test/{name}") for name in TEST]
    settings: list[Entry] = [cell.data_size, cell.image_size, cell.batch_size, cell.protocol, cell.seed]
    scores: list[Entry] = [*_spreads(cell, ("val_f1",)), *interval(cell), *_spreads(cell, others)]
    return [rank, cell.name, len(cell.folds), *scores, *test, cell.seconds, cell.speed, *settings, cell.id, cell.run.id]


def _spreads(cell: ReportCell, metrics: Sequence[str]) -> list[Spread]:
    return [Spread(cell.mean(metric), cell.std(metric)) for metric in metrics]


def cost_item(cells: Sequence[ReportCell], chosen: Chosen) -> Item:
    """Return what the cells cost."""
    title = "Cost: time of training and speed"
    text = (
        f"{len(cells)} cells, {fold_count(cells)}. The time is that in which at least one fold of a cell was training, "
        "on the machine that trained it: it compares cells of one machine that were trained alike."
    )
    rows: list[list[Entry]] = [[cell.name, len(cell.folds), cell.seconds, cell.speed] for cell in cells]
    header = ["cell", "folds", "seconds", "images per second"]
    return Item("cost", title, text, draw_cost(cells, chosen), [Table("cost", title, header, rows)])
