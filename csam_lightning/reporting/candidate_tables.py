"""Tables beside the recommendation: the candidates, and what more data bring."""

from typing import TYPE_CHECKING

import numpy as np

from csam_lightning.evaluation.clusters import percentiles
from csam_lightning.reporting.cells import FACTORS
from csam_lightning.reporting.choice import Recommendation
from csam_lightning.reporting.comparison import BY_LIKELIEST, Candidate, Comparison, Group
from csam_lightning.reporting.picking import Scored, scored
from csam_lightning.reporting.tables import Entry, Table

if TYPE_CHECKING:
    from numpy.typing import NDArray


def candidate_table(found: Recommendation) -> Table:
    """Return the candidates of the recommended group, the best score first."""
    group, picked = found.group, found.picked
    rows: list[list[Entry]] = []
    for place in sorted(range(len(group.candidates)), key=lambda place: (-group.pooled.score[place], place)):
        candidate, gap = group.candidates[place], found.below_best(place)
        standing = "chosen" if place == picked.chosen else "near the best" if picked.near[place] else "worse"
        scores: list[Entry] = [float(group.pooled.score[place]), *found.interval(place), gap.value, gap.low, gap.high]
        missed = ", ".join(group.never_found(candidate.model))
        verdict = standing if picked.usable[place] else "not usable"
        rows.append([candidate.name, len(candidate.cells), *scores, found.work_share(place), missed, verdict])
    header = ["candidate", "seeds", "macro F1", "CI low", "CI high", "below the best", "from", "to", "work / best's"]
    where = f"on the same {group.scans} scans of {group.packages} packages"
    title = f"Candidates {where}, compared {BY_LIKELIEST}, with paired differences"
    return Table("candidates", title, [*header, "never found", "verdict"], rows)


def data_size_table(comparison: Comparison, found: Recommendation) -> Table | None:
    """Return what other data sizes reach on the scans that both validated; None where there is nothing to compare.

    A scan that validates is judged by a network that did not learn from its package, at each data size, so the scans
    that two sizes share compare fairly. They are the earlier read-outs.
    """
    mine = found.chosen or found.best
    rows: list[list[Entry]] = []
    for group in comparison.groups[1:]:
        other = _counterpart(mine, group) if comparison.may_choose(group) else None
        if other is not None:
            rows.append([other.model.data_size, other.name, *_on_common_scans(found.group, mine, group, other)])
    if not rows:
        return None
    header = ["data size", "compared with", "common scans", "macro F1 recommended", "macro F1 other", "difference"]
    against = f"{mine.name} against cells of other data sizes, on the scans that both validated"
    title = f"Does more data help? {against}, {BY_LIKELIEST}"
    return Table("data_sizes", title, [*header, "from", "to"], sorted(rows, key=lambda row: str(row[0]).zfill(9)))


def _counterpart(mine: Candidate, group: Group) -> Candidate | None:
    """Return the candidate of another data size that differs in nothing else."""

    def rest(candidate: Candidate) -> dict[str, str]:
        free = {"seed", FACTORS["data_size"]}
        return {name: value for name, value in candidate.model.settings.items() if name not in free}

    same = [other for other in group.candidates if rest(other) == rest(mine)]
    return next((other for other in same if other.model.data_size != mine.model.data_size), None)


def _on_common_scans(group: Group, mine: Candidate, others: Group, other: Candidate) -> list[Entry]:
    common = np.intersect1d(group.predictions[0].paths, others.predictions[0].paths)
    if not len(common):
        return [0, None, None, None, None, None]
    two = _score(group, mine, common).score, _score(others, other, common).score
    draws = _score(group, mine, common).draws - _score(others, other, common).draws
    return [len(common), float(two[0][0]), float(two[1][0]), float(two[0][0] - two[1][0]), *percentiles(draws[0])]


def _score(group: Group, candidate: Candidate, paths: "NDArray[np.object_]") -> Scored:
    parts = [group.predictions[place].at(paths).confusions(group.classes) for place in candidate.places]
    return scored(parts).pooled([range(len(parts))])
