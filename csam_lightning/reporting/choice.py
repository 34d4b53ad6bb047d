"""Which cell to choose, and why: the paper's rule and ours, as pure functions over cells."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import inf, sqrt

from csam_lightning.reporting.cells import ReportCell

LEVEL = 0.95
ENOUGH_FOLDS = 4
"""With fewer, a confidence interval is more than twice as wide as over five."""

OUR_RULE = (
    "Best macro F1 (mean over the folds), if its 95 % confidence interval overlaps that of no other cell; otherwise, "
    "of that cell and those whose interval overlaps its, the one that took the fewest seconds (as they were measured: "
    "cells of different machines, or of one under a changing load, do not compare). The interval is Student's t over "
    "the folds: mean ± t(0.975, n − 1) · sd / √n, cut off at 0 and 1. A cell of a single fold has no interval and "
    "counts as overlapping."
)
PAPER_RULE = (
    "Least overfitting among the cells that have seen enough delamination. Enough: their training images reach the "
    "last read-out of the data set's training split; where none does, or read-outs are unknown, the largest data size. "
    "Least: ranked by |mean Δ accuracy| and by |mean Δ loss|, the smallest sum of both ranks; of equals, the smaller "
    "|mean Δ loss|."
)


@dataclass(frozen=True)
class Choice:
    """A chosen cell.

    Attributes:
        rule: The rule, in words.
        cell: The cell.
        reason: Why this one, with its numbers.
    """

    rule: str
    cell: ReportCell
    reason: str


def half_width(folds: int) -> float:
    """Return half the width, in standard deviations, of the 95 % confidence interval over ``folds`` (at least 2)."""
    from scipy.stats import t

    return float(t.ppf((1 + LEVEL) / 2, folds - 1)) / sqrt(folds)


def interval(cell: ReportCell) -> tuple[float, float]:
    """Return the 95 % confidence interval of the mean macro F1, Student's t over the folds; infinite for a single fold.

    It is cut off at 0 and 1, beyond which there is no score.

    Folds share training scans, so their values are not independent and the interval is somewhat too narrow.
    """
    count = len(cell.folds)
    if count < 2:  # noqa: PLR2004 - one value has no spread
        return -inf, inf
    half = half_width(count) * cell.std("val_f1")
    return max(0.0, cell.f1 - half), min(1.0, cell.f1 + half)


def comparable(cells: Sequence[ReportCell]) -> tuple[list[ReportCell], list[str]]:
    """Return the cells that the rules may choose from, and why others may not be chosen.

    Scores on different data sets cannot be compared: the data set of most cells is taken. Under the published protocol
    validation scans share packages with training, so its scores take part only where there are no others.
    """
    remarks = []
    sets = Counter(cell.fingerprint for cell in cells)
    [(data, _)] = sets.most_common(1)
    same = [cell for cell in cells if cell.fingerprint == data]
    if len(same) < len(cells):
        remarks.append(f"{len(cells) - len(same)} cells of other data sets take no part: their scores do not compare.")
    grouped = [cell for cell in same if cell.protocol == "grouped"]
    if not grouped:
        remarks.append(
            "All cells follow the published protocol: their validation scans share packages with training, so their "
            "scores promise more than they keep."
        )
        return same, remarks
    if len(grouped) < len(same):
        remarks.append(
            f"{len(same) - len(grouped)} cells of the published protocol take no part: their validation scans share "
            "packages with training."
        )
    return grouped, remarks


def few_folds(cells: Sequence[ReportCell]) -> list[str]:
    """Return what to bear in mind where cells have so few folds that our rule can hardly tell them apart."""
    least = min(len(cell.folds) for cell in cells)
    if least >= ENOUGH_FOLDS or len(cells) == 1:
        return []
    if least == 1:
        return ["Cells of a single fold have no interval, so our rule cannot tell them apart: it takes the cheapest."]
    ours, five = half_width(least), half_width(5)
    wide = (
        f"Over {least} folds a confidence interval reaches ±{ours:.1f} standard deviations (over 5 folds ±{five:.1f})"
    )
    return [f"{wide}, so our rule can hardly tell the cells apart and takes a cheap one."]


def choose_ours(cells: Sequence[ReportCell]) -> Choice:
    """Choose by ``OUR_RULE``; of equal cells the one that comes first.

    Args:
        cells: At least one cell.
    """
    best = max(cells, key=lambda cell: cell.f1)
    low, high = interval(best)
    near = [cell for cell in cells if cell is not best and interval(cell)[1] >= low and interval(cell)[0] <= high]
    score = f"macro F1 {best.f1:.3f}{_bounds(low, high)}"
    if len(cells) == 1:
        return Choice(OUR_RULE, best, f"It is the only cell: {score}.")
    if not near:
        return Choice(OUR_RULE, best, f"{score}: its interval overlaps no other ({len(cells) - 1} other cells).")
    cheapest = min([best, *near], key=lambda cell: cell.seconds)
    if len(near) == len(cells) - 1 > 1:
        others = f"none of the other {len(near)} cells is separated from"
    else:
        others = (
            f"{len(near)} of the other {len(cells) - 1} cells {'is' if len(near) == 1 else 'are'} not separated from"
        )
    if cheapest is best:
        return Choice(OUR_RULE, best, f"{score}; {others} it, and it took the fewest seconds ({best.seconds:.0f} s).")
    reason = (
        f"The best is {best.name} with {score}, but {others} it. Of these, {cheapest.name} took the fewest seconds "
        f"({cheapest.seconds:.0f} s against {best.seconds:.0f} s); its macro F1 is "
        f"{cheapest.f1:.3f}{_bounds(*interval(cheapest))}."
    )
    return Choice(OUR_RULE, cheapest, reason)


def _bounds(low: float, high: float) -> str:
    return f" (95 % CI {low:.3f} to {high:.3f})" if low > -inf else " (a single fold: no interval)"


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
    cell = min(enough, key=lambda cell: (sum(rank[cell.id] for rank in ranks), abs(cell.mean("delta_loss"))))
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
