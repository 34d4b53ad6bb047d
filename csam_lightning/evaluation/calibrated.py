"""Scores of a cell's model as it judges: calibrated, with its threshold for class D, its escapes and its overkill."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from csam_lightning.evaluation.calibration import (
    Calibration,
    class_mix,
    cross_fitted,
    fit_calibration,
    with_prevalence,
)
from csam_lightning.evaluation.clusters import Rate
from csam_lightning.evaluation.metrics import Scores, score_classes
from csam_lightning.evaluation.operating_point import decide, escape_and_overkill, is_delamination

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True)
class HeldOutScans:
    """Scans of known class, and the probabilities of networks that did not learn from them.

    Attributes:
        log_probabilities: Their logarithms at temperature 1, shape (…, scans, classes).
        codes: Actual class numbers, int64 of shape (scans,).
        packages: The package of each scan, shape (scans,).
    """

    log_probabilities: "NDArray[np.float64]"
    codes: "NDArray[np.int64]"
    packages: "ArrayLike"


@dataclass(frozen=True)
class CalibratedScores:
    """Scores over a set of scans.

    Attributes:
        scores: Scores of the classes that the scans are given.
        escape: Share of delaminated scans called D; None for other classes than the four of delamination.
        overkill: Share of scans of class D called anything else; None for other classes.
    """

    scores: Scores
    escape: Rate | None
    overkill: Rate | None


@dataclass(frozen=True)
class CalibratedResult:
    """A cell's model as it judges.

    Attributes:
        calibration: Fitted on all out-of-fold scans.
        trained_mix: Class mix of the out-of-fold scans.
        prevalence: Class mix that the model judges for.
        sound: Probability that class D must exceed; None for other classes than the four of delamination.
        out_of_fold: Scores over all validation scans; the calibration of a fold's scans is fitted on the other folds.
        test: Scores of the ensemble over the test split, if there is one.
    """

    calibration: Calibration
    trained_mix: tuple[float, ...]
    prevalence: tuple[float, ...]
    sound: float | None
    out_of_fold: CalibratedScores
    test: CalibratedScores | None


def calibrated_result(
    validation: HeldOutScans,
    folds: "NDArray[np.int64]",
    test: HeldOutScans | None,
    *,
    classes: Sequence[str],
    sound: float,
    prevalence: Sequence[float] | None = None,
) -> CalibratedResult:
    """Calibrate the networks of a cell on their out-of-fold scans, and score what the model then says.

    Args:
        validation: Each scan judged by the one network that did not learn from it, shape (scans, classes).
        folds: Number of the fold in which each of these validates, shape (scans,).
        test: The test split judged by every network, shape (networks, scans, classes); None without one.
        classes: Class names in order.
        sound: Probability that class D must exceed, see :func:`csam_lightning.evaluation.operating_point.decide`.
        prevalence: Class mix that the model judges for, shares above 0; None for that of the out-of-fold scans.
    """
    mix = class_mix(validation.codes, len(classes))
    wanted = mix if prevalence is None else tuple(prevalence)
    calibration = with_prevalence(fit_calibration(validation.log_probabilities, validation.codes), mix, wanted)
    odds = cross_fitted(validation.log_probabilities, validation.codes, folds) * np.divide(wanted, mix)
    out_of_fold = odds / odds.sum(axis=1, keepdims=True)
    tested = None
    if test is not None:
        ensemble = calibration.probabilities(test.log_probabilities).mean(axis=0)
        tested = _scored(ensemble, test, classes, sound)
    return CalibratedResult(
        calibration=calibration,
        trained_mix=mix,
        prevalence=wanted,
        sound=sound if is_delamination(classes) else None,
        out_of_fold=_scored(out_of_fold, validation, classes, sound),
        test=tested,
    )


def calibrated_json(result: CalibratedResult, classes: Sequence[str]) -> dict[str, Any]:
    """Return a calibrated result for ``result.json``; a rate over no scan is null."""
    calibration = result.calibration
    return {
        "temperature": calibration.temperature,
        "bias": dict(zip(classes, calibration.bias, strict=True)),
        "prevalence": dict(zip(classes, result.prevalence, strict=True)),
        "sound": result.sound,
        "out_of_fold": _scores_json(result.out_of_fold, classes),
        "test": None if result.test is None else _scores_json(result.test, classes),
    }


def rate_text(rate: Rate | None) -> str:
    """Return a rate and its interval in percent, for example ``10.4 % (7.1 to 14.8)``; ``none`` over no scan."""
    if rate is None or not rate.scans:
        return "none"
    return f"{100 * rate.value:.1f} % ({100 * rate.low:.1f} to {100 * rate.high:.1f})"


def _scored(
    probabilities: "NDArray[np.float64]", scans: HeldOutScans, classes: Sequence[str], sound: float
) -> CalibratedScores:
    predicted = decide(probabilities, classes, sound)
    rates = escape_and_overkill(scans.codes, predicted, scans.packages, classes)
    escape, overkill = rates if rates is not None else (None, None)
    return CalibratedScores(score_classes(scans.codes, predicted, classes=len(classes)), escape, overkill)


def _scores_json(scored: CalibratedScores, classes: Sequence[str]) -> dict[str, Any]:
    rates = {"escape": scored.escape, "overkill": scored.overkill}
    return {**scored.scores.to_json(classes), **{name: _rate_json(rate) for name, rate in rates.items()}}


def _rate_json(rate: Rate | None) -> dict[str, Any] | None:
    if rate is None or not rate.scans:
        return None
    names = ("value", "low", "high", "scans", "packages")
    return {name: getattr(rate, name) for name in names}
