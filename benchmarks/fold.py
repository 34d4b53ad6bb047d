"""One fold: ours against the limit and the usual way, epoch by epoch in turns, and ours split into its parts."""

import statistics
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.clock import Spent, StopWatch, peak_memory, timed
from benchmarks.pool import in_process
from benchmarks.task import Task, fold_job
from benchmarks.usual_fold import UsualFold
from csam_lightning.machine.memory import large_pages
from csam_lightning.progress import console
from csam_lightning.training.events import EpochEnded

if TYPE_CHECKING:
    from benchmarks.limit import BareLoop
    from benchmarks.parts import Parts


@dataclass
class Rounds:
    """What each round took, one entry a round, the first epoch left out.

    Attributes:
        ours: An epoch of the product, with all that belongs to it.
        usual: An epoch of benchmarks/usual.py, likewise; none in bf16, which the usual way does not know.
        steps: The limit's training steps.
        validation: The limit's pass over the validation scans.
        input: The product's loader alone, without augmentation: reading, batches.
        augmentation: What the loader takes longer with augmentation.
        metrics: Of all steps and of the validation.
        logging: Sending an epoch's metrics to MLflow.
        checkpoint: Writing a checkpoint as large as an epoch's.
        usual_bytes: Peak resident memory of the usual way's process, the last entry the one to look at.
    """

    ours: list[Spent] = field(default_factory=list)
    usual: list[Spent] = field(default_factory=list)
    steps: list[Spent] = field(default_factory=list)
    validation: list[Spent] = field(default_factory=list)
    input: list[Spent] = field(default_factory=list)
    augmentation: list[Spent] = field(default_factory=list)
    metrics: list[Spent] = field(default_factory=list)
    logging: list[Spent] = field(default_factory=list)
    checkpoint: list[Spent] = field(default_factory=list)
    usual_bytes: list[int] = field(default_factory=list)


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

    def usual_over(self, *parts: str) -> float | None:
        """Return the usual way's CPU time over that of ``parts`` together: median of rounds; None in bf16."""
        if not self.rounds.usual:
            return None
        mine = zip(*(getattr(self.rounds, part) for part in parts), strict=True)
        pairs = zip(self.rounds.usual, mine, strict=True)
        return float(statistics.median(usual.cpu / sum(spent.cpu for spent in each) for usual, each in pairs))

    def seconds(self, part: str, clock: str = "wall") -> float:
        """Return the median over the rounds of what a part takes an epoch, by the ``wall`` clock or in ``cpu`` time."""
        return float(statistics.median(getattr(spent, clock) for spent in getattr(self.rounds, part)))


def measure_fold(task: Task, *, rounds: int) -> FoldFigures:
    """Measure in processes of their own; where ours is trained, in large pages, as the product's folds are."""
    with large_pages():
        found, ours_bytes = in_process(_rounds, task, rounds), in_process(_peak_of_ours, task)
    return FoldFigures(task, found, ours_bytes, limit_bytes=in_process(_peak_of_limit, task))


def _rounds(task: Task, rounds: int) -> Rounds:
    with tempfile.TemporaryDirectory() as scratch:
        return measure_rounds(task, rounds, Path(scratch))


def measure_rounds(task: Task, rounds: int, scratch: Path) -> Rounds:
    """Train a fold of ``rounds`` epochs besides the first; between two epochs the other pieces of work are timed."""
    from benchmarks.limit import BareLoop
    from benchmarks.parts import Parts
    from csam_lightning.training.fold import train_fold

    with ExitStack() as stack:
        job = fold_job(task, scratch, epochs=rounds + 1)
        usual = stack.enter_context(UsualFold(task, job, scratch)) if task.precision == "32-true" else None
        limit, found = BareLoop(task, job), Rounds()
        parts = Parts(job, limit.device)
        for work in (limit.train, limit.validate, *([usual.epoch] if usual else [])):
            work()  # to warm up
        watch = StopWatch()

        def between(event: EpochEnded) -> None:
            trained = watch.lap()
            logged = timed(partial(parts.log, event.metrics))
            if event.epoch > 1:
                console().print(f"round {event.epoch - 1} of {rounds}")
                found.ours.append(trained + logged)
                found.logging.append(logged)
                _time_the_others(found, limit, parts)
                if usual:
                    found.usual.append(usual.epoch())
                    found.usual_bytes.append(usual.memory)
            _recall(job.folder)
            watch.lap()

        train_fold(job, between)
        return found


def _recall(folder: Path) -> None:
    """Read a fold's checkpoints, which a system may put out of memory during the other pieces of work.

    In training one epoch follows the other, and the file that the next checkpoint is written over is at hand.
    """
    for file in folder.glob("*.ckpt"):
        file.read_bytes()


def _time_the_others(found: Rounds, limit: "BareLoop", parts: "Parts") -> None:
    found.steps.append(timed(limit.train))
    found.validation.append(timed(limit.validate))
    found.input.append(timed(parts.read))
    found.augmentation.append(timed(parts.load) - found.input[-1])
    found.metrics.append(timed(parts.measure))
    for _ in range(2):  # into both of its files, as _recall has it
        parts.save()
    found.checkpoint.append(timed(parts.save))


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
