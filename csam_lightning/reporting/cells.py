"""Cells as a report sees them: settings and the values of each metric over the folds, from their runs alone."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from math import isfinite
from typing import TYPE_CHECKING

import numpy as np

from csam_lightning.reporting.intervals import interval
from csam_lightning.tracking.reading import StoredRun

if TYPE_CHECKING:
    from numpy.typing import NDArray

METRICS = {
    "val_f1": "evaluation/val_f1",
    "val_precision": "evaluation/val_precision",
    "val_recall": "evaluation/val_recall",
    "val_accuracy": "evaluation/val_accuracy",
    "delta_accuracy": "delta/accuracy",
    "delta_loss": "delta/loss",
}
"""What is known of each fold → its name in MLflow."""

FACTORS = {"data_size": "data.size", "image_size": "data.image_size", "batch_size": "data.batch_size"}
"""What the paper varies → its name in MLflow."""

NO_NUMBER = (
    "data.root",
    "data.kind",
    "data.classes",
    "data.package_pattern",
    "data.simulation",
    "tracking.",
    "output_dir",
    "cache_dir",
    "folds",
    "force",
    "trainer.processes",
    "trainer.strategy",
)
"""Beginnings of settings that touch no number, or only through the data's fingerprint."""


@dataclass(frozen=True)
class ReportCell:
    """A finished cell.

    Attributes:
        run: Its run.
        name: Its name.
        folds: The runs of its finished folds, by number.
        data_size: Images; where all scans were taken, the number of training scans.
        image_size: Pixels of a side.
        batch_size: Images per training step.
        protocol: ``grouped`` or ``published``.
        seed: The seed.
    """

    run: StoredRun
    name: str
    folds: tuple[StoredRun, ...]
    data_size: int
    image_size: int
    batch_size: int
    protocol: str
    seed: int

    @property
    def id(self) -> str:
        """The cell's id."""
        return self.run.tags["cell.id"]

    @property
    def fingerprint(self) -> str:
        """What its data set holds."""
        return self.run.tags.get("data.fingerprint", "")

    @property
    def seconds(self) -> float:
        """Time in which at least one of its folds was training."""
        return self.run.metrics["seconds"]

    @property
    def speed(self) -> float:
        """Training images per second."""
        return self.run.metrics.get("train_images_per_second", np.nan)

    def values(self, metric: str) -> "NDArray[np.float64]":
        """Return a metric of ``METRICS`` in each fold, shape (folds,)."""
        return np.array([fold.metrics[METRICS[metric]] for fold in self.folds])

    def mean(self, metric: str) -> float:
        """Return a metric's mean over the folds."""
        return float(self.values(metric).mean())

    def std(self, metric: str) -> float:
        """Return a metric's sample standard deviation over the folds; NaN for a single one."""
        values = self.values(metric)
        return float(values.std(ddof=1)) if len(values) > 1 else np.nan

    @property
    def f1(self) -> float:
        """Macro F1, mean over the folds."""
        return self.mean("val_f1")

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % confidence interval of macro F1, Student's over the folds; infinite for a single fold."""
        return interval(self.values("val_f1"))

    @property
    def work(self) -> float:
        """Counted work of training: images × pixels × epochs, over all folds; NaN where a setting is unknown.

        A fold trains on the data size less its own share of it.
        """
        try:
            epochs, parts = (int(self.run.params[name]) for name in ("trainer.max_epochs", "data.num_folds"))
        except (KeyError, ValueError):
            return np.nan
        if parts < 2 or epochs < 1:  # noqa: PLR2004 - no cross-validation
            return np.nan
        return self.data_size * (parts - 1) / parts * len(self.folds) * float(self.image_size) ** 2 * epochs

    @cached_property
    def settings(self) -> dict[str, str]:
        """The settings that touch numbers, and the data."""
        told = {name: value for name, value in self.run.params.items() if not name.startswith(NO_NUMBER)}
        return told | {FACTORS["data_size"]: str(self.data_size), "fingerprint": self.fingerprint}


@dataclass(frozen=True)
class Unfinished:
    """A cell without results.

    Attributes:
        name: Its name.
        id: Its id.
        reason: Why it takes no part in the report.
        impossible: Whether it was known before the sweep began, so that it was never launched.
    """

    name: str
    id: str
    reason: str
    impossible: bool = False


