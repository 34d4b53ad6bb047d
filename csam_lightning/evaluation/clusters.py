"""Uncertainty of scores whose scans come in packages: the scans of one package are alike, the packages are not."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

LEVEL = 0.95
DRAWS = 2000


@dataclass(frozen=True)
class Rate:
    """A share of scans, with a confidence interval that counts packages rather than scans.

    Attributes:
        value: The share, 0 to 1; NaN without a scan.
        low: Lower end of the interval; NaN without a scan.
        high: Upper end of the interval; NaN without a scan.
        scans: Number of scans.
        packages: Number of packages that they come from.
    """

    value: float
    low: float
    high: float
    scans: int
    packages: int


def clustered_rate(events: "ArrayLike", packages: "ArrayLike", *, level: float = LEVEL) -> Rate:
    """Return the share of scans with an event, with Korn and Graubard's interval.

    That is Clopper and Pearson's exact interval for the number of independent scans that carry as much information
    (Korn & Graubard 1998, Survey Methodology 24, 193-201). Where all scans agree, that number cannot be estimated,
    and each package counts as one scan.

    Args:
        events: Whether each scan has the event, shape (scans,).
        packages: The package of each scan, shape (scans,).
        level: Confidence level.
    """
    from scipy.stats import beta, t

    happened = np.asarray(events, dtype=np.float64)
    scans = len(happened)
    if not scans:
        return Rate(np.nan, np.nan, np.nan, 0, 0)
    _, place = np.unique(np.asarray(packages), return_inverse=True)
    sizes, sums = np.bincount(place), np.bincount(place, weights=happened)
    count, share, tail = len(sizes), float(happened.mean()), (1 - level) / 2
    effective = float(count)
    if 0 < share < 1 and count > 1:
        variance = count / (count - 1) * float(((sums - share * sizes) ** 2).sum()) / scans**2
        correction = float(t.ppf(tail, scans - 1) / t.ppf(tail, count - 1)) ** 2
        effective = min(float(scans), share * (1 - share) / variance * correction) if variance else float(scans)
    positive = effective * share
    low = float(beta.ppf(tail, positive, effective - positive + 1)) if share > 0 else 0.0
    high = float(beta.ppf(1 - tail, positive + 1, effective - positive)) if share < 1 else 1.0
    return Rate(share, low, high, scans, count)


def confusion_by_package(
    codes: "NDArray[np.int64]", predicted: "NDArray[np.int64]", packages: "ArrayLike", *, classes: int
) -> "NDArray[np.int64]":
    """Return a confusion matrix for each package, shape (packages, classes, classes), packages in sorted order.

    Args:
        codes: Actual class numbers, shape (scans,).
        predicted: Predicted class numbers, shape (scans,).
        packages: The package of each scan, shape (scans,).
        classes: Number of classes.
    """
    names, place = np.unique(np.asarray(packages), return_inverse=True)
    matrices = np.zeros((len(names), classes, classes), dtype=np.int64)
    np.add.at(matrices, (place, codes, predicted), 1)
    return matrices


def resampled(by_package: "NDArray[np.number]", *, draws: int = DRAWS, seed: int = 0) -> "NDArray[np.float64]":
    """Return sums over packages drawn with replacement: the bootstrap by package.

    Arrays of equally many packages are drawn alike under one seed, so that their differences are paired.

    Args:
        by_package: Counts of each package, shape (packages, …).
        draws: Number of draws.
        seed: Of the draws.

    Returns:
        Shape (draws, …).
    """
    count = len(by_package)
    times = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), size=draws)
    sums = times.astype(np.float64) @ by_package.reshape(count, -1).astype(np.float64)
    return np.asarray(sums.reshape(draws, *by_package.shape[1:]))


def macro_f1(confusion: "NDArray[np.number]") -> "NDArray[np.float64]":
    """Return macro F1 over the classes present, of confusion matrices of shape (…, classes, classes).

    Returns:
        Shape (…); NaN where a matrix counts no scan.
    """
    right = np.diagonal(confusion, axis1=-2, axis2=-1).astype(np.float64)
    actual, predicted = confusion.sum(axis=-1), confusion.sum(axis=-2)
    with np.errstate(invalid="ignore", divide="ignore"):
        f1 = np.where(actual > 0, 2 * right / (actual + predicted), 0.0)
        return np.asarray(f1.sum(axis=-1) / (actual > 0).sum(axis=-1), dtype=np.float64)


def percentiles(values: "NDArray[np.float64]", *, level: float = LEVEL) -> tuple[float, float]:
    """Return the interval that holds the middle ``level`` of bootstrap values of shape (draws,)."""
    low, high = np.nanquantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
