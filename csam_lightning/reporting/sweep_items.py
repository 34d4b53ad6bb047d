"""The report's items about many cells: one factor at a time, the grid, the ranking, the cost."""

from collections.abc import Mapping, Sequence

from csam_lightning.reporting.cells import FACTORS, METRICS, ReportCell, fold_count, scan_count, series
from csam_lightning.reporting.comparison import BY_LIKELIEST, Comparison
from csam_lightning.reporting.document import Item
from csam_lightning.reporting.evidence import ErrorRates
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
    group = series(cells, factor, around=chosen.cells)
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
    rules = (("our", chosen.ours), ("the paper's", chosen.papers))
    away = [rule for rule, cell in rules if cell is not None and cell not in group]
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
    group = series(cells, *FACTORS, around=chosen.cells)
    if min((len({getattr(cell, factor) for cell in group}) for factor in ("data_size", "image_size")), default=0) < 2:  # noqa: PLR2004 - what a map needs
        return Item(
            "grid", title, "The cells do not span a grid: it takes two data sizes and two image sizes at least."
        )
    text = (
        f"{len(group)} cells, {fold_count(group)} each; brighter is better, grey was not run. "
        "Macro F1 is of the likeliest classes, before calibration. "
        f"{scan_count(group[0], 'training scans')} in the data set; each data size is validated on its own read-outs."
    )
    rows: list[list[Entry]] = [
        [cell.data_size, cell.image_size, cell.batch_size, *_spreads(cell, ("val_f1",))] for cell in group
    ]
    header = ["data size", "image size", "batch size", "macro F1"]
    return Item("grid", title, text, draw_grid(group, chosen), [Table("grid", title, header, rows)])


def ranking_item(
    cells: Sequence[ReportCell],
    comparison: Comparison,
    rates: Mapping[str, ErrorRates | None],
    chosen: Chosen,
) -> Item:
    """Return all cells, ranked among those that were validated on the same scans, best macro F1 first.

    Args:
        cells: The cells.
        comparison: Where their scores come from.
        rates: Escape and overkill by the cell's id.
        chosen: Cells to mark.
    """
    title = f"Ranking {BY_LIKELIEST}: best macro F1 first, among cells validated on the same scans"
    text = (
        f"{len(cells)} cells, {fold_count(cells)}; mean ± standard deviation over the folds. Macro F1 is over all "
        "out-of-fold scans, its 95 % interval a bootstrap by package; where a cell's predictions are missing, the mean "
        f"over the folds and Student's interval. {'All' if len(cells) <= DRAWN else f'The first {DRAWN}'} are drawn. "
        "Precision, recall and accuracy are of the likeliest classes too. Escape and overkill are of the model as it "
        "judges, after calibration: the ranking does not look at them."
    )
    header = ["rank", "cell", "folds", "scans", "macro F1", "CI low", "CI high", "interval"]
    header += [f"{rate}{end}" for rate in ("escape", "overkill") for end in ("", " low", " high")]
    header += ["macro F1 over folds", "precision", "recall", "accuracy", "Δ accuracy", "Δ loss"]
    header += [f"test {name}" for name in TEST] + ["seconds", "images per second"]
    header += ["data size", "image size", "batch size", "protocol", "seed", "cell id", "run id"]
    ordered = sorted(cells, key=lambda cell: (comparison.place(cell), -comparison.score(cell).value, cell.id))
    places = [comparison.place(cell) for cell in ordered]
    rows = [
        _ranked(number - places.index(place) + 1, cell, comparison, rates.get(cell.id))
        for number, (place, cell) in enumerate(zip(places, ordered, strict=True))
    ]
    figure = draw_ranking(ordered, comparison, chosen)
    return Item("ranking", title, text, figure, [Table("ranking", title, header, rows)])


def _ranked(rank: int, cell: ReportCell, comparison: Comparison, rates: ErrorRates | None) -> list[Entry]:
    score, place = comparison.score(cell), comparison.place(cell)
    scans = comparison.groups[place].scans if place < len(comparison.groups) else None
    interval = "by package" if score.by_package else "over folds"
    errors: list[Entry] = [None] * 6
    if rates is not None:
        errors = [value for rate in (rates.escape, rates.overkill) for value in (rate.value, rate.low, rate.high)]
    test: list[Entry] = [cell.run.metrics.get(f"test/{name}") for name in TEST]
    settings: list[Entry] = [cell.data_size, cell.image_size, cell.batch_size, cell.protocol, cell.seed]
    scores: list[Entry] = [score.value, score.low, score.high, interval, *errors, *_spreads(cell, list(METRICS))]
    ids = [cell.id, cell.run.id]
    return [rank, cell.name, len(cell.folds), scans, *scores, *test, cell.seconds, cell.speed, *settings, *ids]


def _spreads(cell: ReportCell, metrics: Sequence[str]) -> list[Spread]:
    return [Spread(cell.mean(metric), cell.std(metric)) for metric in metrics]


def cost_item(cells: Sequence[ReportCell], chosen: Chosen) -> Item:
    """Return what the cells cost."""
    title = "Cost: time of training, counted work and speed"
    text = (
        f"{len(cells)} cells, {fold_count(cells)}. The time is that in which at least one fold of a cell was training, "
        "on the machine that trained it: it compares cells of one machine that were trained alike. Work is images × "
        "pixels × epochs over all folds, which no machine changes; our rule counts it."
    )
    rows: list[list[Entry]] = [
        [cell.name, len(cell.folds), cell.work / 1e9, cell.seconds, cell.speed] for cell in cells
    ]
    header = ["cell", "folds", "work / 10⁹ pixels", "seconds", "images per second"]
    return Item("cost", title, text, draw_cost(cells, chosen), [Table("cost", title, header, rows)])
