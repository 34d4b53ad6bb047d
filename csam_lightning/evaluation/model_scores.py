"""The threshold of a model, and how good the model is at it, from the held-out scans that it keeps."""

from dataclasses import replace
from typing import TYPE_CHECKING

from csam_lightning.config import check_sound
from csam_lightning.errors import InputError
from csam_lightning.evaluation.calibrated import CalibratedResult, HeldOutScans, calibrated_result, rate_text
from csam_lightning.evaluation.operating_point import is_delamination
from csam_lightning.model.ensemble import PUBLISHED

if TYPE_CHECKING:
    from csam_lightning.model.ensemble import Ensemble

MEASURED = "Measured on scans that the networks did not learn from; in brackets, 95 % intervals that count packages."


def with_sound(ensemble: "Ensemble", sound: float | None) -> "Ensemble":
    """Give a model another threshold of class D, and return it.

    Args:
        ensemble: The model.
        sound: Probability that class D must exceed; None keeps the model's own.

    Raises:
        InputError: It is no probability from 0 and below 1, or the model has other classes than A, B, C and D.
    """
    check_sound(sound)
    if sound is None:
        return ensemble
    classes = ensemble.facts.classes
    if not is_delamination(classes):
        what = f"must be left out for a model of the classes {', '.join(classes)}, got {sound:g}"
        raise InputError(what, where="sound", mend="leave it out: only beside A, B and C does D mean sound")
    ensemble.facts = replace(ensemble.facts, sound=sound)
    return ensemble


def model_scores(ensemble: "Ensemble", test: HeldOutScans | None = None) -> CalibratedResult | None:
    """Return how good a model is as it judges; None where it keeps no held-out scans of known package.

    Args:
        ensemble: The model.
        test: The test split judged by its networks, shape (networks, scans, classes); None to leave it out.
    """
    known, facts = ensemble.held_out, ensemble.facts
    if known is None or known.packages is None or facts.prevalence is None:
        return None
    return calibrated_result(
        HeldOutScans(known.log_probabilities, known.codes, known.packages),
        known.networks,
        test,
        classes=facts.classes,
        sound=facts.sound,
        prevalence=facts.prevalence,
    )


def unknown_because(ensemble: "Ensemble") -> str:
    """Return why :func:`model_scores` has none."""
    if ensemble.facts.protocol == PUBLISHED:
        return "under the published protocol, held-out scans share packages with training"
    if ensemble.held_out is not None and ensemble.facts.prevalence is None:
        return "the model was not calibrated for a class mix"
    return "the model keeps no held-out scans of known package"


def threshold_rule(ensemble: "Ensemble") -> str:
    """Return when a model calls a scan sound, as a sentence; empty for other classes than A, B, C and D."""
    facts = ensemble.facts
    if not is_delamination(facts.classes):
        return ""
    return f"Class D (sound) needs a probability above {facts.sound:g}, else the likeliest of A, B and C is taken."


def operating_point(ensemble: "Ensemble") -> list[str]:
    """Return when a model calls a scan sound, and its escapes and overkill, as sentences.

    Other classes than A, B, C and D have none.
    """
    rule = threshold_rule(ensemble)
    if not rule:
        return []
    scores = model_scores(ensemble)
    if scores is None:
        return [rule, f"Escape and overkill are unknown: {unknown_because(ensemble)}."]
    escape, overkill = rate_text(scores.out_of_fold.escape), rate_text(scores.out_of_fold.overkill)
    rates = f"Escape {escape}: delaminated scans called sound. Overkill {overkill}: sound scans called delaminated."
    return [rule, f"{rates} {MEASURED}"]
