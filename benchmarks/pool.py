"""Processes of one's own for pieces of work, which end when the benchmark is asked to end."""

import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import active_children, get_context
from typing import TypeVar

T = TypeVar("T")


@contextmanager
def worker_pool(workers: int) -> Iterator[ProcessPoolExecutor]:
    """Yield a pool of so many new processes; where the block is interrupted, they tidy up, but finish nothing."""
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=_heed_requests_to_end) as pool:
        try:
            yield pool
        except KeyboardInterrupt:
            for child in active_children():
                child.terminate()
            raise


def _heed_requests_to_end() -> None:
    """Let a request to end be an exception, so that scratch folders are removed."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)


def in_process(work: Callable[..., T], *arguments: object) -> T:
    """Return what ``work`` returns in a new process that does nothing else."""
    with worker_pool(1) as pool:
        return pool.submit(work, *arguments).result()
