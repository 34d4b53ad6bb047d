"""What the report advises, in words: the cell to use and what to expect of it, or why there is none yet."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from csam_lightning.evaluation.calibrated import rate_text
from csam_lightning.evaluation.operating_point import is_delamination
from csam_lightning.reporting.cells import ReportCell
from csam_lightning.reporting.choice import OUR_RULE, Difference, Recommendation
from csam_lightning.reporting.comparison import BY_LIKELIEST, Comparison, Group, work_shown
from csam_lightning.reporting.evidence import ErrorRates
from csam_lightning.wording import counted

AGAIN = "Run the training command again: finished folds are not trained again."
FEW_PACKAGES = 30
"""With fewer clusters, bootstrap intervals are too narrow (Cameron, Gelbach & Miller 2008, table 2)."""
FEW_OF_A_CLASS = 5
NAMED = 4
"""Candidates that a sentence lists, at most."""


@dataclass(frozen=True)
class Advice:
    """What the report says first.

    Attributes:
        sentences: What to do, and what to expect.
        command: What to type next; None where no cell is recommended.
        rule: How the cell was chosen, in general.
        reason: How it was chosen among these cells.
        chosen: The cell to use, or None.
        shown: The cell that figures show: the chosen one, else the best.
    """

    sentences: Sequence[str]
    command: str | None
    rule: str
    reason: str
    chosen: ReportCell | None
    shown: ReportCell


def advise(
    comparison: Comparison,
    found: Recommendation | None,
    rates: Mapping[str, ErrorRates | None],
    cells: Sequence[ReportCell],
    *,
    tolerance: float,
    store: str | None,
) -> Advice:
    """Return the advice.

    Args:
        comparison: The cells by the scans that they were validated on.
        found: What our rule finds.
        rates: Escape and overkill by the cell's id.
        cells: The cells that the rules look at, at least one.
        tolerance: The rule's.
        store: The store's address, where the next command must name it.
    """
    rule = OUR_RULE.format(tolerance=tolerance)
    if found is None:
        best = min(cells, key=lambda cell: (-cell.f1, cell.id))
        return Advice(_nothing(comparison, cells), None, rule, "There is nothing to compare.", None, best)
    if found.chosen is None:
        return Advice(_unusable(found), None, rule, _why_unusable(found), None, found.best.model)
    model = found.chosen.model
    known = rates.get(model.id)
    sentences = [*_use(found, known), *_errors(known, found.group.classes), *_against_best(found)]
    where = "" if store is None else f" tracking.uri='{store}'"
    command = f"python -m csam_lightning.predict model={model.run.id} input=DIR output=verdicts{where}"
    return Advice(sentences, command, rule, _reason(found), model, model)


def _nothing(comparison: Comparison, cells: Sequence[ReportCell]) -> list[str]:
    if all(cell.protocol == "published" for cell in cells):
        why = "their validation scans share packages with training, so their scores promise too much"
        return [
            "No cell can be recommended: all follow the published protocol.",
            f"{why[0].upper()}{why[1:]}.",
            "Train with data.protocol=grouped.",
        ]
    reasons = sorted(set(comparison.unknown.values()))
    return [f"No cell can be recommended: {reasons[0] if reasons else 'none has predictions'}.", AGAIN]


def _unusable(found: Recommendation) -> list[str]:
    best, trivial = found.best, float(found.group.trivial.score.max())
    count = len(found.group.candidates)
    who = f"None of the {count} candidates is usable yet" if count > 1 else f"{best.name} is not usable yet"
    score = _score(found, found.picked.best)
    return [
        f"{who}: the best macro F1, {score}, is not separated from guessing ({trivial:.3f}).",
        f"Candidates are compared {BY_LIKELIEST}.",
        *_missed(found, found.picked.best),
        "Train longer (trainer.max_epochs), on more scans (data.size) or on larger images (data.image_size).",
    ]


def _why_unusable(found: Recommendation) -> str:
    return f"The best candidate is {found.best.name}; {_on(found)}."


def _use(found: Recommendation, rates: ErrorRates | None) -> list[str]:
    place = _chosen(found)
    candidate = found.group.candidates[place]
    mean = f", mean of {len(candidate.cells)} seeds," if len(candidate.cells) > 1 else ""
    score = f"macro F1{mean} {_score(found, place)} by its likeliest classes, before calibration, {_on(found)}."
    warning = _below_majority(found, place, rates)
    name = candidate.model.name
    rare = _rare(found.group)
    use = f"Of these cells take {name}, but do not rely on it yet" if warning or rare else f"Use {name}"
    return [f"{use}: {score}", *warning, *rare, *_missed(found, place)]


def _rare(group: Group) -> list[str]:
    """Return what to say of classes that come from too few packages for their scores to be sure."""
    rare = {name: count for name, count in group.packages_by_class.items() if count < FEW_OF_A_CLASS}
    if not rare:
        return []
    counts = ", ".join(f"{name} from {count}" for name, count in rare.items())
    return [f"Classes that come from fewer than {FEW_OF_A_CLASS} packages ({counts}) make macro F1 unsure."]


def _below_majority(found: Recommendation, place: int, rates: ErrorRates | None) -> list[str]:
    """Return what to say of a cell that is right less often than answering the most frequent class would be."""
    counts = found.group.confusions[found.group.candidates[place].places[0]].sum(axis=0)
    right = float(counts.trace() / counts.sum()) if rates is None else rates.accuracy
    actual = counts.sum(axis=1) / counts.sum()
    if right >= actual.max():
        return []
    answer = found.group.classes[int(actual.argmax())]
    often, more = (f"{100 * share:.1f} %" for share in (right, actual.max()))
    judged = "By its likeliest classes" if rates is None else "After calibration"
    trivial = f"{judged} it is right on {often} of these scans, and always answering {answer} on {more}"
    return [f"{trivial}: train longer or on larger images."]


def _missed(found: Recommendation, place: int) -> list[str]:
    names = found.group.never_found(found.group.candidates[place].model)
    if not names:
        return []
    which = "classes" if len(names) > 1 else "class"
    return [f"By its likeliest classes it never finds {which} {', '.join(names)}: look at the confusion matrix."]


def _on(found: Recommendation) -> str:
    group = found.group
    return f"on {counted(group.scans, 'held-out scan')} of {counted(group.packages, 'package')}"


def _errors(rates: ErrorRates | None, classes: Sequence[str]) -> list[str]:
    if rates is not None:
        escape, overkill = rate_text(rates.escape), rate_text(rates.overkill)
        errors = f"{escape} of delaminated scans escape, and {overkill} of sound scans are overkilled"
        return [
            f"As the calibrated model judges, {errors}.",
            "The choice between cells did not look at these two rates.",
        ]
    if is_delamination(classes):
        return [f"Escape and overkill are not among its results. {AGAIN}"]
    return []


def _against_best(found: Recommendation) -> list[str]:
    place, best = _chosen(found), found.best
    if len(found.group.candidates) == 1:
        return []
    if place == found.picked.best:
        return ["It has the best score."]
    score, gap = _score(found, found.picked.best), _difference(found.below_best(place))
    return [
        f"The best score, {score}, is that of {best.name}: {gap} more.",
        f"The recommended cell takes {work_shown(found.work_share(place))}.",
    ]


def _reason(found: Recommendation) -> str:
    candidates, picked = found.group.candidates, found.picked
    near = [candidates[place].name for place in range(len(candidates)) if picked.near[place]]
    unusable = int((~picked.usable).sum())
    others = f" Not separated from guessing: {unusable} of the {len(candidates)} candidates." if unusable else ""
    if len(near) == 1:
        return f"No other candidate is near the best.{others}" if len(candidates) > 1 else "It is the only candidate."
    listed = ", ".join(sorted(near)[:NAMED]) + (f" and {len(near) - NAMED} more" if len(near) > NAMED else "")
    return (
        f"{len(near)} of {len(candidates)} candidates are near the best: {listed}. Of these, "
        f"{candidates[_chosen(found)].name} has the least counted work.{others}"
    )


def _chosen(found: Recommendation) -> int:
    if found.picked.chosen is None:
        raise ValueError("no candidate is recommended")
    return found.picked.chosen


def _score(found: Recommendation, place: int) -> str:
    low, high = found.interval(place)
    return f"{found.group.pooled.score[place]:.3f} (95 % interval {low:.3f} to {high:.3f})"


def _difference(difference: Difference) -> str:
    return f"{difference.value:.3f} (95 % interval {difference.low:.3f} to {difference.high:.3f})"


def cautions(comparison: Comparison, cells: Sequence[ReportCell]) -> list[str]:
    """Return what to bear in mind about the recommendation.

    Args:
        comparison: The cells by the scans that they were validated on.
        cells: The cells that the rules look at.
    """
    said = []
    missing = [cell for cell in cells if cell.id in comparison.unknown]
    group = comparison.first
    if missing and group is not None:
        names = ", ".join(cell.name for cell in missing[:NAMED]) + (", …" if len(missing) > NAMED else "")
        said.append(
            f"Not among the candidates: {names} ({comparison.unknown[missing[0].id]}). "
            f"They stand in the tables with Student's interval over the folds. {AGAIN}"
        )
    if group is None:
        return said
    others = [cell for other in comparison.groups[1:] if comparison.may_choose(other) for cell in other.cells]
    if others:
        sizes = sorted({cell.data_size for cell in others})
        which = "data size " + ", ".join(map(str, sizes)) if len(sizes) <= NAMED else f"{len(sizes)} data sizes"
        said.append(
            f"Not ranked with these: {counted(len(others), 'cell')} ({which}). They validated on other scans "
            f"than the {group.scans} of the recommended group, the largest."
        )
    if group.packages < FEW_PACKAGES:
        said.append(
            f"Only {counted(group.packages, 'package')} validated: "
            f"intervals of fewer than {FEW_PACKAGES} are somewhat too narrow."
        )
    return said
