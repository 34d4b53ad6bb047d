"""Where the verdict "sound" begins, and what it costs: escapes and overkill."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from csam_lightning.evaluation.clusters import Rate, clustered_rate

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

SOUND = "D"
"""The class of scans without delamination."""
DELAMINATION = ("A", "B", "C", SOUND)
"""The four classes of delamination."""
REGIONS = {"die_pad": ("A", "C"), "bond_pad": ("B", "C")}
"""Regions of a package, and the classes in which they are delaminated."""


def is_delamination(classes: Sequence[str]) -> bool:
    """Return whether these are the four classes of delamination, in any order."""
    return len(classes) == len(DELAMINATION) and set(classes) == set(DELAMINATION)


def decide(probabilities: "NDArray[np.floating]", classes: Sequence[str], sound: float) -> "NDArray[np.int64]":
    """Return the class number that each scan is given.

    It is the likeliest class. Class D of the four delamination classes also needs a probability above ``sound``;
    without it, the likeliest of A, B and C is taken.

    Args:
        probabilities: Of each class, shape (scans, classes).
        classes: Class names in order.
        sound: Probability that class D must exceed, from 0 and below 1. Other class names ignore it.

    Returns:
        Shape (scans,).
    """
    likeliest: NDArray[np.int64] = probabilities.argmax(axis=1).astype(np.int64)
    if not is_delamination(classes):
        return likeliest
    code = list(classes).index(SOUND)
    delaminated = probabilities.astype(np.float64)
    delaminated[:, code] = -np.inf
    doubtful = (likeliest == code) & (probabilities[:, code] <= sound)
    return np.where(doubtful, delaminated.argmax(axis=1), likeliest).astype(np.int64)


def escape_and_overkill(
    codes: "NDArray[np.int64]", predicted: "NDArray[np.int64]", packages: "ArrayLike", classes: Sequence[str]
) -> tuple[Rate, Rate] | None:
    """Return the share of delaminated scans called D, and the share of scans of class D called anything else.

    Args:
        codes: Actual class numbers, shape (scans,).
        predicted: Class numbers that the scans are given, shape (scans,).
        packages: The package of each scan, shape (scans,). One of unknown package (missing or
            empty) counts as a package of its own.
        classes: Class names in order.

    Returns:
        Escape and overkill, see :func:`csam_lightning.evaluation.clusters.clustered_rate`; None for other classes than
        the four of delamination.
    """
    if not is_delamination(classes):
        return None
    code, clusters = list(classes).index(SOUND), _clusters(packages)
    defective, called_sound = codes != code, predicted == code
    return (
        clustered_rate(called_sound[defective], clusters[defective]),
        clustered_rate(~called_sound[~defective], clusters[~defective]),
    )


def _clusters(packages: "ArrayLike") -> "NDArray[np.int64]":
    """Return a number for each scan's package, shape (scans,)."""
    import pandas as pd

    given = np.asarray(packages, dtype=object)
    named = np.where(pd.isna(given), "", given)
    numbers, names = pd.factorize(named)
    unknown = named == ""
    return np.where(unknown, len(names) + np.cumsum(unknown), numbers).astype(np.int64)
