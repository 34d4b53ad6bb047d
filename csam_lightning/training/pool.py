"""Folds side by side in processes of their own."""

import errno
import signal
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Self
from uuid import uuid4

from csam_lightning.errors import InputError, RunFailedError
from csam_lightning.machine.processes import end_with_parent, interrupts_ignored, preloaded_context, program_left_out
from csam_lightning.training.events import EpochEnded, Event, FoldEnded, FoldFailed, FoldLaidAside
from csam_lightning.training.job import FoldJob, Rank
from csam_lightning.training.schedule import Turn, Turns

FOLD_MODULES = ("csam_lightning.training.preload",)
"""What a fold's process imports, which takes seconds; the watcher never does."""

POLL_SECONDS = 0.2
LAST_WORDS_SECONDS = 0.5


class FoldsFailedError(RunFailedError):
    """At least one fold failed; the others are finished."""


@dataclass
class _Worker:
    """A process that trains one fold after the other, alone or as one rank of several, and the pipe to it."""

    process: BaseProcess
    pipe: Connection
    busy: bool = False

    @classmethod
    def start(cls) -> Self:
        context = preloaded_context(*FOLD_MODULES)
        ours, theirs = context.Pipe()
        process = context.Process(target=_work, args=(theirs,), daemon=True)
        with (
            program_left_out(),
            interrupts_ignored(),
        ):  # the child inherits that: Ctrl-C is the watching process's business
            process.start()
        theirs.close()
        return cls(process, ours)

    def give(self, turn: Turn, rank: Rank) -> None:
        """Hand over the next fold."""
        self.busy = True
        self.pipe.send((turn, rank))

    def receive(self, fold: int) -> Event | FoldLaidAside:
        """Return the next event; the death of the process is one too."""
        try:
            event: Event | FoldLaidAside = self.pipe.recv()
        except (EOFError, OSError):
            self.process.join()
            self.busy = False
            return FoldFailed(fold, _death(self.process.exitcode))
        self.busy = isinstance(event, EpochEnded)
        return event

    def end(self) -> None:
        """End the process at once: one that waits for another rank heeds no milder signal."""
        self.process.kill()
        self.process.join()
        self.pipe.close()


@dataclass
class _Crew:
    """The processes that train one fold after the other together, one for each of its devices.

    ``place`` is a number from 0 that no other crew has at the same time; ``meetings`` are the files by which its
    processes found each other.
    """

    workers: list[_Worker]
    place: int
    fold: int = -1
    folder: Path = Path()
    meetings: list[Path] = field(default_factory=list)

    @classmethod
    def start(cls, devices: int, *, place: int) -> Self:
        return cls([_Worker.start() for _ in range(devices)], place)

    def give(self, turn: Turn) -> None:
        """Hand over the next fold."""
        self.fold, self.folder = turn.job.fold.number, turn.job.folder
        meeting = turn.job.folder / f".meeting-{uuid4().hex}"
        self.meetings.append(meeting)
        for number, worker in enumerate(self.workers):
            worker.give(turn, Rank(number, len(self.workers), meeting, self.place))

    def receive(self, ready: Sequence[object]) -> list[Event | FoldLaidAside]:
        """Return what is new: epochs, and one end of the turn, when all have ended it or as soon as one has failed."""
        news = [worker.receive(self.fold) for worker in self.workers if worker.pipe in ready]
        if any(isinstance(event, FoldFailed) for event in news):
            failures = [event for event in [*news, *self._last_words()] if isinstance(event, FoldFailed)]
            return [min(failures, key=lambda failure: bool(failure.details))]
        epochs = [event for event in news if isinstance(event, EpochEnded)]
        ends = [event for event in news if not isinstance(event, EpochEnded)]
        return [*epochs, *([] if any(worker.busy for worker in self.workers) else ends[-1:])]

    def _last_words(self) -> Iterator[Event | FoldLaidAside]:
        """Yield what ranks have to say once one has failed: of two that failed together the cause may come second."""
        for worker in self.workers:
            while worker.busy and worker.pipe.poll(LAST_WORDS_SECONDS):
                yield worker.receive(self.fold)

    def can_go_on(self) -> bool:
        """Whether all processes wait for another fold."""
        return all(worker.process.is_alive() and not worker.busy for worker in self.workers)

    def end(self) -> None:
        """End all processes, and remove the files that one of them may write to as long as it lives."""
        for worker in self.workers:
            worker.end()
        for meeting in self.meetings:
            meeting.unlink(missing_ok=True)


