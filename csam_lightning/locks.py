"""Who may touch a cell's folder: one process at a time."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

log = logging.getLogger(__name__)


@contextmanager
def cell_locked(folder: Path) -> Iterator[None]:
    """Hold the cell in ``folder``; wait, and say so, while another process holds it.

    The lock goes with the process that holds it, however that one ends.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = _lock(folder)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        log.warning("another process works on cell %s: waiting for it", folder.name)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


@contextmanager
def cell_locked_if_free(folder: Path) -> Iterator[bool]:
    """Hold the cell in ``folder`` if no other process does; yield whether it is held."""
    lock = _lock(folder)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        yield False
        return
    try:
        yield True
    finally:
        lock.release()


def _lock(folder: Path) -> FileLock:
    return FileLock(folder / "cell.lock")
