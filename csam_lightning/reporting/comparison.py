"""Which cells can be compared: groups validated on the same scans, with their scores paired by package."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import isfinite
from typing import TYPE_CHECKING

import numpy as np

from csam_lightning.reporting.cells import ReportCell
from csam_lightning.reporting.out_of_fold import OutOfFold
from csam_lightning.reporting.picking import Scored, scored, trivial_answers

if TYPE_CHECKING:
    from numpy.typing import NDArray

BY_LIKELIEST = "by their likeliest classes, before calibration"
"""What cells are compared by; escape and overkill are those of the calibrated model instead."""


@dataclass(frozen=True)
class Candidate:
    """Cells that differ in nothing but their seed.

    Attributes:
        cells: The cells, the best score first, of equals the lowest seed.
        places: Their positions in the group.
    """

    cells: tuple[ReportCell, ...]
    places: tuple[int, ...]

    @property
    def model(self) -> ReportCell:
        """The cell whose model is to be used."""
        return self.cells[0]

    @property
    def name(self) -> str:
        """Its name; of several seeds, without the seed."""
        if len(self.cells) == 1:
            return self.model.name
        words = [word for word in self.model.name.split(" ") if word != f"seed{self.model.seed}"]
        return f"{' '.join(words)} ({len(self.cells)} seeds)"

    @property
    def work(self) -> float:
        """Counted work of a cell, mean over the seeds; see :attr:`ReportCell.work`."""
        return float(np.mean([cell.work for cell in self.cells]))


@dataclass(frozen=True)
class Group:
    """Cells validated on the same scans.

    Attributes:
        cells: The cells, sorted by their ids.
        predictions: What each predicted.
        classes: The names of all classes, sorted.
    """

    cells: tuple[ReportCell, ...]
    predictions: tuple[OutOfFold, ...]
    classes: tuple[str, ...]

    @property
    def scans(self) -> int:
        """Number of scans."""
        return len(self.predictions[0].paths)

    @property
    def packages(self) -> int:
        """Number of packages that the scans come from."""
        return len(set(self.predictions[0].packages))

    @cached_property
    def confusions(self) -> "list[NDArray[np.int64]]":
        """Of each cell the confusion matrices by package, shape (packages, classes, classes)."""
        return [predicted.confusions(self.classes) for predicted in self.predictions]

    @cached_property
    def scores(self) -> Scored:
        """Macro F1 of each cell."""
        return scored(self.confusions)

    @cached_property
    def trivial(self) -> Scored:
        """Macro F1 of the best constant answer and of guessing by the classes' shares."""
        return scored(trivial_answers(self.confusions[0].sum(axis=-1)))

    @cached_property
    def candidates(self) -> list[Candidate]:
        """The settings that were tried."""
        pooled: dict[frozenset[tuple[str, str]], list[int]] = defaultdict(list)
        for place, cell in enumerate(self.cells):
            pooled[frozenset((name, value) for name, value in cell.settings.items() if name != "seed")].append(place)
        ranked = [
            sorted(places, key=lambda place: (-self.scores.score[place], self.cells[place].seed))
            for places in pooled.values()
        ]
        return [Candidate(tuple(self.cells[place] for place in places), tuple(places)) for places in ranked]

    @cached_property
    def pooled(self) -> Scored:
        """Macro F1 of each candidate, mean over its seeds."""
        return self.scores.pooled([candidate.places for candidate in self.candidates])

    def never_found(self, cell: ReportCell) -> list[str]:
        """Return the classes of which a cell finds not one scan."""
        counts = self.confusions[self.cells.index(cell)].sum(axis=0)
        return [
            name
            for name, right, actual in zip(self.classes, counts.diagonal(), counts.sum(axis=1), strict=True)
            if actual and not right
        ]

    @property
    def packages_by_class(self) -> dict[str, int]:
        """Number of packages with a scan of each class that is there."""
        carried = (self.confusions[0].sum(axis=-1) > 0).sum(axis=0)
        return {name: int(count) for name, count in zip(self.classes, carried, strict=True) if count}


@dataclass(frozen=True)
class CellScore:
    """Macro F1 of a cell with its 95 % confidence interval.

    Attributes:
        value: Over all out-of-fold scans; where predictions are missing, the mean over the folds.
        low: Lower end.
        high: Upper end.
        by_package: Whether the interval is a bootstrap by package; else it is Student's over the folds.
    """

    value: float
    low: float
    high: float
    by_package: bool


