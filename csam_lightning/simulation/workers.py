"""Worker processes whose number changes nothing but the time taken."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import Protocol, TypeVar

import cv2

from csam_lightning.errors import RunFailedError
from csam_lightning.machine.processes import end_with_parent, interrupts_ignored, spawn_context

Item = TypeVar("Item")
Result = TypeVar("Result")


class Pool(Protocol):
    """Something that maps a function over items and keeps their order."""

    def map(self, function: Callable[[Item], Result], items: Iterable[Item], /) -> Iterator[Result]:
        """Yield the function's result for each item."""


class _Inline:
    def map(self, function: Callable[[Item], Result], items: Iterable[Item], /) -> Iterator[Result]:
        return map(function, items)


class _Workers:
    def __init__(self, executor: Executor) -> None:
        self._executor = executor

    def map(self, function: Callable[[Item], Result], items: Iterable[Item], /) -> Iterator[Result]:
        listed = list(items)
        with interrupts_ignored():  # handing over items starts processes
            return self._executor.map(function, listed)


@contextmanager
def worker_pool(processes: int) -> Iterator[Pool]:
    """Yield a pool of that many processes; with one, the work is done in this process.

    Workers are started afresh (spawned): a fork of a process that runs threads can hang. When the block is left early,
    items not begun are dropped, and those begun are finished before the exit. Workers leave Ctrl-C to this process and
    end when it dies.

    Raises:
        RunFailedError: A worker was killed.
    """
    if processes <= 1:
        yield _Inline()
        return
    executor = ProcessPoolExecutor(processes, mp_context=spawn_context(), initializer=_start_worker)
    try:
        yield _Workers(executor)
    except BrokenProcessPool as error:
        msg = "a worker process was killed, most likely for want of memory: free some and run it again"
        raise RunFailedError(msg) from error
    finally:
        executor.shutdown(wait=True, cancel_futures=True)


def _start_worker() -> None:
    end_with_parent()
    cv2.setNumThreads(1)