def read_cell(run: StoredRun, folds: Iterable[StoredRun]) -> ReportCell | Unfinished:
    """Return the cell of a run and the runs of its folds.

    Args:
        run: The cell's run, tagged ``cell.id``.
        folds: Runs below it.
    """

    def unfinished(reason: str) -> Unfinished:
        return Unfinished(run.name, run.tags["cell.id"], reason)

    whole = [fold for fold in folds if _has_numbers(fold, METRICS.values()) and fold.tags.get("fold", "").isdecimal()]
    if run.status != "FINISHED" or not _has_numbers(run, ["seconds"]):
        return unfinished(f"its run is {run.status}, without results")
    if not whole:
        return unfinished("no fold's run below it has results")
    try:
        return ReportCell(
            run=run,
            name=run.name,
            folds=tuple(sorted(whole, key=lambda fold: int(fold.tags["fold"]))),
            data_size=int(run.params[FACTORS["data_size"]]),
            image_size=int(run.params[FACTORS["image_size"]]),
            batch_size=int(run.params[FACTORS["batch_size"]]),
            protocol=run.params["data.protocol"],
            seed=int(run.params["seed"]),
        )
    except (KeyError, TypeError, ValueError):
        return unfinished("its settings are not all in the store, or are no numbers")


def named_apart(cells: Iterable[ReportCell]) -> list[ReportCell]:
    """Return the cells, those that share a name told apart by the settings in which they differ."""
    namesakes: dict[str, list[ReportCell]] = defaultdict(list)
    for cell in cells:
        namesakes[cell.name].append(cell)
    return [_named_apart(cell, among) for among in namesakes.values() for cell in among]


def _named_apart(cell: ReportCell, among: Sequence[ReportCell]) -> ReportCell:
    differing = [
        f"{setting.rpartition('.')[2]}={value[:12]}"
        for setting, value in sorted(cell.settings.items())
        if any(other.settings.get(setting) != value for other in among)
    ]
    return replace(cell, name=" · ".join([cell.name, *([" ".join(differing)] if differing else [])]))


def _has_numbers(run: StoredRun, metrics: Iterable[str]) -> bool:
    return all(isfinite(run.metrics.get(metric, np.nan)) for metric in metrics)


def alike(cells: Iterable[ReportCell], *factors: str) -> list[list[ReportCell]]:
    """Return the groups of cells whose settings differ in nothing but ``factors`` (names in ``FACTORS``).

    Of cells that agree in the factors as well (a size given, and all scans that are as many), the latest is taken.
    """
    free = {FACTORS[factor] for factor in factors}
    groups: dict[frozenset[tuple[str, str]], dict[tuple[int, ...], ReportCell]] = defaultdict(dict)
    for cell in sorted(cells, key=lambda cell: cell.run.started):
        key = frozenset((name, value) for name, value in cell.settings.items() if name not in free)
        groups[key][tuple(getattr(cell, factor) for factor in factors)] = cell
    return [[members[place] for place in sorted(members)] for members in groups.values()]


def series(cells: Iterable[ReportCell], *factors: str, around: Sequence[ReportCell]) -> list[ReportCell]:
    """Return the largest group of cells that differ in nothing but ``factors``.

    Args:
        cells: All cells.
        factors: Names in ``FACTORS``.
        around: Of equally large groups, one that holds the first of these cells is taken, else the second, …

    Returns:
        The cells, sorted by the factors; empty where no two cells differ in nothing else.
    """

    def rank(group: list[ReportCell]) -> tuple[int, ...]:
        return (len(group), *(cell in group for cell in around))

    group = max(alike(cells, *factors), key=rank, default=[])
    return group if len(group) > 1 else []


def fold_count(cells: Iterable[ReportCell]) -> str:
    """Return how many folds the cells have, in words: ``5 folds``, ``3 to 5 folds``."""
    counts = sorted({len(cell.folds) for cell in cells})
    span = f"{counts[0]}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    return f"{span} fold{'' if span == '1' else 's'}"


def scan_count(cell: ReportCell, which: str) -> str:
    """Return a count of the cell's input data set in words, for example of ``test scans``."""
    count = cell.run.profile.get(which)
    return f"{count} {which}" if isinstance(count, int) else f"an unknown number of {which}"
