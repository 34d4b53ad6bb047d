"""Worker processes whose number changes nothing but the time taken."""

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from typing import Protocol, TypeVar

import cv2

Item = TypeVar("Item")
Result = TypeVar("Result")


class Pool(Protocol):
    """Something that maps a function over items and keeps their order."""

    def map(self, function: Callable[[Item], Result], items: Iterable[Item], /) -> Iterator[Result]:
        """Yield the function's result for each item."""


class _Inline:
    def map(self, function: Callable[[Item], Result], items: Iterable[Item], /) -> Iterator[Result]:
        return map(function, items)


@contextmanager
def worker_pool(processes: int) -> Iterator[Pool]:
    """Yield a pool of that many processes; with one, the work is done in this process.

    Workers are started afresh (spawned): a fork of a process that runs threads can hang. When the block is left early,
    items not begun are dropped, and those begun are finished before the exit.
    """
    if processes <= 1:
        yield _Inline()
        return
    context = multiprocessing.get_context("spawn")
    executor = ProcessPoolExecutor(processes, mp_context=context, initializer=_start_worker)
    try:
        yield executor
    finally:
        executor.shutdown(wait=True, cancel_futures=True)


def usable_cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _start_worker() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    cv2.setNumThreads(1)
