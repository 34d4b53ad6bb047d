"""Figures of single cells: learning curves and confusion matrices."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from csam_lightning.figures.style import PAGE, TRAINING, VALIDATION, shown

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

CURVES = ("train/loss", "val/loss", "train/accuracy", "val/accuracy")
"""The metrics per epoch that are drawn."""


def draw_curves(histories: Sequence[Mapping[str, Mapping[int, float]]], *, title: str | None = None) -> Figure:
    """Draw loss and accuracy per epoch: each fold thin, their mean thick.

    The training curves are running means over the balanced and augmented batches while the network learns; the
    validation curves are evaluation passes over scans as scanned.

    Args:
        histories: Of each fold: name of a metric of ``CURVES`` → epoch → value. The mean is taken over the epochs that
            all have.
        title: What the curves belong to.
    """
    figure = Figure(figsize=(PAGE, 3.4), layout="constrained")
    axes = figure.subplots(1, 2)
    for axis, name in zip(axes, ("loss", "accuracy"), strict=True):
        _draw_curve(axis, [history[f"train/{name}"] for history in histories], TRAINING, "training (running mean)")
        _draw_curve(axis, [history[f"val/{name}"] for history in histories], VALIDATION, "validation")
        axis.set_xlabel("epoch")
        last = max(epoch for history in histories for epoch in history[f"val/{name}"])
        axis.set_xlim(0.5, last + 0.5)
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
        axis.set_ylim(bottom=0)
    axes[0].set_ylabel("cross-entropy / nat")
    axes[1].set_ylabel("accuracy")
    axes[1].set_ylim(0, 1.02)
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    if title is not None:
        folds = len(histories)
        figure.suptitle(f"{title}: {folds} folds (thin) and their mean (thick)" if folds > 1 else title)
    return figure


def _draw_curve(axis: "Axes", curves: Sequence[Mapping[int, float]], colour: str, label: str) -> None:
    common = sorted(set.intersection(*map(set, curves)))
    sign = "o" if len(common) == 1 else ""
    if len(curves) > 1:
        for curve in curves:
            axis.plot(list(curve), list(curve.values()), color=colour, alpha=0.35, linewidth=0.8, marker=sign)
    means = [np.mean([curve[epoch] for curve in curves]) for epoch in common]
    axis.plot(common, means, color=colour, linewidth=2.2, label=label, marker=sign)


@dataclass(frozen=True)
class Matrix:
    """A confusion matrix to draw.

    Attributes:
        title: What was classified, and how well.
        classes: Class names in order.
        counts: Scans, actual × predicted, int64 of shape (classes, classes).
    """

    title: str
    classes: Sequence[str]
    counts: "NDArray[np.int64]"


def draw_confusion(matrices: Sequence[Matrix]) -> Figure:
    """Draw confusion matrices side by side, one or two: counts, and shares of the actual class as shade."""
    size = max(len(matrix.classes) for matrix in matrices)
    if len(matrices) == 1:
        shape = (max(PAGE / 2, 0.75 * size + 2.2), max(3.6, 0.75 * size + 1.6))
    else:
        shape = (PAGE, min(PAGE / 2, 3 + 0.15 * size) + 0.9)
    figure = Figure(figsize=shape, layout="constrained")
    axes = figure.subplots(1, len(matrices), squeeze=False)[0]
    for axis, matrix in zip(axes, matrices, strict=True):
        shares = matrix.counts / np.maximum(matrix.counts.sum(axis=1, keepdims=True), 1)
        shade = axis.imshow(shares, vmin=0, vmax=1, cmap="Blues")
        _write_counts(axis, matrix, shares)
        axis.set_title(matrix.title, fontsize=9)
        axis.set(xlabel="predicted", ylabel="actual")
    figure.colorbar(shade, ax=list(axes), label="share of the actual class", shrink=0.7)
    return figure


def _write_counts(axis: "Axes", matrix: Matrix, shares: "NDArray[np.float64]") -> None:
    names = [shown(name) for name in matrix.classes]
    slanted = 45 if max(map(len, names)) > 3 else 0  # noqa: PLR2004 - longer names would overlap
    axis.set_xticks(range(len(names)), names, rotation=slanted, ha="right" if slanted else "center")
    axis.set_yticks(range(len(names)), names)
    axis.spines[:].set_visible(False)
    for (row, column), count in np.ndenumerate(matrix.counts):
        dark = shares[row, column] > 0.5  # noqa: PLR2004 - where black text would sink into the shade
        axis.text(column, row, str(count), ha="center", va="center", color="white" if dark else "black")
