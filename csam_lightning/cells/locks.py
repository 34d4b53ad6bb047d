"""Who may touch a cell's or a grid's folder: one process at a time."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from csam_lightning.files import make_folder

CELL_LOCK = "cell.lock"

log = logging.getLogger(__name__)


@contextmanager
def cell_locked(folder: Path) -> Iterator[None]:
    """Hold the cell in ``folder``; wait, and say so, while another process holds it.

    The lock goes with the process that holds it, however that one ends.
    """
    make_folder(folder)
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
    with _locked_if_free(_lock(folder)) as held:
        yield held


@contextmanager
def sweep_locked_if_free(folder: Path) -> Iterator[bool]:
    """Hold the grid in ``folder`` if no other process runs it as a sweep; yield whether it is held."""
    make_folder(folder)
    with _locked_if_free(FileLock(folder / "sweep.lock")) as held:
        yield held


@contextmanager
def _locked_if_free(lock: FileLock) -> Iterator[bool]:
    try:
        lock.acquire(timeout=0)
    except Timeout:
        yield False
        return
    try:
        yield True
    finally:
        lock.release()


def set_aside(folder: Path) -> None:
    """Move what a cell's folder holds to ``former/<number>`` in it; call it while the cell is held."""
    former = folder / "former"
    kept = [entry for entry in folder.iterdir() if entry.name not in {CELL_LOCK, former.name}]
    if not kept:
        return
    place = former / str(len(list(former.glob("*"))))
    place.mkdir(parents=True)
    for entry in kept:
        entry.rename(place / entry.name)


def _lock(folder: Path) -> FileLock:
    return FileLock(folder / CELL_LOCK)
