"""Where the networks saw what they judged by: the question that a verdict raises, and the map that answers it."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple, cast

import numpy as np

from csam_lightning.evaluation.operating_point import SOUND, is_delamination
from csam_lightning.predicting.judging import Judged
from csam_lightning.saliency.saliency import explain

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from csam_lightning.model.classifier import ScanClassifier
    from csam_lightning.model.ensemble import Ensemble


class SaliencyMap(NamedTuple):
    """Where a scan speaks for one class rather than another.

    Attributes:
        speaks_for: The class.
        against: The other one.
        values: How strongly each place does, 0 to 1, float32 of shape (image size, image size), of the scan stretched
            to a square.
    """

    speaks_for: str
    against: str
    values: "NDArray[np.float32]"


def questions(classes: Sequence[str], probabilities: Sequence[float], predicted: str) -> list[tuple[int, int]]:
    """Return which maps a verdict asks for, each as the number of the class to speak for and of that to speak against.

    A, B and C are asked against D, which means that nothing is delaminated; C twice, at the die pad (A) and at the bond
    pads (B). D itself cannot be pointed at, so the likeliest other class is asked for: what there could be, if any.
    Among other classes the likeliest is asked against the second.

    Args:
        classes: The model's.
        probabilities: Of each.
        predicted: The class that the scan is given.
    """
    first, second = (int(code) for code in np.argsort(probabilities, kind="stable")[::-1][:2])
    if not is_delamination(classes):
        return [(first, second)]
    code = {name: number for number, name in enumerate(classes)}
    if predicted == "C":
        return [(code["A"], code[SOUND]), (code["B"], code[SOUND])]
    return [(second if predicted == SOUND else code[predicted], code[SOUND])]


def explain_scans(ensemble: "Ensemble", judged: Sequence[Judged]) -> list[tuple[SaliencyMap, ...]]:
    """Return the maps of each scan, none for one that cannot be read.

    Several scans at a time are cheaper than one by one: the networks are copied once.

    Args:
        ensemble: The model that judged them.
        judged: What :func:`csam_lightning.predicting.judging.judge_scans` yielded.
    """
    classes = ensemble.facts.classes
    verdicts = [(one.verdict.probabilities, one.verdict.predicted) if one.prepared else None for one in judged]
    asked = [questions(classes, *verdict) if verdict else [] for verdict in verdicts]
    pairs = [
        (one.prepared.image, *pair) for one, mine in zip(judged, asked, strict=True) if one.prepared for pair in mine
    ]
    if not pairs:
        return [() for _ in judged]
    images, codes, against = zip(*pairs, strict=True)
    networks = [cast("ScanClassifier", network) for network in ensemble.networks]
    values = iter(explain(networks, np.stack(images), np.array(codes), against=np.array(against)))
    return [tuple(SaliencyMap(classes[code], classes[other], next(values)) for code, other in mine) for mine in asked]