def train_folds(jobs: Sequence[FoldJob], *, processes: int, watch: Callable[[Event | None], None]) -> None:
    """Train folds, at most ``processes`` at a time; return when all are finished.

    Where their number is not a multiple of ``processes``, some are paused for a while, see
    :mod:`csam_lightning.training.schedule`. The numbers do not depend on it: each fold has a fixed number of threads
    and seeds of its own. A fold with several devices is trained by a process for each; the end of one is the end of the
    others.

    Args:
        jobs: The folds of one cell.
        processes: How many run side by side.
        watch: Called with every event, and with None several times a second in between.

    Raises:
        InputError: A fold found something that is the user's to mend.
        FoldsFailedError: A fold failed, or its process died.
    """
    turns = Turns.of(jobs, processes=processes)
    crews: list[_Crew] = []
    failures: list[FoldFailed] = []
    try:
        while turns or crews:
            while len(crews) < processes and (turn := turns.take()):
                place = min(set(range(processes)) - {crew.place for crew in crews})
                crews.append(_Crew.start(turn.job.trainer.devices, place=place))
                crews[-1].give(turn)
            ready = wait([worker.pipe for crew in crews for worker in crew.workers], timeout=POLL_SECONDS)
            if not ready:
                watch(None)
            for crew in [crew for crew in crews if any(worker.pipe in ready for worker in crew.workers)]:
                for event in crew.receive(ready):
                    if not isinstance(event, EpochEnded) and not _go_on(crew, event, turns):
                        crews.remove(crew)
                    if isinstance(event, FoldFailed):
                        failures.append(event)
                    if not isinstance(event, FoldLaidAside):
                        watch(event)
    finally:
        for crew in crews:
            crew.end()
    _raise_first(failures)


def _go_on(crew: _Crew, end: FoldEnded | FoldFailed | FoldLaidAside, turns: Turns) -> bool:
    """Give ``crew``, whose turn has come to its end, the next one; return False where it has ended."""
    turns.give_back(end.fold)
    if not isinstance(end, FoldLaidAside):
        turns.give_up(crew.folder)
    if crew.can_go_on() and (turn := turns.take()):
        crew.give(turn)
        return True
    crew.end()
    return False


def _death(exitcode: int | None) -> str:
    if exitcode == -signal.SIGKILL:
        return "its process was killed, most likely for want of memory: lower trainer.processes or data.batch_size"
    return f"its process died with exit status {exitcode}"


def _failure(fold: int, error: Exception) -> FoldFailed:
    """Return how a fold failed by ``error``, which is being handled; a full disk needs no traceback."""
    if isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return FoldFailed(fold, f"{error.strerror}: make room and run the same command again")
    return FoldFailed(fold, f"{type(error).__name__}: {error}", traceback.format_exc())


def _raise_first(failures: Sequence[FoldFailed]) -> None:
    for failure in failures:
        if failure.where:
            raise InputError(failure.reason, where=failure.where, mend=failure.mend)
    if failures:
        lines = [f"fold {failure.fold}: {failure.reason}\n{failure.details}".rstrip() for failure in failures]
        raise FoldsFailedError("\n".join(lines))


def _work(pipe: Connection) -> None:
    """Train the folds that come through ``pipe``; the body of a worker process, which is ended from outside."""
    end_with_parent()
    from csam_lightning.training.fold import train_fold  # the watcher never imports torch

    while True:
        turn, rank = pipe.recv()
        number = turn.job.fold.number
        try:
            finished = train_fold(turn.job, pipe.send, rank, until=turn.until)
        except InputError as error:
            pipe.send(FoldFailed(number, error.what, where=error.where, mend=error.mend))
        except Exception as error:  # noqa: BLE001 - one failing fold must not take the others with it
            pipe.send(_failure(number, error))
        else:
            pipe.send(FoldEnded(number) if finished else FoldLaidAside(number))
