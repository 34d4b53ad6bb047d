"""Folds side by side in processes of their own."""

import signal
import traceback
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Self

from csam_lightning.errors import InputError, RunFailedError
from csam_lightning.processes import end_with_parent, interrupts_ignored, preloaded_context
from csam_lightning.training.events import Event, FoldEnded, FoldFailed
from csam_lightning.training.job import FoldJob

POLL_SECONDS = 0.2


class FoldsFailedError(RunFailedError):
    """At least one fold failed; the others are finished."""


@dataclass
class _Worker:
    """A process that trains one fold after the other, and the pipe to it."""

    process: BaseProcess
    pipe: Connection
    job: FoldJob | None = None

    @classmethod
    def start(cls) -> Self:
        context = preloaded_context("csam_lightning.training.fold")
        ours, theirs = context.Pipe()
        process = context.Process(target=_work, args=(theirs,), daemon=True)
        with interrupts_ignored():  # the child inherits that: Ctrl-C is the watching process's business
            process.start()
        theirs.close()
        return cls(process, ours)

    def give(self, job: FoldJob) -> None:
        """Hand over the next fold."""
        self.job = job
        self.pipe.send(job)

    def receive(self) -> Event:
        """Return the next event; the death of the process is one too."""
        try:
            event: Event = self.pipe.recv()
        except (EOFError, OSError):
            self.process.join()
            assert self.job is not None  # noqa: S101 - a worker without a job is not listened to
            return FoldFailed(self.job.fold.number, _death(self.process.exitcode))
        return event

    def end(self) -> None:
        self.process.terminate()
        self.process.join()
        self.pipe.close()


def train_folds(jobs: Sequence[FoldJob], *, processes: int, watch: Callable[[Event | None], None]) -> None:
    """Train folds, at most ``processes`` at a time; return when all are finished.

    The numbers do not depend on ``processes``: each fold has a fixed number of threads and seeds of its own.

    Args:
        jobs: The folds.
        processes: How many run side by side.
        watch: Called with every event, and with None several times a second in between.

    Raises:
        InputError: A fold found something that is the user's to mend.
        FoldsFailedError: A fold failed, or its process died.
    """
    todo = deque(jobs)
    workers: list[_Worker] = []
    failures: list[FoldFailed] = []
    try:
        while todo or workers:
            while todo and len(workers) < processes:
                workers.append(_Worker.start())
                workers[-1].give(todo.popleft())
            ready = wait([worker.pipe for worker in workers], timeout=POLL_SECONDS)
            if not ready:
                watch(None)
            for worker in [worker for worker in workers if worker.pipe in ready]:
                event = worker.receive()
                watch(event)
                if isinstance(event, FoldFailed):
                    failures.append(event)
                if isinstance(event, FoldEnded | FoldFailed) and not _go_on(worker, todo):
                    workers.remove(worker)
    finally:
        for worker in workers:
            worker.end()
    _raise_first(failures)


def _go_on(worker: _Worker, todo: deque[FoldJob]) -> bool:
    """Give ``worker`` its next fold; return False where it has ended."""
    if todo and worker.process.is_alive():
        worker.give(todo.popleft())
        return True
    worker.end()
    return False


def _death(exitcode: int | None) -> str:
    if exitcode == -signal.SIGKILL:
        return "its process was killed, most likely for want of memory: lower trainer.processes or data.batch_size"
    return f"its process died with exit status {exitcode}"


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
        job: FoldJob = pipe.recv()
        number = job.fold.number
        try:
            train_fold(job, pipe.send)
        except InputError as error:
            pipe.send(FoldFailed(number, error.what, where=error.where, mend=error.mend))
        except Exception as error:  # noqa: BLE001 - one failing fold must not take the others with it
            pipe.send(FoldFailed(number, f"{type(error).__name__}: {error}", traceback.format_exc()))
        else:
            pipe.send(FoldEnded(number))
