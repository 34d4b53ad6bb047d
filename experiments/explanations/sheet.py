"""The contact sheet: scans, what is delaminated, and the maps laid over them."""

from pathlib import Path

import matplotlib as mpl
import numpy as np
from known import CLASSES, NONE, Networks, Sample
from numpy.typing import NDArray

from csam_lightning.figures.style import save_png, styled
from csam_lightning.saliency.overlay import overlay
from csam_lightning.saliency.saliency import Method, explain
from csam_lightning.training.fold import logits

mpl.use("Agg")
from matplotlib import pyplot as plt

EACH = 3
"""Scans of each class that are judged rightly; the wrongly judged ones come last."""
MOST_WRONG = 3


def draw_sheet(networks: Networks, test: Sample, path: Path) -> None:
    """Draw scans of A, B and C in columns: the truth's outline on the scan, and maps of the default and of Grad-CAM."""
    trained = list(networks.values())
    probabilities = np.mean([logits(network, [test.scans]).softmax(dim=1).numpy() for network in trained], axis=0)
    rows = chosen(test, probabilities)
    part, shown = test.taken(rows), probabilities[rows]
    order = np.lexsort([part.table["true_label"].to_numpy(), shown.argmax(axis=1) != part.codes])
    codes = np.where(shown.argmax(axis=1) == NONE, shown[:, :NONE].argmax(axis=1), shown.argmax(axis=1))
    against = np.full(len(codes), NONE)
    asked = {
        "why the class predicted, not D": explain(trained, part.scans, codes, against=against),
        "why A, not D": explain(trained, part.scans, np.full(len(codes), 0), against=against),
        "why B, not D": explain(trained, part.scans, np.full(len(codes), 1), against=against),
        "Grad-CAM, layer4": explain(trained, part.scans, codes, method=Method("GradCAM", "layer4")),
    }
    with styled():
        figure, axes = plt.subplots(
            1 + len(asked), len(codes), figsize=(1.25 * len(codes), 1.3 * (1 + len(asked)) + 0.4)
        )
        for column, index in zip(axes.T, order, strict=True):
            pictures = [overlay(part.scans[index], maps[index]) for maps in asked.values()]
            guess = CLASSES[shown[index].argmax()]
            column[0].set_title(
                f"{part.table['true_label'].iloc[index]}, judged {guess} {shown[index].max():.2f}", fontsize=7
            )
            for axis, picture in zip(column, [part.scans[index], *pictures], strict=True):
                axis.imshow(picture, cmap="gray", vmin=0, vmax=255)
                axis.set_xticks([])
                axis.set_yticks([])
            for masks, colour in zip(part.masks.values(), ("#56B4E9", "#F0E442"), strict=True):
                column[0].contour(masks[index], [0.5], colors=colour, linewidths=0.8)
        for axis, name in zip(axes[:, 0], ["scan and truth", *asked], strict=True):
            axis.set_ylabel(name, fontsize=6)
        figure.tight_layout(pad=0.3)
        save_png(figure, path)
        plt.close(figure)


def chosen(test: Sample, probabilities: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Return the rows to show: the first that are judged rightly, and wrongly, of A, B and C."""
    right = probabilities.argmax(axis=1) == test.codes
    rows = np.zeros(len(right), bool)
    for code in range(NONE):
        rows[np.flatnonzero(right & (test.codes == code))[:EACH]] = True
    rows[np.flatnonzero(~right & (test.codes != NONE))[:MOST_WRONG]] = True
    return rows
