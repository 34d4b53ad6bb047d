"""Figures over many cells: one factor at a time, the grid, the ranking, the cost."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import ceil, floor, isfinite
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator, StrMethodFormatter

from csam_lightning.figures.style import OURS, PAGE, PAPERS, shown
from csam_lightning.reporting.cells import ReportCell, fold_count
from csam_lightning.reporting.comparison import Comparison

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.image import AxesImage

MOST_TICKS = 8
"""Image sizes that an axis names one by one, at most."""

AXIS = {
    "data_size": "data size / images",
    "image_size": "image size / pixels of a side",
    "batch_size": "batch size / images",
}
DRAWN = 40
"""Cells of a ranking, at most: more would not be legible."""


@dataclass(frozen=True)
class Chosen:
    """The cells that the two rules choose; ours may recommend none."""

    ours: ReportCell | None
    papers: ReportCell

    @property
    def cells(self) -> tuple[ReportCell, ...]:
        """The cells that are chosen, ours first."""
        return (self.papers,) if self.ours is None else (self.ours, self.papers)

    def mark(self, axis: "Axes", cell: ReportCell, x: float, y: float, *, size: float = 13) -> None:
        """Mark the point of a cell, if a rule chooses it."""
        rules = (self.papers, "D", PAPERS, "paper's rule"), (self.ours, "o", OURS, "our rule")
        for choice, sign, colour, rule in rules:
            if choice is not None and cell.id == choice.id:
                (mark,) = axis.plot(x, y, sign, markersize=size, label=f"chosen: {rule}", clip_on=False)
                mark.set(color=colour, fillstyle="none", markeredgewidth=2)


def draw_factor(cells: Sequence[ReportCell], factor: str, chosen: Chosen) -> Figure:
    """Draw delta accuracy and delta loss against a factor: each fold, and mean ± sd over the folds.

    Args:
        cells: At least two cells that differ in nothing but ``factor``, sorted by it.
        factor: ``data_size``, ``image_size`` or ``batch_size``.
        chosen: Cells to mark.
    """
    figure = Figure(figsize=(PAGE, 3.5), layout="constrained")
    axes = figure.subplots(1, 2)
    for axis, metric, label in zip(axes, ("delta_accuracy", "delta_loss"), ("Δ accuracy", "Δ loss / nat"), strict=True):
        _draw_deltas(axis, cells, factor, metric, chosen)
        axis.set_ylabel(f"{label} (training − validation)")
        axis.set_xlabel(AXIS[factor])
    _legend(figure, axes)
    return figure


def _legend(figure: Figure, axes: Iterable["Axes"], *, markerscale: float = 1.0) -> None:
    """Put a legend of all that has a label, each once, above the figure."""
    handles = {label: handle for axis in axes for handle, label in zip(*axis.get_legend_handles_labels(), strict=True)}
    if handles:
        figure.legend(
            handles.values(),
            handles.keys(),
            loc="outside upper center",
            ncols=5,
            columnspacing=1.2,
            markerscale=markerscale,
        )


def _draw_deltas(axis: "Axes", cells: Sequence[ReportCell], factor: str, metric: str, chosen: Chosen) -> None:
    places = [getattr(cell, factor) for cell in cells]
    for number, (place, cell) in enumerate(zip(places, cells, strict=True)):
        values = cell.values(metric)
        label = "a fold" if number == 0 else None
        axis.plot([place] * len(values), values, "o", color="#999999", markersize=3.5, label=label)
    means = [cell.mean(metric) for cell in cells]
    spreads = [np.nan_to_num(cell.std(metric)) for cell in cells]
    axis.errorbar(places, means, spreads, fmt="o-", color="black", capsize=4, label=f"mean ± sd, {fold_count(cells)}")
    for place, mean, cell in zip(places, means, cells, strict=True):
        chosen.mark(axis, cell, place, mean)
    axis.axhline(0, color="black", linewidth=0.6, linestyle=":")
    if factor == "batch_size":
        axis.set_xscale("log", base=2)
    axis.set_xticks(places, [str(place) for place in places])
    axis.minorticks_off()
    axis.margins(x=0.12, y=0.12)


def draw_grid(cells: Sequence[ReportCell], chosen: Chosen) -> Figure:
    """Draw macro F1 over data size and image size, a heat map for each batch size, on one scale.

    Args:
        cells: Cells that differ in nothing but data size, image size and batch size.
        chosen: Cells to mark.
    """
    sizes, sides, batches = (
        sorted({getattr(cell, factor) for cell in cells}) for factor in ("data_size", "image_size", "batch_size")
    )
    columns = min(2, len(batches))
    rows = ceil(len(batches) / columns)
    figure = Figure(figsize=(PAGE, 0.8 + rows * (1.1 + 0.32 * len(sizes))), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    scores = [cell.f1 for cell in cells]
    shade: AxesImage | None = None
    for axis, batch in zip(axes, batches, strict=False):
        mine = {(cell.data_size, cell.image_size): cell for cell in cells if cell.batch_size == batch}
        values = np.array(
            [[mine[size, side].f1 if (size, side) in mine else np.nan for side in sides] for size in sizes]
        )
        shade = axis.imshow(values, vmin=min(scores), vmax=max(scores), cmap="cividis", origin="lower", aspect="auto")
        _write_scores(axis, values, middle=(min(scores) + max(scores)) / 2)
        for (size, side), cell in mine.items():
            chosen.mark(axis, cell, sides.index(side), sizes.index(size), size=22)
        axis.set_xticks(range(len(sides)), [str(side) for side in sides])
        axis.set_yticks(range(len(sizes)), [str(size) for size in sizes])
        axis.set_facecolor("#dddddd")
        axis.set(title=f"batch size {batch}", xlabel=AXIS["image_size"], ylabel=AXIS["data_size"])
    for axis in axes[len(batches) :]:
        axis.set_visible(False)
    _legend(figure, axes, markerscale=0.6)
    if shade is not None:
        figure.colorbar(shade, ax=list(axes), label=f"macro F1, mean of {fold_count(cells)}")
    return figure


def _write_scores(axis: "Axes", values: "np.ndarray[tuple[int, int], np.dtype[np.float64]]", *, middle: float) -> None:
    for (row, column), value in np.ndenumerate(values):
        text = f"{value:.2f}".removeprefix("0") if isfinite(value) else "-"
        axis.text(column, row, text, ha="center", va="center", color="white" if value < middle else "black", fontsize=8)


def draw_ranking(cells: Sequence[ReportCell], comparison: Comparison, chosen: Chosen) -> Figure:
    """Draw macro F1 with its 95 % confidence interval: the first ``DRAWN`` cells, and the chosen ones.

    A line parts cells that were validated on different scans.

    Args:
        cells: Cells in the order in which they are ranked, those validated on the same scans together.
        comparison: Where their scores come from.
        chosen: Cells to mark.
    """
    drawn = [*cells[:DRAWN], *(cell for cell in cells[DRAWN:] if cell in chosen.cells)]
    figure = Figure(figsize=(PAGE, 1.7 + 0.26 * len(drawn)), layout="constrained")
    axis = figure.subplots()
    places = range(len(drawn), 0, -1)
    scores = [comparison.score(cell) for cell in drawn]
    for place, cell, score in zip(places, drawn, scores, strict=True):
        bounds = np.clip((score.low, score.high), 0, 1)
        axis.plot(bounds, [place, place], color="#56B4E9", linewidth=5, alpha=0.6, solid_capstyle="butt")
        axis.plot(cell.values("val_f1"), [place] * len(cell.folds), "|", color="#666666", markersize=7)
        axis.plot(score.value, place, "o", color="black", markersize=5)
        chosen.mark(axis, cell, score.value, place)
    for line, label in zip(axis.lines, ("95 % interval", "a fold", "macro F1"), strict=False):
        line.set_label(label)
    for place, cell, other in zip(places, drawn, drawn[1:], strict=False):
        if comparison.place(cell) != comparison.place(other):
            axis.axhline(place - 0.5, color="black", linewidth=0.6, linestyle=":")
    _legend(figure, [axis])
    axis.set_yticks(places, [shown(cell.name, 72) for cell in drawn])
    axis.set_ylim(0.3, len(drawn) + 0.7)
    lowest = min(min(cell.values("val_f1").min(), score.low) for cell, score in zip(drawn, scores, strict=True))
    axis.set_xlim(max(0, floor(lowest * 10) / 10) if isfinite(lowest) else 0, 1.01)
    axis.set_xlabel(f"macro F1 on validation scans before calibration, {fold_count(drawn)}")
    axis.grid(axis="x", alpha=0.3)
    return figure


def draw_cost(cells: Sequence[ReportCell], chosen: Chosen) -> Figure:
    """Draw what a cell is worth against what it costs, and how speed depends on the image size.

    Args:
        cells: Cells.
        chosen: Cells to mark.
    """
    import matplotlib as mpl

    figure = Figure(figsize=(PAGE, 3.7), layout="constrained")
    axes = figure.subplots(1, 2)
    batches = sorted({cell.batch_size for cell in cells})
    shades = mpl.colormaps["cividis"](np.linspace(0, 0.9, len(batches)))
    for batch, shade, sign in zip(batches, shades, "osD^vP*X<>" * len(batches), strict=False):
        mine = sorted((cell for cell in cells if cell.batch_size == batch), key=lambda cell: cell.image_size)
        look = {"color": shade, "markersize": 5, "label": f"batch {batch}"}
        axes[0].plot([cell.seconds for cell in mine], [cell.f1 for cell in mine], sign, **look)
        axes[1].plot([cell.image_size for cell in mine], [cell.speed for cell in mine], sign, **look)
    for cell in reversed(chosen.cells):
        if cell in cells:
            chosen.mark(axes[0], cell, cell.seconds, cell.f1)
    axes[0].set(xscale="log", xlabel="time of training / s", ylabel="macro F1 on validation scans")
    axes[1].set(yscale="log", ylabel="training images per second", xlabel=AXIS["image_size"])
    for scale, values in (
        (axes[0].xaxis, [cell.seconds for cell in cells]),
        (axes[1].yaxis, [cell.speed for cell in cells]),
    ):
        wide = max(values) > 100 * min(values)
        scale.set_major_locator(LogLocator(subs=(1,) if wide else (1, 2, 5)))
        scale.set_major_formatter(StrMethodFormatter("{x:g}"))
        scale.set_minor_locator(NullLocator())
    sides = sorted({cell.image_size for cell in cells})
    if len(sides) <= MOST_TICKS:
        axes[1].set_xticks(sides)
    for axis in axes:
        axis.margins(0.1)
    _legend(figure, axes)
    return figure
