"""One fold: ours against the limit, epoch by epoch in turns inside one process, and ours split into its parts."""

import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import TypeVar

from benchmarks.task import Task, fold_job
from csam_lightning.training.events import EpochEnded

T = TypeVar("T")


@dataclass(frozen=True)
class Spent:
    """What a piece of work took: seconds on the wall clock, and seconds of CPU time of all threads."""

    wall: float
    cpu: float


@dataclass
class Rounds:
    """What each round took, one entry a round, the first epoch left out.

    Attributes:
        ours: An epoch of the product, with all that belongs to it.
        steps: The limit's training steps.
        validation: The limit's pass over the validation scans.
        input: The product's loader alone: reading, augmentation, batches.
        checkpoint: Writing a checkpoint as large as an epoch's.
    """

    ours: list[Spent] = field(default_factory=list)
    steps: list[Spent] = field(default_factory=list)
    validation: list[Spent] = field(default_factory=list)
    input: list[Spent] = field(default_factory=list)
    checkpoint: list[Spent] = field(default_factory=list)


@dataclass(frozen=True)
class FoldFigures:
    """What is known of one size of fold.

    Attributes:
        task: The size.
        rounds: Times.
        ours_bytes: Peak resident memory of a process that trains the fold by the product.
        limit_bytes: Of one that runs the bare loop.
    """

    task: Task
    rounds: Rounds
    ours_bytes: int
    limit_bytes: int

    @property
    def share_of_limit(self) -> float:
        """Limit's time over ours, steps and validation: median of rounds."""
        return statistics.median(
            (steps.wall + validation.wall) / ours.wall
            for ours, steps, validation in zip(self.rounds.ours, self.rounds.steps, self.rounds.validation, strict=True)
        )

    def seconds(self, part: str, clock: str = "wall") -> float:
        """Return the median over the rounds of what a part takes an epoch, by the ``wall`` clock or in ``cpu`` time."""
        return float(statistics.median(getattr(spent, clock) for spent in getattr(self.rounds, part)))


def measure_fold(task: Task, *, rounds: int) -> FoldFigures:
    """Measure in processes of their own."""
    return FoldFigures(
        task,
        in_process(measure_rounds, task, rounds),
        ours_bytes=in_process(_peak_of_ours, task),
        limit_bytes=in_process(_peak_of_limit, task),
    )


def in_process(work: Callable[..., T], *arguments: object) -> T:
    """Return what ``work`` returns in a new process that does nothing else."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(work, *arguments).result()


def measure_rounds(task: Task, rounds: int) -> Rounds:
    """Train a fold of ``rounds`` epochs besides the first; between two epochs the other pieces of work are timed."""
    from benchmarks.limit import BareLoop
    from benchmarks.parts import Parts
    from csam_lightning.training.fold import train_fold

    with tempfile.TemporaryDirectory() as scratch:
        job = fold_job(task, Path(scratch), epochs=rounds + 1)
        limit, parts, found = BareLoop(task, job), Parts(job), Rounds()
        for work in (limit.train, limit.validate):
            work()  # to warm up
        watch = _StopWatch()

        def between(event: EpochEnded) -> None:
            ours = watch.lap()
            if event.epoch > 1:
                found.ours.append(ours)
                found.steps.append(timed(limit.train))
                found.validation.append(timed(limit.validate))
                found.input.append(timed(parts.load))
                found.checkpoint.append(timed(parts.save))
            watch.lap()

        train_fold(job, between)
        return found


def timed(work: Callable[[], None]) -> Spent:
    """Return what ``work`` takes."""
    watch = _StopWatch()
    work()
    return watch.lap()


class _StopWatch:
    """Tells time since it was made or last asked."""

    def __init__(self) -> None:
        self._since = (time.perf_counter(), time.process_time())

    def lap(self) -> Spent:
        now = (time.perf_counter(), time.process_time())
        spent = Spent(now[0] - self._since[0], now[1] - self._since[1])
        self._since = now
        return spent


def _peak_of_ours(task: Task) -> int:
    from csam_lightning.training.fold import train_fold

    with tempfile.TemporaryDirectory() as scratch:
        train_fold(fold_job(task, Path(scratch), epochs=2), lambda _: None)
    return peak_memory()


def _peak_of_limit(task: Task) -> int:
    import torch

    from benchmarks.limit import BareLoop

    torch.set_num_threads(task.threads)
    with tempfile.TemporaryDirectory() as scratch:
        limit = BareLoop(task, fold_job(task, Path(scratch), epochs=2))
        for work in (limit.train, limit.validate):
            work()
    return peak_memory()


def peak_memory() -> int:
    """Return the most memory that this process has held so far, in bytes."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
