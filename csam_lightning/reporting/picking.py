"""The rule that recommends one of several candidates, over arrays of scores on the same scans and counted work."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from csam_lightning.evaluation.clusters import DRAWS, LEVEL, macro_f1, percentiles, resampled

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

TOLERANCE = 0.02
"""Macro F1 that a candidate may lie below the best."""
MOST_DRAWN = 40_000_000
"""Draws × packages, at most, so that the bootstrap of a large data set fits into memory."""
TOGETHER = 4096
"""Counts of a package, all candidates together, that are resampled in one go, at most."""


@dataclass(frozen=True)
class Scored:
    """Macro F1 of candidates on the same scans.

    Attributes:
        score: On the scans themselves, shape (candidates,).
        draws: On packages drawn with replacement, alike for all candidates, shape (candidates, draws).
    """

    score: "NDArray[np.float64]"
    draws: "NDArray[np.float64]"

    def interval(self, place: int) -> tuple[float, float]:
        """Return the 95 % percentile interval of a candidate's score, which it holds."""
        low, high = percentiles(self.draws[place])
        return min(low, float(self.score[place])), max(high, float(self.score[place]))

    def pooled(self, members: "Sequence[Sequence[int]]") -> "Scored":
        """Return the means over ``members``: of each group, the positions here."""
        score = np.array([self.score[list(group)].mean() for group in members])
        return Scored(score, np.array([self.draws[list(group)].mean(axis=0) for group in members]))


@dataclass(frozen=True)
class Picked:
    """What the rule takes, as positions among the candidates.

    Attributes:
        best: The candidate of the best score; of those that are usable, where one is.
        chosen: The recommended candidate; None where none is usable.
        usable: Whether each candidate is separated from the trivial answers for the better, shape (candidates,).
        near: Whether each candidate may stand for the best one, shape (candidates,).
    """

    best: int
    chosen: int | None
    usable: "NDArray[np.bool_]"
    near: "NDArray[np.bool_]"


def scored(by_package: "Sequence[NDArray[np.number]]") -> Scored:
    """Return macro F1 and its bootstrap by package.

    Args:
        by_package: Of each candidate its confusion matrices, all of one shape (packages, classes, classes).
    """
    draws = max(1, min(DRAWS, MOST_DRAWN // len(by_package[0])))
    matrices = max(1, TOGETHER // by_package[0][0].size)
    parts = []
    for start in range(0, len(by_package), matrices):
        stacked = np.stack(by_package[start : start + matrices], axis=1)
        parts.append(macro_f1(resampled(stacked, draws=draws)).T)
    score = np.array([float(macro_f1(counts.sum(axis=0))) for counts in by_package])
    return Scored(score, np.concatenate(parts))


def trivial_answers(actual: "NDArray[np.number]") -> "list[NDArray[np.float64]]":
    """Return the confusion matrices of the best constant answer and of guessing by the classes' shares.

    Args:
        actual: Scans of each class in each package, shape (packages, classes).

    Returns:
        Two arrays of shape (packages, classes, classes), the second of expected counts.
    """
    classes = actual.shape[1]
    totals = actual.sum(axis=0)
    constant = np.zeros((*actual.shape, classes))
    constant[:, :, int(totals.argmax())] = actual
    return [constant, actual[:, :, None] * (totals / totals.sum())]


def pick(candidates: Scored, work: "NDArray[np.float64]", trivial: Scored, *, tolerance: float = TOLERANCE) -> Picked:
    """Pick the candidate of least work among those that may stand for the best.

    A candidate is usable if the interval of its difference from each trivial answer lies above 0; the intervals hold
    for all candidates together. One may stand for the best usable candidate if its score lies at most ``tolerance``
    below, and the paired interval of the difference includes 0. Of equal work the better score is taken, then the
    first candidate.

    Args:
        candidates: At least one.
        work: Of each candidate, in any unit, shape (candidates,).
        trivial: Of the trivial answers, drawn alike.
        tolerance: In macro F1.
    """
    usable = np.all(
        [_above(candidates, score, draws) for score, draws in zip(trivial.score, trivial.draws, strict=True)], axis=0
    )
    places = np.arange(len(work))
    among = usable if usable.any() else np.ones_like(usable)
    best = min(places[among], key=lambda place: (-candidates.score[place], work[place], place))
    gaps = candidates.draws[best] - candidates.draws
    near = among & (candidates.score[best] - candidates.score <= tolerance + 1e-12)
    near &= np.nanquantile(gaps, (1 - LEVEL) / 2, axis=1) <= 0
    if not usable.any():
        return Picked(int(best), None, usable, near)
    chosen = min(places[near], key=lambda place: (work[place], -candidates.score[place], place))
    return Picked(int(best), int(chosen), usable, near)


def _above(candidates: Scored, score: float, draws: "NDArray[np.float64]") -> "NDArray[np.bool_]":
    """Return whether each candidate lies above a trivial answer: max-T bounds by the bootstrap, Westfall & Young."""
    gaps = candidates.draws - draws
    gap = candidates.score - score
    spread = np.nanstd(gaps, axis=1)
    if not spread.any():
        return np.asarray(gap > 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        highest = np.nanmax((gaps - gap[:, None]) / spread[:, None], axis=0, initial=-np.inf, where=spread[:, None] > 0)
    return np.asarray(gap > np.quantile(highest, (1 + LEVEL) / 2) * spread)