@dataclass(frozen=True)
class Comparison:
    """Cells, by the scans that they were validated on.

    Attributes:
        groups: The groups; a recommendation is made within the first. Empty where no cell has predictions.
        unknown: Ids of cells without predictions → why they have none.
        allowed: Ids of the cells that may be recommended.
    """

    groups: Sequence[Group]
    unknown: Mapping[str, str]
    allowed: frozenset[str]

    @property
    def first(self) -> Group | None:
        """The group to recommend from."""
        group = next(iter(self.groups), None)
        return group if group is not None and self.may_choose(group) else None

    def may_choose(self, group: Group) -> bool:
        """Return whether the cells of a group may be recommended."""
        return group.cells[0].id in self.allowed

    def place(self, cell: ReportCell) -> int:
        """Return the number of a cell's group, from 0; the number of groups where it is in none."""
        return next((number for number, group in enumerate(self.groups) if cell in group.cells), len(self.groups))

    def score(self, cell: ReportCell) -> CellScore:
        """Return the score of a cell."""
        number = self.place(cell)
        if number == len(self.groups):
            return CellScore(cell.f1, *cell.interval, by_package=False)
        scores = self.groups[number].scores
        place = self.groups[number].cells.index(cell)
        return CellScore(float(scores.score[place]), *scores.interval(place), by_package=True)


def compared(
    cells: Iterable[ReportCell], predictions: Mapping[str, OutOfFold | str], allowed: Iterable[ReportCell]
) -> Comparison:
    """Put cells into groups that were validated on the same scans of the same data set under the same protocol.

    Of the groups that may be recommended from, the one of most scans is first: its scans show most of what a line
    will show, the last read-outs included. Of equally many scans, the group of most cells is first.

    Args:
        cells: All cells.
        predictions: Of each cell by its id: its predictions, or why it has none.
        allowed: The cells that may be recommended.
    """
    may = frozenset(cell.id for cell in allowed)
    members: dict[tuple[str, ...], list[ReportCell]] = defaultdict(list)
    known, unknown = {}, {}
    for cell in sorted(cells, key=lambda cell: cell.id):
        predicted = predictions[cell.id]
        if isinstance(predicted, str):
            unknown[cell.id] = predicted
            continue
        known[cell.id] = predicted
        members[cell.fingerprint, cell.protocol, predicted.key].append(cell)
    groups = {key: _group(group, known) for key, group in members.items()}

    def rank(key: tuple[str, ...]) -> tuple[bool, int, int, tuple[str, ...]]:
        group = groups[key]
        return group.cells[0].id not in may, -group.scans, -len(group.cells), key

    return Comparison([groups[key] for key in sorted(groups, key=rank)], unknown, may)


def _group(cells: Sequence[ReportCell], known: Mapping[str, OutOfFold]) -> Group:
    predictions = tuple(known[cell.id] for cell in cells)
    classes = tuple(sorted({name for predicted in predictions for name in predicted.classes}))
    return Group(tuple(cells), predictions, classes)


def comparable(cells: Sequence[ReportCell]) -> tuple[list[ReportCell], list[str]]:
    """Return the cells that the rules may choose from, and why others may not be chosen.

    Scores on different data sets cannot be compared: the data set of most cells is taken. Under the published protocol
    validation scans share packages with training, so its scores take part only where there are no others.
    """
    remarks = []
    sets = Counter(cell.fingerprint for cell in cells)
    data = max(sets, key=lambda fingerprint: (sets[fingerprint], fingerprint))
    same = [cell for cell in cells if cell.fingerprint == data]
    if len(same) < len(cells):
        remarks.append(f"{_cells(len(cells) - len(same))} of other data sets: their scores do not compare.")
    grouped = [cell for cell in same if cell.protocol == "grouped"]
    if not grouped:
        remarks.append(
            "All cells follow the published protocol: their validation scans share packages with training, so their "
            "scores promise more than they keep."
        )
        return same, remarks
    if len(grouped) < len(same):
        remarks.append(
            f"{_cells(len(same) - len(grouped))} of the published protocol: their validation scans share packages with "
            "training."
        )
    return grouped, remarks


def _cells(count: int) -> str:
    return f"Left out: {count} {'cell' if count == 1 else 'cells'}"


def work_shown(share: float) -> str:
    """Return a share of work in words: ``a third of the work``, ``2.5 times the work``."""
    if not isfinite(share):
        return "an unknown share of the work"
    named = {"half": 1 / 2, "a third": 1 / 3, "a quarter": 1 / 4, "a fifth": 1 / 5, "a tenth": 1 / 10}
    for words, value in named.items():
        if abs(share / value - 1) < 0.05:  # noqa: PLR2004 - a twentieth off is still a third
            return f"{words} of the work"
    if share < 0.95:  # noqa: PLR2004 - as above
        return f"{share:.2g} of the work" if share < 0.1 else f"{share:.0%} of the work".replace("%", " %")  # noqa: PLR2004
    return "the same work" if share < 1.05 else f"{share:.2g} times the work"  # noqa: PLR2004 - as above
