"""Reliability diagrams: how often scans are of a class, by the probability that the classifier gave it."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from matplotlib.figure import Figure

from csam_lightning.figures.style import PAGE, TRAINING, VALIDATION, shown

if TYPE_CHECKING:
    from numpy.typing import NDArray

Curve: TypeAlias = "tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]"
"""Number of scans, mean probability and share of the class in each bin, arrays of shape (bins,)."""

SHADE = "#BBBBBB"
COLUMNS = 4
SMALLEST, LARGEST = 6.0, 90.0
"""Area of the point of a bin with hardly a scan, and what that of a bin with all scans has on top, square points."""
MARKS = (("s", TRAINING), ("o", VALIDATION))


def draw_reliability(classes: Sequence[str], by_name: Mapping[str, Sequence[Curve]], *, title: str = "") -> Figure:
    """Draw a reliability diagram for each class, side by side.

    A point on the dashed line is a bin of the probability in which the share of the class equals that probability.
    The larger a point, the more scans it stands for.

    Args:
        classes: Class names in order.
        by_name: One or two kinds of probabilities, for example before and after calibration: name → curve of each
            class, as :attr:`csam_lightning.evaluation.reliability.Reliability.curve` has it. The bars count the scans
            of the last.
        title: Of the figure.
    """
    columns = min(COLUMNS, len(classes))
    rows = -(-len(classes) // columns)
    figure = Figure(figsize=(PAGE, 0.7 + 2.4 * rows), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
    for axis in axes.flat[len(classes) :]:
        axis.remove()
    for code, (axis, name) in enumerate(zip(axes.flat, classes, strict=False)):
        scans = [*by_name.values()][-1][code][0]
        edges = np.linspace(0, 1, len(scans) + 1)
        axis.bar(edges[:-1], scans / scans.sum(), np.diff(edges), align="edge", color=SHADE, label="share of the scans")
        axis.plot([0, 1], [0, 1], color="black", linestyle="--", linewidth=0.8)
        for (kind, curves), (marker, colour) in zip(by_name.items(), MARKS, strict=False):
            counts, probability, share = curves[code]
            filled = counts > 0
            sizes = SMALLEST + LARGEST * np.sqrt(counts[filled] / counts.sum())
            look = {"s": sizes, "color": colour, "marker": marker, "alpha": 0.8}
            axis.scatter(probability[filled], share[filled], label=f"share of the class, {kind}", **look)
        axis.set(xlim=(-0.03, 1.03), ylim=(-0.03, 1.03))
        axis.set_title(f"class {shown(name, 24)}", fontsize=9)
    for axis in figure.axes[-columns:]:
        axis.set_xlabel("probability of the class", fontsize=9)
    figure.suptitle(shown(title, 80), fontsize=10)
    figure.legend(*axes.flat[0].get_legend_handles_labels(), loc="outside lower center", ncols=3, fontsize=9)
    return figure
