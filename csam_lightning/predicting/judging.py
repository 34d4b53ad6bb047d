"""A verdict for each scan, as a stream: of however many scans, a few are in memory."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch

from csam_lightning.data.problems import printable
from csam_lightning.errors import InputError
from csam_lightning.evaluation.operating_point import REGIONS, SOUND, decide, is_delamination
from csam_lightning.predicting.chunks import chunked
from csam_lightning.predicting.review import ReviewRule, class_doubts, compare, scan_doubts
from csam_lightning.predicting.scans import Prepared, Scan, ahead, prepare

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from csam_lightning.model.ensemble import Ensemble, ModelFacts

BATCH = 64
UNREADABLE = "it cannot be read"


@dataclass(frozen=True)
class Verdict:
    """What a model says of a scan.

    Attributes:
        path: What the scan is called.
        package_id: The physical part, empty where unknown.
        predicted: The class that the scan is given, see :func:`csam_lightning.evaluation.operating_point.decide`: the
            likeliest one, but class D of the four delamination classes only above the model's threshold. Empty where
            the scan cannot be read.
        probabilities: Of each of the model's classes, in their order: the mean over its calibrated networks; empty
            where the scan cannot be read.
        uncertainty: Entropy of the probabilities as a share of the greatest there can be: 0 where one class is
            certain, 1 where all are equally likely. NaN where the scan cannot be read.
        fitting: Classes that cannot be ruled out, empty where none fits; None where that is unknown.
        novelty: How likely a scan like the model's own is to look so unlike them, in (0, 1]; None where unknown.
        strange: Whether it looks unlike the model's scans, or is of another kind, see
            :class:`csam_lightning.predicting.review.ReviewRule`.
        needs_review: Whether a person is to look at it.
        reason: Why, in words; empty where nobody has to.
        error: Why it cannot be read, empty where it can.
    """

    path: str
    package_id: str
    predicted: str
    probabilities: tuple[float, ...]
    uncertainty: float
    fitting: tuple[str, ...] | None
    novelty: float | None
    strange: bool
    needs_review: bool
    reason: str
    error: str


class Judged(NamedTuple):
    """A scan, its verdict, and what the model looked at: None where the scan cannot be read."""

    scan: Scan
    verdict: Verdict
    prepared: Prepared | None


def judge_scans(
    ensemble: "Ensemble", scans: Iterable[Scan], rule: ReviewRule, *, batch_size: int = BATCH
) -> Iterator[Judged]:
    """Judge scans one after the other, in their order; those that cannot be read get a verdict that says so.

    Args:
        ensemble: The model, on the device that is to work.
        scans: Taken as they are needed, a few hundred ahead.
        rule: When a person is to look.
        batch_size: Scans that the networks look at together; no influence on the verdicts but rounding.
    """
    ready = ahead(partial(_prepared, facts=ensemble.facts), scans)
    for batch in chunked(ready, batch_size):
        readable = [(scan, prepared) for scan, prepared in batch if isinstance(prepared, Prepared)]
        verdicts = iter(_verdicts(ensemble, rule, readable) if readable else ())
        for scan, prepared in batch:
            if isinstance(prepared, InputError):
                yield Judged(scan, _unreadable(scan, prepared), None)
            else:
                yield Judged(scan, next(verdicts), prepared)


def delamination_probabilities(classes: Sequence[str], probabilities: Sequence[float]) -> dict[str, float]:
    """Return how likely delamination is in each region and, as ``delaminated``, anywhere.

    Args:
        classes: The model's.
        probabilities: Of each.

    Returns:
        ``die_pad``, ``bond_pad`` and ``delaminated``, which is 1 - p(D); nothing for other classes than A, B, C, D.
    """
    if not is_delamination(classes):
        return {}
    by_class = dict(zip(classes, probabilities, strict=True))
    regions = {region: sum(by_class[name] for name in names) for region, names in REGIONS.items()}
    return {**regions, "delaminated": 1 - by_class[SOUND]}


def _prepared(scan: Scan, facts: "ModelFacts") -> tuple[Scan, Prepared | InputError]:
    try:
        return scan, prepare(scan, facts)
    except InputError as error:
        return scan, error


def _verdicts(ensemble: "Ensemble", rule: ReviewRule, scans: Sequence[tuple[Scan, Prepared]]) -> Iterator[Verdict]:
    images = torch.from_numpy(np.stack([prepared.image for _, prepared in scans])[:, None])
    judged = ensemble.judge(images.to(next(ensemble.parameters()).device))
    by_network = judged.probabilities.cpu().numpy()
    distances = None if judged.distances is None else judged.distances.cpu().numpy()
    compared = compare(ensemble, rule, by_network, distances)
    classes = np.array(ensemble.facts.classes)
    mean = by_network.mean(axis=0, dtype=np.float64)
    given = classes[decide(mean, ensemble.facts.classes, ensemble.facts.sound)].tolist()
    for position, (scan, prepared) in enumerate(scans):
        probabilities, predicted = mean[position], given[position]
        likeliest = str(classes[probabilities.argmax()])
        fitting = None if compared.fitting is None else tuple(classes[compared.fitting[position]].tolist())
        novelty = None if compared.novelty is None else float(compared.novelty[position])
        doubts = [] if predicted == likeliest else [_withheld(float(probabilities.max()), ensemble.facts.sound)]
        doubts += class_doubts(rule, likeliest, float(probabilities.max()), fitting)
        oddities = list(scan_doubts(rule, novelty, prepared.oddities))
        yield Verdict(
            scan.path,
            scan.package_id,
            predicted,
            tuple(probabilities.tolist()),
            uncertainty(probabilities),
            fitting,
            novelty,
            strange=bool(oddities),
            needs_review=bool(doubts or oddities),
            reason="; ".join([*oddities, *doubts]),
            error="",
        )


def _withheld(probability: float, sound: float) -> str:
    """Return why class D, though likeliest, is not given; no rounding lifts ``probability`` above ``sound``."""
    return f"p({SOUND}) = {min(round(probability, 2), sound):g} is not above sound = {sound:g}"


def uncertainty(probabilities: "NDArray[np.float64]") -> float:
    """Return the entropy of probabilities of shape (classes,) as a share of the greatest there can be, 0 to 1."""
    logs = np.log(np.maximum(probabilities, np.finfo(np.float64).tiny))
    return float(np.maximum(-(probabilities * logs).sum() / np.log(len(probabilities)), 0))


def _unreadable(scan: Scan, error: InputError) -> Verdict:
    told = printable(f"{error.what}; {error.mend}")
    return Verdict(
        path=scan.path,
        package_id=scan.package_id,
        predicted="",
        probabilities=(),
        uncertainty=np.nan,
        fitting=None,
        novelty=None,
        strange=False,
        needs_review=True,
        reason=UNREADABLE,
        error=told,
    )
