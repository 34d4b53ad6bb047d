"""What a cell's networks predicted of scans that they did not learn from, read from its run and checked before use."""

import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import isfinite
from typing import TYPE_CHECKING

import numpy as np

from csam_lightning.evaluation.clusters import confusion_by_package, macro_f1
from csam_lightning.evaluation.predictions import FILE
from csam_lightning.reporting.cells import ReportCell

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from csam_lightning.tracking.reading import StoreReader

TEXTS = ("path", "package_id", "label", "split", "fold")
MOST_SCANS = 200_000
LEAST_CLASSES, MOST_CLASSES = 2, 40
SUM_OFF = 0.01
"""By how much the probabilities of a scan may miss the sum 1: they were rounded."""
SCORE_OFF = 0.005
"""By how much macro F1 may miss the one that training logged."""


@dataclass(frozen=True)
class OutOfFold:
    """Predictions of scans, each by the one network that did not learn from it.

    Texts are kept as objects: arrays of fixed width would grow with the longest of them.

    Attributes:
        paths: Paths of the scans, sorted, shape (scans,).
        labels: Their classes, shape (scans,).
        packages: Their packages, shape (scans,).
        predicted: The most probable class of each, shape (scans,).
        classes: All classes of the cell, sorted.
    """

    paths: "NDArray[np.object_]"
    labels: "NDArray[np.object_]"
    packages: "NDArray[np.object_]"
    predicted: "NDArray[np.object_]"
    classes: tuple[str, ...]

    @cached_property
    def key(self) -> str:
        """A digest of the scans, their classes and their packages, in hex."""
        rows = zip(self.paths, self.labels, self.packages, strict=True)
        return hashlib.sha256("\n".join("\t".join(map(repr, row)) for row in rows).encode()).hexdigest()

    def at(self, paths: "NDArray[np.object_]") -> "OutOfFold":
        """Return the predictions of some of the scans."""
        kept = np.isin(self.paths, paths)
        return OutOfFold(self.paths[kept], self.labels[kept], self.packages[kept], self.predicted[kept], self.classes)

    def confusions(self, classes: Sequence[str]) -> "NDArray[np.int64]":
        """Return confusion matrices by package, shape (packages, classes, classes), packages in sorted order.

        Args:
            classes: Sorted class names, those of the cell at least.
        """
        codes, predicted = (
            np.searchsorted(np.array(classes, dtype=object), names) for names in (self.labels, self.predicted)
        )
        return confusion_by_package(codes, predicted, self.packages, classes=len(classes))


def read_out_of_fold(store: "StoreReader", cell: ReportCell) -> OutOfFold | str:
    """Return a cell's out-of-fold predictions, or why there are none that can be used."""
    content = store.artifact(cell.run.id, FILE)
    if content is None:
        return f"{FILE} is not in the store, or cannot be read"
    try:
        found = parsed(content)
    except ValueError as error:  # pandas' parser errors are ValueErrors
        return f"{FILE} is damaged: {(str(error).strip() or type(error).__name__).splitlines()[0][:200]}"
    logged = cell.run.metrics.get("out_of_fold/f1", np.nan)
    score = float(macro_f1(found.confusions(found.classes).sum(axis=0)))
    if isfinite(logged) and abs(score - logged) > SCORE_OFF:
        return f"{FILE} is not of this run: its macro F1 is {score:.3f}, training logged {logged:.3f}"
    return found


def parsed(content: bytes) -> OutOfFold:
    """Return the out-of-fold predictions of a file as :func:`prediction_table` makes it.

    Args:
        content: The file, from a store that is not trusted.

    Raises:
        ValueError: It is something else, or damaged.
    """
    import pandas as pd

    names = pd.read_csv(io.BytesIO(content), nrows=0, encoding="utf-8").columns
    columns = [name for name in names if name.startswith("p_")]
    missing = [name for name in TEXTS if name not in names]
    if missing:
        raise ValueError(f"column {missing[0]} is missing")
    if not LEAST_CLASSES <= len(columns) <= MOST_CLASSES:
        raise ValueError(f"it must have {LEAST_CLASSES} to {MOST_CLASSES} columns of probabilities, got {len(columns)}")
    table = pd.read_csv(
        io.BytesIO(content), dtype=str, usecols=[*TEXTS, *columns], keep_default_na=False, encoding="utf-8"
    )
    rows = table[table["split"] == "train"].sort_values("path", kind="stable")
    _check_texts(rows, {name.removeprefix("p_") for name in columns})
    probabilities = rows[columns].astype(np.float64).to_numpy()
    if not (np.isfinite(probabilities).all() and (probabilities >= 0).all()):
        raise ValueError("a probability is not a number from 0 to 1")
    if (abs(probabilities.sum(axis=1) - 1) > SUM_OFF).any():
        raise ValueError("the probabilities of a scan do not add up to 1")
    classes = np.array([name.removeprefix("p_") for name in columns], dtype=object)
    paths, labels, packages = (rows[name].to_numpy(dtype=object) for name in ("path", "label", "package_id"))
    return OutOfFold(paths, labels, packages, classes[probabilities.argmax(axis=1)], tuple(sorted(classes.tolist())))


def _check_texts(rows: "pd.DataFrame", classes: set[str]) -> None:
    if not 1 <= len(rows) <= MOST_SCANS:
        raise ValueError(f"it must hold 1 to {MOST_SCANS} scans of the training split, got {len(rows)}")
    if rows["path"].duplicated().any():
        raise ValueError("a scan is there twice")
    if (rows["package_id"] == "").any():
        raise ValueError("a scan has no package")
    if not rows["fold"].str.fullmatch("[0-9]{1,4}").all():
        raise ValueError("a fold is not a number")
    if not set(rows["label"]) <= classes:
        raise ValueError("a label is not a class")
