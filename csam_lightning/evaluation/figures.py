"""Figures of a cell: learning curves and confusion matrices, as PNG."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from csam_lightning.files import written_atomically

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from csam_lightning.evaluation.metrics import Scores

mpl.rcParams.update({"font.size": 10, "axes.spines.top": False, "axes.spines.right": False, "text.parse_math": False})

TRAINING, VALIDATION = "#0072B2", "#D55E00"
"""Blue and vermilion of Okabe and Ito's palette, distinct to colour-blind readers (jfly.uni-koeln.de/color)."""

DPI = 150


def draw_curves(histories: Sequence[Sequence[dict[str, float]]], path: Path, *, title: str) -> None:
    """Draw loss and accuracy per epoch: each fold thin, their mean thick.

    The training curves are running means over the balanced and augmented batches while the network learns; the
    validation curves are evaluation passes over scans as scanned.

    Args:
        histories: Metrics per epoch of each fold, all of the same length.
        path: The PNG to write.
        title: What the curves belong to.
    """
    figure = Figure(figsize=(8, 3.4), layout="constrained")
    axes = figure.subplots(1, 2)
    for axis, name in zip(axes, ("loss", "accuracy"), strict=True):
        _draw_curve(axis, histories, f"train/{name}", TRAINING, "training (running)")
        _draw_curve(axis, histories, f"val/{name}", VALIDATION, "validation")
        axis.set_xlabel("epoch")
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
        axis.set_ylim(bottom=0)
    axes[0].set_ylabel("cross-entropy / nat")
    axes[1].set_ylabel("accuracy")
    axes[1].set_ylim(0, 1.02)
    axes[0].legend(frameon=False)
    folds = len(histories)
    figure.suptitle(f"{title}: {folds} folds (thin) and their mean (thick)" if folds > 1 else title)
    _save(figure, path)


def _draw_curve(
    axis: "Axes", histories: Sequence[Sequence[dict[str, float]]], name: str, colour: str, label: str
) -> None:
    values = np.array([[epoch[name] for epoch in history] for history in histories])
    epochs = np.arange(1, values.shape[1] + 1)
    marker = "o" if len(epochs) == 1 else ""
    if len(values) > 1:
        axis.plot(epochs, values.T, color=colour, alpha=0.3, linewidth=0.8, marker=marker)
    axis.plot(epochs, values.mean(axis=0), color=colour, linewidth=2, label=label, marker=marker)


def draw_confusion_matrix(scores: "Scores", classes: Sequence[str], path: Path, *, title: str) -> None:
    """Draw a confusion matrix, actual × predicted: counts, and shares of the actual class as shade.

    Args:
        scores: Holds the matrix.
        classes: Class names in order.
        path: The PNG to write.
        title: What was classified.
    """
    counts = scores.confusion_matrix
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    side = max(3.6, 0.75 * len(classes) + 1.6)
    figure = Figure(figsize=(side + 0.6, side), layout="constrained")
    axis = figure.subplots()
    shade = axis.imshow(shares, vmin=0, vmax=1, cmap="Blues")
    _write_cells(axis, counts, shares)
    slanted = 45 if max(len(name) for name in classes) > 3 else 0  # noqa: PLR2004 - longer names would overlap
    axis.set_xticks(range(len(classes)), classes, rotation=slanted, ha="right" if slanted else "center")
    axis.set_yticks(range(len(classes)), classes)
    axis.set_xlabel("predicted")
    axis.set_ylabel("actual")
    axis.set_title(
        f"{title}\n{counts.sum()} scans, accuracy {scores.accuracy:.3f}\n"
        f"macro precision {scores.precision:.3f}, macro recall {scores.recall:.3f}",
        fontsize=9,
    )
    figure.colorbar(shade, label="share of the actual class", shrink=0.8)
    _save(figure, path)


def _write_cells(axis: "Axes", counts: "NDArray[np.int64]", shares: "NDArray[np.float64]") -> None:
    for (row, column), count in np.ndenumerate(counts):
        dark = shares[row, column] > 0.5  # noqa: PLR2004 - where black text would sink into the shade
        axis.text(column, row, str(count), ha="center", va="center", color="white" if dark else "black")


def _save(figure: Figure, path: Path) -> None:
    with written_atomically(path) as temporary:
        figure.savefig(temporary, dpi=DPI)
