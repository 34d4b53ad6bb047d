"""The class mix of a line, and models that are calibrated for it."""

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, cast

import numpy as np

from csam_lightning.errors import InputError
from csam_lightning.evaluation.calibration import calibration_of, with_prevalence
from csam_lightning.model.ensemble import PUBLISHED, Ensemble

if TYPE_CHECKING:
    from collections.abc import Sequence

    from csam_lightning.model.classifier import ScanClassifier

SLACK = 1e-3
"""By which the shares may miss a sum of 1."""


def class_shares(prevalence: Mapping[str, float], classes: "Sequence[str]") -> tuple[float, ...]:
    """Return the share of each class, in the order of ``classes`` and of sum 1.

    Raises:
        InputError: A class is missing or unknown, a share is not above 0, or the sum is not 1.
    """
    example = ", ".join(f"{name}: ..." for name in classes)
    mend = f"give a share for each class, of sum 1: prevalence={{{example}}}"
    missing = [name for name in classes if name not in prevalence]
    unknown = [name for name in prevalence if name not in classes]
    wrong = [name for name, share in prevalence.items() if not share > 0]
    total = sum(prevalence.values())
    problems = {
        f"lacks class {', '.join(missing)}": missing,
        f"names {', '.join(unknown)}, which is no class of the model": unknown,
        f"must be above 0 for each class, got {', '.join(f'{name}: {prevalence[name]:g}' for name in wrong)}": wrong,
        f"must sum to 1, got {total:g}": not abs(total - 1) <= SLACK,
    }
    for what, found in problems.items():
        if found:
            raise InputError(what, where="prevalence", mend=mend)
    return tuple(float(prevalence[name] / total) for name in classes)


def for_prevalence(ensemble: Ensemble, prevalence: Mapping[str, float] | None) -> Ensemble:
    """Return the model calibrated for another class mix, or the model itself without one.

    Args:
        ensemble: The model; the returned one shares its networks.
        prevalence: Share of each class among the scans to be judged; None for the mix that the model was made for.

    Raises:
        InputError: See :func:`class_shares`, or the class mix that the model was made for is unknown.
    """
    if prevalence is None:
        return ensemble
    facts = ensemble.facts
    shares = class_shares(prevalence, facts.classes)
    if facts.prevalence is None:
        published = facts.protocol == PUBLISHED
        why = "was validated under the published protocol" if published else "was made by an older version"
        what = f"the model is not calibrated for any class mix: it {why}"
        mend = "train with data.protocol=grouped" if published else "name the run of its cell, or train again"
        raise InputError(what, where="prevalence", mend=mend)
    shifted = with_prevalence(calibration_of(facts), facts.prevalence, shares)
    networks = [cast("ScanClassifier", network) for network in ensemble.networks]
    return Ensemble(
        networks,
        replace(facts, bias=shifted.bias, prevalence=tuple(np.array(shares).tolist())),
        held_out=ensemble.held_out,
        novelty=ensemble.novelty,
    )
