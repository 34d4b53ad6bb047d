"""Figures of single cells: learning curves, and confusion matrices on the test split."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from csam_lightning.reporting.style import PAGE, TRAINING, VALIDATION, shown

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from csam_lightning.reporting.evidence import SplitScores


def draw_curves(histories: Sequence[dict[str, dict[int, float]]]) -> Figure:
    """Draw loss and accuracy per epoch: each fold thin, their mean thick.

    Args:
        histories: Of each fold: name of a metric → epoch → value. The mean is taken over the epochs that all have.
    """
    figure = Figure(figsize=(PAGE, 3.4), layout="constrained")
    axes = figure.subplots(1, 2)
    for axis, name in zip(axes, ("loss", "accuracy"), strict=True):
        _draw_curve(axis, [history[f"train/{name}"] for history in histories], TRAINING, "training (running mean)")
        _draw_curve(axis, [history[f"val/{name}"] for history in histories], VALIDATION, "validation")
        axis.set_xlabel("epoch")
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
        axis.set_ylim(bottom=0)
    axes[0].set_ylabel("cross-entropy / nat")
    axes[1].set_ylabel("accuracy")
    axes[1].set_ylim(0, 1.02)
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=2)
    return figure


def _draw_curve(axis: "Axes", curves: Sequence[dict[int, float]], colour: str, label: str) -> None:
    common = sorted(set.intersection(*map(set, curves)))
    sign = "o" if len(common) == 1 else ""
    for curve in curves:
        axis.plot(list(curve), list(curve.values()), color=colour, alpha=0.35, linewidth=0.8, marker=sign)
    means = [np.mean([curve[epoch] for curve in curves]) for epoch in common]
    axis.plot(common, means, color=colour, linewidth=2.2, label=label, marker=sign)


def draw_confusion(judged: Sequence[tuple[str, "SplitScores", tuple[float, float] | None]]) -> Figure:
    """Draw confusion matrices on the test split side by side: counts, and shares of the actual class as shade.

    Args:
        judged: Of each matrix: title, scores, and the paper's macro precision and recall where it has them. One or two.
    """
    size = max(len(scores.classes) for _, scores, _ in judged)
    figure = Figure(figsize=(PAGE, min(PAGE / 2, 3 + 0.15 * size) + 0.9), layout="constrained")
    axes = figure.subplots(1, 2)
    for axis in axes[len(judged) :]:
        axis.set_visible(False)
    shade = None
    for axis, (title, scores, paper) in zip(axes, judged, strict=False):
        counts = scores.counts
        shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
        shade = axis.imshow(shares, vmin=0, vmax=1, cmap="Blues")
        _write_counts(axis, scores)
        told = f"{shown(title)}\n{counts.sum()} test scans, accuracy {scores.accuracy:.2f}\n"
        told += f"precision {scores.precision:.2f}{_against(paper, 0)}, recall {scores.recall:.2f}{_against(paper, 1)}"
        axis.set_title(told, fontsize=9)
        axis.set(xlabel="predicted", ylabel="actual")
    if shade is not None:
        figure.colorbar(
            shade, ax=[axis for axis in axes if axis.get_visible()], label="share of the actual class", shrink=0.7
        )
    return figure


def _against(paper: tuple[float, float] | None, which: int) -> str:
    return "" if paper is None else f" (paper: {paper[which]:.2f})"


def _write_counts(axis: "Axes", scores: "SplitScores") -> None:
    names = [shown(name) for name in scores.classes]
    slanted = 45 if max(map(len, names)) > 3 else 0  # noqa: PLR2004 - longer names would overlap
    axis.set_xticks(range(len(names)), names, rotation=slanted, ha="right" if slanted else "center")
    axis.set_yticks(range(len(names)), names)
    axis.spines[:].set_visible(False)
    counts = scores.counts
    for (row, column), count in np.ndenumerate(counts):
        dark = count > counts[row].sum() / 2
        axis.text(column, row, str(count), ha="center", va="center", color="white" if dark else "black")
