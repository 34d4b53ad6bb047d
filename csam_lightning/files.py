"""Files and folders that appear whole or not at all, and that a power cut does not take away.

A file is written in this order, as SQLite's atomic commit is (https://www.sqlite.org/atomiccommit.html):

1. Its content goes to a temporary file in the same folder, and from there to the disk (``fsync``).
2. The temporary file takes its name, in place of what had that name.
3. The folder, which holds the name, goes to the disk.

A power cut before 3 leaves the former file or the new one, each whole; after 3, the new one. What the new file makes
superfluous is deleted after 3 alone. A folder is written likewise: 1 covers all that lies in it, and the folder above
holds its name. Where the system brings no folder to the disk (Windows, some network file systems), 3 is left to it.
"""

import errno
import os
import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Lock

_UMASK = Lock()
_LOST = {errno.EIO, errno.ENOSPC, errno.EDQUOT}
"""Errors by which a disk refuses content; others mean that the file system does not know ``fsync`` of such a file."""
_SIDE_BY_SIDE = 16
"""Files brought to the disk together: a journal takes them as one, thirty times as fast as one after the other."""


@contextmanager
def written_atomically(path: Path, *, durable: bool = True) -> Iterator[Path]:
    """Yield a temporary file name beside ``path`` that takes its place when the block ends without an error.

    Args:
        path: The file.
        durable: Whether it is on the disk, content and name, when the block has ended; False leaves that to the caller.

    Raises:
        OSError: It cannot be written, or the disk does not take it.
    """
    make_folder(path.parent)
    handle, name = tempfile.mkstemp(prefix=f".{path.stem}-", suffix=path.suffix, dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o666 & ~_umask())
        if durable:
            sync_file(temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    if durable:
        sync_folder(path.parent)


@contextmanager
def folder_written_atomically(path: Path) -> Iterator[Path]:
    """Yield a temporary folder beside ``path`` that takes its place when the block ends without an error.

    Where ``path`` has appeared meanwhile (another process was faster), that one stays and ours is dropped.

    Raises:
        OSError: It cannot be written, or the disk does not take it.
    """
    make_folder(path.parent)
    temporary = Path(tempfile.mkdtemp(prefix=f".{path.name}-", dir=path.parent))
    try:
        yield temporary
        temporary.chmod(0o777 & ~_umask())
        sync_tree(temporary)
        try:
            temporary.rename(path)
        except OSError:
            if not path.is_dir():
                raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    sync_folder(path.parent)


def make_folder(path: Path) -> None:
    """Make a folder, and those above it, where they are missing; their names are then on the disk."""
    missing = [folder for folder in (path, *path.parents) if not folder.exists()]
    path.mkdir(parents=True, exist_ok=True)
    for folder in missing:
        sync_folder(folder.parent)


def sync_file(path: Path) -> None:
    """Return when the content of a file is on the disk.

    Raises:
        OSError: The disk does not take it, or the file cannot be opened.
    """
    with path.open("rb" if os.name == "posix" else "r+b") as file:  # Windows flushes what may be written alone
        _sync(file.fileno())


def sync_folder(path: Path) -> None:
    """Return when the names that a folder holds are on the disk, where the system can do that.

    Raises:
        OSError: The disk does not take them.
    """
    try:
        handle = os.open(path, os.O_RDONLY)
    except OSError:
        return
    try:
        _sync(handle)
    finally:
        os.close(handle)


def sync_tree(path: Path) -> None:
    """Return when all that lies in a folder is on the disk.

    Raises:
        OSError: The disk does not take it.
    """
    folders = [path, *(entry for entry in path.rglob("*") if entry.is_dir() and not entry.is_symlink())]
    files = [entry for folder in folders for entry in folder.iterdir() if entry.is_file() and not entry.is_symlink()]
    with ThreadPoolExecutor(_SIDE_BY_SIDE) as pool:
        list(pool.map(sync_file, files))
        list(pool.map(sync_folder, folders))


def _sync(handle: int) -> None:
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno in _LOST:
            raise


def zip_is_whole(path: Path) -> bool:
    """Return whether all parts of a zip file, as PyTorch's files are, have the checksums that they were written with.

    PyTorch itself writes checksums but does not compare them when it reads.

    Raises:
        OSError: There is no such file, or it may not be opened.
    """
    with path.open("rb") as file:
        try:
            return zipfile.ZipFile(file).testzip() is None
        except Exception:  # noqa: BLE001 - garbage may raise anything
            return False


def _umask() -> int:
    """Return the process's mask, which is told only by setting another: two threads at once could leave that one."""
    with _UMASK:
        mask = os.umask(0)
        os.umask(mask)
    return mask
