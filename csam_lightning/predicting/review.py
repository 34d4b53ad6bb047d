"""Which scans a person is to look at, and why."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from csam_lightning.errors import InputError
from csam_lightning.evaluation.calibration import calibration_of
from csam_lightning.evaluation.conformal import (
    COVERAGE,
    VOID,
    Unit,
    class_sets,
    least,
    novelty_p_values,
    promise,
    unit_of,
    units_by_class,
)
from csam_lightning.model.ensemble import PUBLISHED

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from csam_lightning.model.ensemble import Ensemble
    from csam_lightning.model.held_out import HeldOut


LOWER = (0.9, 0.8)
"""Coverages to propose where a higher one leaves hardly any scan to the model."""


@dataclass(frozen=True)
class ReviewRule:
    """When a person is to look at a scan.

    A scan is left to the model where exactly one class cannot be ruled out, that class is the predicted one, the scan
    does not look strange, and it is of the kind that the model learned from.

    Attributes:
        coverage: Probability with which a scan's class is not ruled out, see
            :func:`csam_lightning.evaluation.conformal.class_sets`, between 0 and 1.
        strange: A scan is strange if at most this share of the scans that the networks did not learn from looks as
            unlike those that they did, see :func:`csam_lightning.evaluation.conformal.novelty_p_values`; 0 for never.
        kind: Whether scans of another kind are to be looked at: in colour, of one grey value, of another depth, or far
            smaller than the model's. False for a model that learned from such scans.
        unit: What the coverage counts: packages or scans, see :func:`csam_lightning.evaluation.conformal.unit_of`.
    """

    coverage: float = COVERAGE
    strange: float = 0.01
    kind: bool = True
    unit: Unit = Unit.auto

    def __post_init__(self) -> None:
        """Refuse shares that are none.

        Raises:
            InputError: One is none.
        """
        if not 0 < self.coverage < 1:
            mend = "give a share above 0 and below 1, for example 0.95"
            raise InputError(f"{self.coverage} makes no sense here", where="coverage", mend=mend)
        if not 0 <= self.strange < 1:
            mend = "give a share from 0 and below 1, for example 0.01"
            raise InputError(f"{self.strange} makes no sense here", where="strange", mend=mend)


def limits(ensemble: "Ensemble", rule: ReviewRule) -> list[str]:
    """Return what the rule cannot do with a model, a line for each."""
    held_out = ensemble.held_out
    by_probability = f"scans whose probability is below {rule.coverage:g} are to be looked at"
    if ensemble.facts.protocol == PUBLISHED:
        return [f"{VOID}; {by_probability}, and none of these probabilities is calibrated"]
    lines = []
    if held_out is None:
        lines.append(f"the model keeps no scans to compare with, so nothing is promised; {by_probability}")
    else:
        lines += _coverage_limits(ensemble.facts.classes, held_out, rule)
    if ensemble.novelty is None:
        lines.append("the model does not know what its scans look like, so strange ones are not found")
    return lines


def _coverage_limits(classes: Sequence[str], held_out: "HeldOut", rule: ReviewRule) -> Iterator[str]:
    unit, needed = unit_of(held_out, rule.unit), least(rule.coverage)
    if held_out.packages is None and rule.unit == Unit.package:
        yield "the packages of the model's scans are unknown: its coverage counts scans, as if each were a package"
    for name, count in zip(classes, units_by_class(held_out, len(classes), unit).tolist(), strict=True):
        if count < needed:
            yield (
                f"class {name} has {count} {unit}s to compare with and is never ruled out: that takes {needed} at a "
                f"coverage of {rule.coverage:g}"
            )
        elif count < 2 * needed + 1:  # no more than one of them may look as strange as a scan that rules the class out
            lower = max((less for less in LOWER if less < rule.coverage), default=None)
            advice = "" if lower is None else f"; coverage={lower:g} leaves more scans to the model"
            yield (
                f"class {name} has {count} {unit}s to compare with, so at a coverage of {rule.coverage:g} hardly any "
                f"scan rules it out{advice}"
            )


def facts_of(model: str, ensemble: "Ensemble", rule: ReviewRule) -> Iterator[str]:
    """Yield the facts of a model and of the rule, a sentence or two at a time.

    Args:
        model: What the user calls it.
        ensemble: The model.
        rule: When a person is to look.
    """
    facts = ensemble.facts
    networks = len(facts.folds)
    several = f"the mean of {networks} networks" if networks > 1 else "one network"
    yield (
        f"Model {model}: {several} ({facts.arch}), {facts.image_size} px, cell {facts.cell_id}, "
        f"trained on data {facts.data_fingerprint[:12]}."
    )
    if facts.prevalence is not None:
        mix = ", ".join(f"{name} {share:.3g}" for name, share in zip(facts.classes, facts.prevalence, strict=True))
        yield f"Probabilities are calibrated for the class mix {mix}."
    conditions = [f"the scan does not look strange (p above {rule.strange:g})"] if ensemble.novelty else []
    conditions += ["it is of the kind that the model learned from"] if rule.kind else []
    if ensemble.held_out is None:
        conditions.insert(0, f"the predicted class has a probability of at least {rule.coverage:g}")
    else:
        conditions.insert(0, f"exactly one class cannot be ruled out (coverage {rule.coverage:g})")
        conditions.insert(1, "that is the predicted one")
    yield f"A scan is left to the model where {', '.join(conditions)}."
    if ensemble.held_out is not None:
        yield promise(rule.coverage, unit_of(ensemble.held_out, rule.unit), networks)
    yield "A map shows where a scan speaks for one class rather than another: the brighter the colour, the more."


@dataclass(frozen=True)
class Compared:
    """Scans compared with those that the networks did not learn from.

    Attributes:
        fitting: True where a class cannot be ruled out, shape (scans, classes); None where that is unknown.
        novelty: How likely it is to look so unlike the training scans, shape (scans,); None where that is unknown.
    """

    fitting: "NDArray[np.bool_] | None"
    novelty: "NDArray[np.float64] | None"


def compare(
    ensemble: "Ensemble",
    rule: ReviewRule,
    probabilities: "NDArray[np.float32]",
    distances: "NDArray[np.float32] | None",
) -> Compared:
    """Compare scans with those that the networks did not learn from.

    Args:
        ensemble: The model.
        rule: Whose coverage is wanted.
        probabilities: As :class:`csam_lightning.model.ensemble.Judgement` has them, shape (networks, scans, classes).
        distances: The same, shape (networks, scans).
    """
    fitting = novelty = None
    if ensemble.held_out is not None:
        fitting = class_sets(
            ensemble.held_out,
            probabilities,
            calibration=calibration_of(ensemble.facts),
            coverage=rule.coverage,
            unit=rule.unit,
        )
    if ensemble.novelty is not None and distances is not None:
        novelty = novelty_p_values(ensemble.novelty, distances)
    return Compared(fitting, novelty)


def class_doubts(rule: ReviewRule, predicted: str, probability: float, fitting: Sequence[str] | None) -> Iterator[str]:
    """Yield why a scan's class is in doubt, in words; nothing where it is not.

    Args:
        rule: The rule.
        predicted: The likeliest class.
        probability: Its probability.
        fitting: Classes that cannot be ruled out; None where that is unknown.
    """
    if fitting is None:
        if not probability >= rule.coverage:
            yield f"its probability is below {rule.coverage:g}"
    elif not fitting:
        yield "no class fits"
    elif len(fitting) > 1:
        yield f"it may be {', '.join(fitting[:-1])} or {fitting[-1]}"
    elif fitting[0] != predicted:
        yield f"only {fitting[0]} fits, though {predicted} is likelier"


def scan_doubts(rule: ReviewRule, novelty: float | None, oddities: Sequence[str]) -> Iterator[str]:
    """Yield what makes a scan strange, in words; nothing where it is not.

    Args:
        rule: The rule.
        novelty: See :class:`Compared`.
        oddities: See :class:`csam_lightning.predicting.scans.Prepared`.
    """
    if rule.kind:
        yield from oddities
    if novelty is not None and novelty <= rule.strange:
        yield f"it looks unlike the scans that the model knows (p = {novelty:.2g})"
