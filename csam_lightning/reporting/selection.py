"""Which runs a report is about."""

import csv
import difflib
import io
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from csam_lightning.errors import InputError
from csam_lightning.reporting.cells import ReportCell, Unfinished, named_apart, read_cell
from csam_lightning.tracking.reading import StoredRun, StoreReader

SHOWN_NAMES = 10
"""Names that a message lists, at most."""


@dataclass(frozen=True)
class Selection:
    """The cells of a report.

    Attributes:
        title: What they are, for people.
        names: Their names in short: of sweeps, cells or experiments.
        cells: Finished cells, each once, best macro F1 first.
        unfinished: The others.
    """

    title: str
    names: list[str]
    cells: list[ReportCell]
    unfinished: list[Unfinished]


@dataclass(frozen=True)
class _Runs:
    """The runs of an experiment by their place in it, the latest first."""

    experiment: str
    sweeps: list[StoredRun]
    cells: list[StoredRun]
    folds: dict[str, list[StoredRun]]

    def below(self, sweep: StoredRun) -> list[StoredRun]:
        return [cell for cell in self.cells if cell.parent == sweep.id]

    def finished_below(self, sweep: StoredRun) -> bool:
        return any(cell.status == "FINISHED" for cell in self.below(sweep))


def select(store: StoreReader, experiment: str, names: Sequence[str] | None) -> Selection:
    """Return the cells that ``names`` stand for.

    A name is an experiment's name, a sweep's or a cell's run id, id or name; of a sweep's name, the part before
    ``·`` will do, and of several sweeps of that name the latest is taken. A cell that has several runs counts once:
    by its finished run of most folds, the latest of these.

    Args:
        store: The store.
        experiment: Where sweeps and cells are looked for.
        names: What to report; None stands for the latest sweep that has a finished cell; where there is no sweep, for
            all cells of the experiment.

    Raises:
        InputError: A name stands for nothing, there is no finished cell, or the store does not answer.
    """
    others = set(store.experiments())
    runs = _read(store, experiment)
    if names is None and not runs.cells:
        raise InputError(f"experiment {experiment!r} holds no cells", where="tracking.experiment", mend="train first")
    found = [_latest(runs)] if names is None else [_named(name, runs, store, others) for name in names]
    folds = {cell: below for part in found for cell, below in part.source.folds.items()}
    failed = [job for part in found if part.sweep for job in failed_jobs(store, part.sweep)]
    done, undone = _sorted_out([cell for part in found for cell in part.cells], folds, failed)
    title = ", ".join(dict.fromkeys(f"{part.kind} {part.name}" for part in found))
    if not done:
        why = f" ({undone[0].name}: {undone[0].reason})" if undone else ""
        raise InputError(f"{title} has no finished cell{why}", where="runs", mend="train it, or name another")
    return Selection(title, list(dict.fromkeys(_head(part.name) for part in found)), done, undone)


@dataclass(frozen=True)
class _Found:
    """What a name stands for."""

    kind: str
    name: str
    cells: list[StoredRun]
    source: _Runs
    sweep: StoredRun | None = None


def _read(store: StoreReader, experiment: str) -> _Runs:
    runs = store.runs(experiment)
    folds: dict[str, list[StoredRun]] = defaultdict(list)
    for run in runs:
        if "fold" in run.tags and run.parent:
            folds[run.parent].append(run)
    cells = [run for run in runs if "cell.id" in run.tags and "fold" not in run.tags]
    return _Runs(experiment, [run for run in runs if "sweep.id" in run.tags], cells, folds)


def _latest(runs: _Runs) -> _Found:
    if not runs.sweeps:
        return _Found("experiment", runs.experiment, runs.cells, runs)
    latest = next(filter(runs.finished_below, runs.sweeps), runs.sweeps[0])
    return _Found("sweep", latest.name, runs.below(latest), runs, latest)


def _named(name: str, runs: _Runs, store: StoreReader, experiments: Iterable[str]) -> _Found:
    for sweep in runs.sweeps:
        if name in {sweep.id, sweep.tags["sweep.id"], sweep.name, _head(sweep.name)}:
            return _Found("sweep", sweep.name, runs.below(sweep), runs, sweep)
    cells = [cell for cell in runs.cells if name in {cell.id, cell.tags["cell.id"], cell.name}]
    if cells:
        return _Found("cell", cells[0].name, cells, runs)
    if name in experiments:
        other = _read(store, name)
        return _Found("experiment", name, other.cells, other)
    known = [*(_head(sweep.name) for sweep in runs.sweeps), *(cell.name for cell in runs.cells), *experiments]
    near = difflib.get_close_matches(name, known, n=1)
    shown = list(dict.fromkeys([*near, *known]))[:SHOWN_NAMES]
    raise InputError(
        f"{name!r} is no sweep, cell or experiment of the store",
        where="runs",
        mend=f"give a name or an id, for example of {', '.join(shown)}",
    )


def _head(name: str) -> str:
    return name.partition(" · ")[0]


def failed_jobs(store: StoreReader, sweep: StoredRun) -> list[Unfinished]:
    """Return what a sweep's summary tells of its failed jobs; of one that never became a cell it alone knows."""
    content = store.artifact(sweep.id, "summary.csv")
    if content is None:
        return []
    try:
        rows = list(csv.DictReader(io.StringIO(content.decode(errors="replace"), newline="")))
    except csv.Error:
        return []
    return [
        Unfinished(row.get("cell") or "", row.get("cell_id") or "", row["reason"], row.get("outcome") == "impossible")
        for row in rows
        if row.get("reason")
    ]


def _sorted_out(
    runs: Iterable[StoredRun], folds: dict[str, list[StoredRun]], failed: Iterable[Unfinished]
) -> tuple[list[ReportCell], list[Unfinished]]:
    """Return the finished cells, each once, best first, and those that are not, with the best reason known."""
    done: dict[str, ReportCell] = {}
    undone = {job.id or job.name: job for job in failed}
    for run in runs:
        cell = read_cell(run, folds.get(run.id, []))
        if isinstance(cell, Unfinished):
            undone[cell.id] = replace(cell, reason=undone[cell.id].reason) if cell.id in undone else cell
        elif cell.id not in done or _rank(cell) > _rank(done[cell.id]):
            done[cell.id] = cell
    ranked = sorted(named_apart(done.values()), key=lambda cell: -cell.f1)
    return ranked, [cell for key, cell in undone.items() if key not in done]


def _rank(cell: ReportCell) -> tuple[int, int]:
    return len(cell.folds), cell.run.started
