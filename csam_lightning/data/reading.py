"""Reading the image files of a manifest side by side, in the manifest's order."""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import TypeVar

from csam_lightning.data.manifest import Manifest
from csam_lightning.errors import InputError

MOST_WORKERS = 16  # by default; each may hold one decoded image of the largest size allowed
AHEAD = 256  # files under way at once: bounds the memory that results waiting for their turn take

T = TypeVar("T")


def in_order(
    manifest: Manifest, read: Callable[[Path], T], *, start: int = 0, workers: int | None = None
) -> Iterator[T | InputError]:
    """Yield what ``read`` makes of each scan's file, in the manifest's order, several at a time.

    Threads do it: decoding and hashing release Python's lock, and nothing has to be started or copied.

    Args:
        manifest: The scans.
        read: Reads one file.
        start: The first scan to read.
        workers: Files read at a time, or None: one per processor, 16 at most.

    Yields:
        The result for each scan, or the InputError it raised, naming manifest row and file; a scan without a usable
        path gives such an error too.
    """
    paths = manifest.table["path"].tolist()

    def one(position: int) -> T | InputError:
        path = paths[position]
        if not isinstance(path, str):
            return InputError("has no usable path", where=manifest.where(position), mend="correct the path")
        try:
            return read(manifest.root / path)
        except InputError as error:
            return InputError(f"'{path}' {error.what}", where=manifest.where(position), mend=error.mend)

    with ThreadPoolExecutor(workers or min(os.cpu_count() or 1, MOST_WORKERS)) as pool:
        positions = iter(range(start, len(manifest.table)))
        while chunk := list(islice(positions, AHEAD)):
            yield from pool.map(one, chunk)


def or_raise(results: Iterator[T | InputError]) -> Iterator[T]:
    """Yield results up to the first error, which is raised."""
    for result in results:
        if isinstance(result, InputError):
            raise result
        yield result
