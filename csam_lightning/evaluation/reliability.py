"""How often a class is right where its probability is high: reliability of each class by itself."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from csam_lightning.evaluation.clusters import LEVEL, Rate, clustered_rate, resampled

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

BINS = 15
"""Of the probability, as Guo et al. 2017 (arXiv:1706.04599) have them."""
SURE = 0.8
"""A probability above this is high."""


@dataclass(frozen=True)
class Reliability:
    r"""How often scans are of a class, by the probability that the classifier gave it (one class against the rest).

    Attributes:
        scans: Number of scans in each bin of the probability, int64 of shape (bins,); the bins are equally wide, and
            each holds its upper end.
        probability: Mean probability in each bin, NaN where it is empty.
        share: Share of scans of the class in each bin, NaN where it is empty.
        error: Expected calibration error: mean over the scans of their bin's \|share − probability\|, 0 to 1.
        low: Lower end of its interval, see :func:`class_reliability`.
        high: Upper end of its interval.
        sure: Share of scans of the class among those whose probability is above ``SURE``.
    """

    scans: "NDArray[np.int64]"
    probability: "NDArray[np.float64]"
    share: "NDArray[np.float64]"
    error: float
    low: float
    high: float
    sure: Rate

    @property
    def curve(self) -> "tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]":
        """Scans, probability and share by bin, to be drawn."""
        return self.scans, self.probability, self.share


def class_reliability(
    probabilities: "NDArray[np.floating]", codes: "NDArray[np.int64]", packages: "ArrayLike | None"
) -> list[Reliability]:
    """Compare the probability of each class with how often scans are of that class.

    The interval of the calibration error is the basic bootstrap's, with packages drawn anew: the error of a sample is
    too large by chance, and that of a draw from it once more by as much.

    Args:
        probabilities: Shape (scans, classes), at least one scan.
        codes: Actual class numbers, shape (scans,).
        packages: The package of each scan, shape (scans,); None where unknown: each scan counts as one.
    """
    units = np.arange(len(codes)) if packages is None else np.asarray(packages)
    classes = range(probabilities.shape[1])
    return [_reliability(probabilities[:, code].astype(np.float64), codes == code, units) for code in classes]


def _reliability(
    probability: "NDArray[np.float64]", actual: "NDArray[np.bool_]", packages: "NDArray[np.generic]"
) -> Reliability:
    place = np.clip(np.ceil(probability * BINS).astype(np.int64) - 1, 0, BINS - 1)
    names, package = np.unique(packages, return_inverse=True)
    sums = np.zeros((len(names), 3, BINS))
    for kind, values in enumerate((np.ones_like(probability), probability, actual.astype(np.float64))):
        np.add.at(sums[:, kind], (package, place), values)
    scans, probabilities, shares = sums.sum(axis=0)
    error = float(_error(sums.sum(axis=0)))
    tails = np.quantile(_error(resampled(sums)), [(1 + LEVEL) / 2, (1 - LEVEL) / 2])
    low, high = np.clip(2 * error - tails, 0, 1).tolist()
    sure = probability > SURE
    with np.errstate(invalid="ignore"):
        return Reliability(
            scans.astype(np.int64),
            probabilities / scans,
            shares / scans,
            error,
            low,
            high,
            clustered_rate(actual[sure], packages[sure]),
        )


def _error(sums: "NDArray[np.float64]") -> "NDArray[np.float64]":
    """Return calibration errors of shape (…) from scans, probabilities and scans of the class by bin: (…, 3, bins)."""
    gaps = np.abs(sums[..., 2, :] - sums[..., 1, :]).sum(axis=-1)
    return np.asarray(gaps / sums[..., 0, :].sum(axis=-1))
