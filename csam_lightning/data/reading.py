"""Reading the image files of a manifest in the manifest's order, side by side where that is faster."""

import os
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import islice
from pathlib import Path
from threading import Event
from typing import TypeAlias, TypeVar

from csam_lightning.data.manifest import Manifest
from csam_lightning.errors import InputError

MOST_WORKERS = 16  # by default; each may hold one decoded image of the largest size allowed
RUN = 16  # files that a thread is handed at a time: handing over costs as much as decoding a small image
AHEAD = 256  # files under way at once: bounds the memory that results waiting for their turn take

QUICK_SECONDS, QUICK_HASH_SECONDS = 200e-6, 50e-6
"""Of a file that one thread decodes, or hashes, faster than two: they wait for Python's lock, see
``benchmarks/NOTES.md``. Hashing waits less."""
SLOW_RUNS = 2
"""Runs of slower files, one after the other, from which on threads read: the first may be slow by what it loads."""
FIRST_STRETCH = 64
"""Runs that threads read until one by one is tried again, and twice as many each time that files are still slow: so a
disk that was busy for a moment does not slow down all that comes after it, and trying costs next to nothing."""

T = TypeVar("T")
Run: TypeAlias = Sequence[tuple[int, object]]
"""Positions and paths of some scans."""


def in_order(
    manifest: Manifest,
    read: Callable[[Path], T],
    *,
    start: int = 0,
    workers: int | None = None,
    quick_seconds: float = QUICK_SECONDS,
) -> Generator[T | InputError, None, None]:
    """Yield what ``read`` makes of each scan's file, in the manifest's order, several at a time unless they are quick.

    Threads do it: decoding and hashing release Python's lock, and nothing has to be started or copied. Each is handed
    several files at a time, unless they are few.

    Args:
        manifest: The scans.
        read: Reads one file.
        start: The first scan to read.
        workers: Files read at a time, or None: one as long as files are quick, then one per processor, 16 at most.
        quick_seconds: What one thread takes at most for a quick file.

    Yields:
        The result for each scan, or the InputError it raised, naming manifest row and file; a scan without a usable
        path gives such an error too.
    """
    abandoned = Event()

    def one(position: int, path: object) -> T | InputError:
        if not isinstance(path, str):
            return InputError("has no usable path", where=manifest.where(position), mend="correct the path")
        try:
            return read(manifest.root / path)
        except InputError as error:
            return InputError(f"'{path}' {error.what}", where=manifest.where(position), mend=error.mend)

    def several(run: Run) -> list[T | InputError]:
        return [one(*each) for each in run if not abandoned.is_set()]

    total, threads = len(manifest.table), workers or min(os.cpu_count() or 1, MOST_WORKERS)
    length = max(1, min(RUN, (total - start) // (4 * threads)))
    paths = enumerate(manifest.table["path"].iloc[start:], start)
    runs: Iterator[Run] = iter(lambda: list(islice(paths, length)), [])
    with ThreadPoolExecutor(threads) as pool:
        try:
            stretch = 0
            while workers is None and (alone := (yield from _one_by_one(runs, several, quick_seconds * length))):
                stretch = FIRST_STRETCH if alone > stretch else 2 * stretch
                yield from _side_by_side(islice(runs, stretch), several, pool, AHEAD // length)
            yield from _side_by_side(runs, several, pool, AHEAD // length)
        finally:
            abandoned.set()


def _one_by_one(
    runs: Iterator[Run], several: Callable[[Run], list[T]], quick_seconds: float
) -> Generator[T, None, int]:
    """Yield results of runs until some one after the other are slow; return how many were read, 0 if none is left."""
    slow = 0
    for number, run in enumerate(runs, start=1):
        began = time.perf_counter()
        results = several(run)
        slow = slow + 1 if time.perf_counter() - began > quick_seconds else 0
        yield from results
        if slow == SLOW_RUNS:
            return number
    return 0


def _side_by_side(
    runs: Iterator[Run], several: Callable[[Run], list[T]], pool: ThreadPoolExecutor, ahead: int
) -> Iterator[T]:
    """Yield results of runs that threads read, so many runs ahead."""
    under_way = deque(pool.submit(several, run) for run in islice(runs, ahead))
    while under_way:
        yield from under_way.popleft().result()
        under_way.extend(pool.submit(several, run) for run in islice(runs, 1))


def or_raise(results: Generator[T | InputError, None, None]) -> Iterator[T]:
    """Yield results up to the first error, which is raised once nothing is read any more."""
    with closing(results):
        for result in results:
            if isinstance(result, InputError):
                raise result
            yield result
