"""Simulated scans with their true delamination, and the networks that are asked about them."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from csam_lightning.data.images import read_grey, resize_grey
from csam_lightning.model.classifier import ScanClassifier
from csam_lightning.saliency.scoring import Masks
from csam_lightning.simulation.imaging import BOND_PAD_GREY, DIE_PAD_GREY

CLASSES = "ABCD"
NONE = CLASSES.index("D")

Networks = dict[int, ScanClassifier]
"""By number of the fold."""


class Question(NamedTuple):
    """Scans of the class ``label``, asked why ``asked``: the answer lies in the delaminated ``regions``."""

    label: str
    asked: str
    regions: tuple[str, ...]


QUESTIONS = (
    Question("A", "A", ("die_pad",)),
    Question("B", "B", ("bond_pads",)),
    Question("C", "C", ("die_pad", "bond_pads")),
    Question("C", "A", ("die_pad",)),
    Question("C", "B", ("bond_pads",)),
)


@dataclass(frozen=True)
class Sample:
    """Scans of known delamination.

    Attributes:
        table: The rows of the data set's truth, with ``fold``.
        scans: uint8 of shape (scans, side, side).
        masks: Delaminated pixels of the two regions, bool of the same shape.
    """

    table: pd.DataFrame
    scans: NDArray[np.uint8]
    masks: dict[str, Masks]

    def taken(self, rows: NDArray[np.bool_]) -> "Sample":
        """Return some of the scans."""
        return Sample(self.table[rows], self.scans[rows], {name: each[rows] for name, each in self.masks.items()})

    @property
    def codes(self) -> NDArray[np.int64]:
        """True class numbers."""
        return np.array([CLASSES.index(label) for label in self.table["true_label"]])

    def asked(self, question: Question) -> tuple[NDArray[np.bool_], Masks]:
        """Return the rows of a question's scans, and their masks."""
        rows = self.table["true_label"].eq(question.label).to_numpy()
        return rows, np.logical_or.reduce([self.masks[region][rows] for region in question.regions])


def read_networks(cell: Path) -> Networks:
    """Return the networks of a cell's finished folds, by the fold's number."""
    return {int(file.parent.name[len("fold_") :]): _read(file) for file in sorted(cell.glob("fold_*/model.ckpt"))}


def _read(file: Path) -> ScanClassifier:
    checkpoint = torch.load(file, map_location="cpu", weights_only=True)
    settings = {name: value for name, value in checkpoint["hyper_parameters"].items() if name != "epoch"}
    network = ScanClassifier(weights=None, **settings)
    network.load_state_dict(checkpoint["state_dict"])
    return network.eval()


def read_sample(cell: Path, data: Path, *, folds: list[str], most: int | None = None) -> Sample:
    """Return the scans that validate in some folds, or test, as large as the cell's.

    Args:
        cell: Folder of the cell.
        data: Folder of the simulated data set.
        folds: As the cell's ``folds.csv`` names them.
        most: Scans of each class, drawn at random; None for all.
    """
    side = json.loads((cell / "results/result.json").read_text())["cell"]["image_size"]
    table = pd.read_csv(cell / "results/folds.csv", dtype={"fold": str})[["path", "fold"]]
    table = table.merge(pd.read_csv(data / "truth.csv"), on="path")
    table = table[table["fold"].isin(folds)]
    if most is not None:
        table = table.sample(frac=1, random_state=0).groupby("true_label").head(most)
    scans = np.stack([resize_grey(read_grey(data / path), side) for path in table["path"]])
    greys = [cv2.imread(str(data / path), cv2.IMREAD_GRAYSCALE) for path in table["mask"]]
    masks = {
        name: np.stack([_reduced(grey == value, side) for grey in greys])
        for name, value in {"die_pad": DIE_PAD_GREY, "bond_pads": BOND_PAD_GREY}.items()
    }
    return Sample(table.reset_index(drop=True), scans, masks)


def _reduced(mask: NDArray[np.bool_], side: int) -> NDArray[np.bool_]:
    """Return a mask in the network's pixels: those of which at least half is delaminated."""
    return np.asarray(cv2.resize(mask.astype(np.float32), (side, side), interpolation=cv2.INTER_AREA)) >= 1 / 2
