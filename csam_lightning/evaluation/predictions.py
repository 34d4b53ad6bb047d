"""Predictions of a cell's networks, read from the table that :mod:`csam_lightning.cells.prediction_table` makes."""

from typing import TYPE_CHECKING

import numpy as np

from csam_lightning.evaluation.calibration import log_probabilities
from csam_lightning.model.held_out import HeldOut

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from numpy.typing import NDArray

FILE = "predictions.csv"


def held_out(table: "pd.DataFrame", classes: "Sequence[str]", numbers: "Sequence[int]") -> HeldOut:
    """Return what some folds' networks said of the scans that they validated on.

    Args:
        table: As :func:`csam_lightning.cells.prediction_table.prediction_table` returns it; ``label`` and ``fold`` are
            text.
        classes: Class names in order.
        numbers: The folds' numbers in the order of their networks in the model.

    Raises:
        KeyError, ValueError: It is no such table.
    """
    place = {str(number): place for place, number in enumerate(numbers)}
    rows = table[(table["split"] == "train") & table["fold"].isin(list(place))]
    probabilities = rows[[f"p_{name}" for name in classes]].to_numpy(dtype=np.float32)
    if not (np.isfinite(probabilities).all() and len(rows)):
        raise ValueError("no probabilities, or some that are not finite")
    return HeldOut(
        log_probabilities(probabilities),
        np.array([list(classes).index(name) for name in rows["label"]], dtype=np.int64),
        np.array([place[number] for number in rows["fold"]], dtype=np.int64),
        _packages(rows),
    )


def _packages(rows: "pd.DataFrame") -> "NDArray[np.int64] | None":
    """Return the number of each row's package; None where one is unknown."""
    names = rows.get("package_id")
    if names is None or (names.isna() | (names == "")).any():
        return None
    numbers = np.unique(names.to_numpy(dtype=str), return_inverse=True)[1]
    return numbers.astype(np.int64)


def said_of_test_split(
    table: "pd.DataFrame", classes: "Sequence[str]", numbers: "Sequence[int]"
) -> "tuple[NDArray[np.float64], NDArray[np.int64]]":
    """Return what each network said of the test split, and its actual class numbers.

    Args:
        table: As for :func:`held_out`.
        classes: Class names in order.
        numbers: The folds' numbers in the order of their networks in the model.

    Returns:
        Logarithms of the probabilities, shape (networks, scans, classes), and class numbers, shape (scans,).
    """
    tested = table[table["split"] == "test"]
    parts = [tested[tested["fold"] == str(number)] for number in numbers]
    columns = [f"p_{name}" for name in classes]
    logs = np.stack([log_probabilities(part[columns].to_numpy(dtype=np.float32)) for part in parts])
    return logs, np.array([list(classes).index(name) for name in parts[0]["label"]], dtype=np.int64)


def packages_of_test_split(table: "pd.DataFrame", numbers: "Sequence[int]") -> "NDArray[np.int64] | None":
    """Return the number of the package of each scan of the test split, in the order of :func:`said_of_test_split`.

    None where a package is unknown.
    """
    return _packages(table[(table["split"] == "test") & (table["fold"] == str(numbers[0]))])
