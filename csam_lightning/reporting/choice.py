"""Which cell to choose, and why: the paper's rule and ours, as pure functions over cells."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import inf

import numpy as np

from csam_lightning.evaluation.clusters import percentiles
from csam_lightning.reporting.cells import ReportCell
from csam_lightning.reporting.comparison import BY_LIKELIEST, Candidate, Comparison, Group
from csam_lightning.reporting.picking import Picked, pick

OUR_RULE = (
    f"Cells are compared {BY_LIKELIEST}. Escape and overkill, which are after calibration, take no part. All cells are "
    "compared on the same scans, each judged by a network that did not learn from its package; seeds of one setting "
    "count as one candidate, by their mean. Differences are paired, with a bootstrap by package. A candidate "
    "is usable if it is separated for the better from the best constant answer and from guessing by the classes' "
    "shares. Near the best are usable candidates within {tolerance:g} macro F1 of it that are not separated from it "
    "for the worse. Of these, the one of least counted work is taken: images × pixels × epochs, whatever the network; "
    "of equal work, the better score."
)
PAPER_RULE = (
    "Least overfitting among the cells that have seen enough delamination. Enough: their training images reach the "
    "last read-out of the data set's training split; where none does, or read-outs are unknown, the largest data size. "
    "Least: ranked by |mean Δ accuracy| and by |mean Δ loss|, the smallest sum of both ranks; of equals, the smaller "
    "|mean Δ loss|."
)


@dataclass(frozen=True)
class Choice:
    """A cell that a rule chooses.

    Attributes:
        rule: The rule, in words.
        cell: The cell.
        reason: Why this one, with its numbers.
    """

    rule: str
    cell: ReportCell
    reason: str


@dataclass(frozen=True)
class Difference:
    """Macro F1 of one candidate minus that of another, with its paired 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Recommendation:
    """What our rule finds in a group of cells.

    Attributes:
        group: The group.
        picked: What the rule takes of its candidates.
    """

    group: Group
    picked: Picked

    @property
    def chosen(self) -> Candidate | None:
        """The recommended candidate; None where none is usable."""
        return None if self.picked.chosen is None else self.group.candidates[self.picked.chosen]

    @property
    def best(self) -> Candidate:
        """The candidate of the best score."""
        return self.group.candidates[self.picked.best]

    def interval(self, place: int) -> tuple[float, float]:
        """Return the 95 % interval of a candidate's macro F1."""
        return self.group.pooled.interval(place)

    def below_best(self, place: int) -> Difference:
        """Return by how much a candidate lies below the best one."""
        pooled, best = self.group.pooled, self.picked.best
        low, high = percentiles(pooled.draws[best] - pooled.draws[place])
        return Difference(float(pooled.score[best] - pooled.score[place]), low, high)

    def work_share(self, place: int) -> float:
        """Return a candidate's work over that of the best one; NaN where it is unknown."""
        return self.group.candidates[place].work / (self.best.work or np.nan)


def choose_ours(comparison: Comparison, *, tolerance: float) -> Recommendation | None:
    """Apply ``OUR_RULE``; None where no cell may be recommended.

    Args:
        comparison: The cells.
        tolerance: Macro F1 that a candidate may lie below the best.
    """
    group = comparison.first
    if group is None:
        return None
    work = np.array([candidate.work for candidate in group.candidates])
    return Recommendation(group, pick(group.pooled, np.nan_to_num(work, nan=inf), group.trivial, tolerance=tolerance))


def choose_as_the_paper(cells: Sequence[ReportCell], reach: Mapping[str, float], last: float | None) -> Choice:
    """Choose by ``PAPER_RULE``.

    Args:
        cells: At least one cell.
        reach: The last read-out, in cycles, among each cell's training images, by the cell's id; where known.
        last: The last read-out of the data set's training split, in cycles, or None where unknown.
    """
    enough = [cell for cell in cells if last is not None and reach.get(cell.id, -inf) >= last]
    why = f"trained on scans up to the last read-out ({last:.0f} cycles)" if enough and last is not None else ""
    if not enough:
        largest = max(cell.data_size for cell in cells)
        enough = [cell for cell in cells if cell.data_size == largest]
        why = f"of the largest data size, {largest} (no cell is known to reach the last read-out)"
    ranks = [_ranks(enough, lambda cell: abs(cell.mean("delta_accuracy")))]
    ranks.append(_ranks(enough, lambda cell: abs(cell.mean("delta_loss"))))
    cell = min(enough, key=lambda cell: (sum(rank[cell.id] for rank in ranks), abs(cell.mean("delta_loss")), cell.id))
    count = f"{len(enough)} of {len(cells)} cells {'is' if len(enough) == 1 else 'are'} {why}"
    if len(enough) == 1:
        least = f"{cell.name} is the only one to choose"
    else:
        least = f"{cell.name} ranks {ranks[0][cell.id]} by |Δ accuracy| and {ranks[1][cell.id]} by |Δ loss| among them"
    deltas = f"Δ accuracy {cell.mean('delta_accuracy'):+.3f}, Δ loss {cell.mean('delta_loss'):+.3f}"
    return Choice(PAPER_RULE, cell, f"{count}; {least}: {deltas}.")


def _ranks(cells: Sequence[ReportCell], value: Callable[[ReportCell], float]) -> dict[str, int]:
    """Return each cell's rank by value, from 1; equals share the better rank."""
    return {cell.id: 1 + sum(value(other) < value(cell) for other in cells) for cell in cells}
