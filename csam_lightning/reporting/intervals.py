"""Student's confidence interval of a mean over folds or seeds."""

from math import inf, sqrt
from typing import TYPE_CHECKING

from csam_lightning.evaluation.clusters import LEVEL

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def half_width(count: int) -> float:
    """Return half the width, in standard deviations, of the 95 % confidence interval over ``count`` values (>= 2)."""
    from scipy.stats import t

    return float(t.ppf((1 + LEVEL) / 2, count - 1)) / sqrt(count)


def interval(scores: "NDArray[np.float64]") -> tuple[float, float]:
    """Return the 95 % confidence interval of the mean of scores, cut off at 0 and 1; infinite for a single one.

    Folds share training scans, so their scores are not independent and the interval is somewhat too narrow.

    Args:
        scores: Shape (folds,), 0 to 1.
    """
    count = len(scores)
    if count < 2:  # noqa: PLR2004 - one value has no spread
        return -inf, inf
    half, mean = half_width(count) * float(scores.std(ddof=1)), float(scores.mean())
    return max(0.0, mean - half), min(1.0, mean + half)
