"""Files and folders that appear whole or not at all."""

import os
import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock

_UMASK = Lock()


@contextmanager
def written_atomically(path: Path) -> Iterator[Path]:
    """Yield a temporary file name beside ``path`` that takes its place when the block ends without an error."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.stem}-", suffix=path.suffix, dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def folder_written_atomically(path: Path) -> Iterator[Path]:
    """Yield a temporary folder beside ``path`` that takes its place when the block ends without an error.

    Where ``path`` has appeared meanwhile (another process was faster), that one stays and ours is dropped.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{path.name}-", dir=path.parent))
    try:
        yield temporary
        temporary.chmod(0o777 & ~_umask())
        try:
            temporary.rename(path)
        except OSError:
            if not path.is_dir():
                raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


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
