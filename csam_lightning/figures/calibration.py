"""Reliability diagrams: how often a classifier is right, by how sure it was."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from csam_lightning.figures.style import PAGE, VALIDATION, shown

if TYPE_CHECKING:
    from numpy.typing import NDArray

SHADE = "#BBBBBB"


def draw_reliability(
    panels: Mapping[str, "tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]"],
) -> Figure:
    """Draw reliability diagrams side by side.

    A point on the dashed line is a bin of confidence in which the share classified rightly is what the classifier said.

    Args:
        panels: Title → number of scans, mean confidence and accuracy in each bin of confidence, arrays of shape (bins,)
            with NaN where a bin is empty, as in :class:`csam_lightning.evaluation.calibration.Reliability`.
    """
    figure = Figure(figsize=(PAGE if len(panels) > 1 else PAGE / 2, 3.8), layout="constrained")
    axes = figure.subplots(1, len(panels), squeeze=False, sharey=True)[0]
    for axis, (title, (scans, confidence, accuracy)) in zip(axes, panels.items(), strict=True):
        edges = np.linspace(0, 1, len(scans) + 1)
        axis.bar(edges[:-1], scans / scans.sum(), np.diff(edges), align="edge", color=SHADE, label="share of the scans")
        axis.plot([0, 1], [0, 1], color="black", linestyle="--", linewidth=0.8)
        filled = scans > 0
        axis.plot(confidence[filled], accuracy[filled], marker="o", color=VALIDATION, label="share classified rightly")
        axis.set(xlim=(0, 1), ylim=(0, 1.02), xlabel="confidence")
        axis.set_title(shown(title, 80), fontsize=9)
    axes[0].set_ylabel("share")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure
