"""Processes of one's own for pieces of work, which end when the benchmark is asked to end."""

from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import active_children, get_context
from typing import TypeVar

T = TypeVar("T")


@contextmanager
def worker_pool(workers: int) -> Iterator[ProcessPoolExecutor]:
    """Yield a pool of so many new processes; where the block is interrupted, they do not finish what they do."""
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        try:
            yield pool
        except KeyboardInterrupt:
            for child in active_children():
                child.terminate()
            raise


def in_process(work: Callable[..., T], *arguments: object) -> T:
    """Return what ``work`` returns in a new process that does nothing else."""
    with worker_pool(1) as pool:
        return pool.submit(work, *arguments).result()
