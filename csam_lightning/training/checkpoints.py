"""Checkpoints: how they are written, and which one training goes on from."""

import logging
import os
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO
from zipfile import BadZipFile

import torch
from lightning.fabric.plugins import TorchCheckpointIO

from csam_lightning.files import written_atomically, zip_is_whole

log = logging.getLogger(__name__)


def write_checkpoint(content: Mapping[str, Any], path: Path) -> None:
    """Write ``content`` to ``path``, tensor by tensor, so that it takes no memory of its own.

    Raises:
        OSError: The file cannot be written, for want of room for example; PyTorch by itself would hide that.
    """
    with written_atomically(path) as temporary:
        _save(content, temporary)


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Return the content of a checkpoint, its tensors on the CPU. It may come from anyone: nothing in it is run.

    Raises:
        BadZipFile: Its checksums do not fit; PyTorch by itself would not notice.
        OSError: There is no such file, or it may not be opened.
        UnpicklingError: It holds more than tensors and plain values.
    """
    if not zip_is_whole(path):
        raise BadZipFile("damaged: its checksums do not fit")
    content: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    return content


class CheckpointWriter(TorchCheckpointIO):
    """Writes a fold's checkpoints, one after the other, into the memory and the place on disk of the one before last.

    Fresh memory costs more than the writing, in a virtual machine above all; see ``benchmarks/NOTES.md``. Two files
    take turns, the other one under the name of :func:`former`: a writer writes over one only when the other, of its own
    making, is on the disk, and starts with a new file, since it does not know what a process before it has left. So
    :func:`last_whole` finds a checkpoint whenever there was one. It goes to the disk while training goes on; only the
    next one waits for it. If the power fails meanwhile it may be half new, and the one before is found.

    Lightning's own writer leaves its temporary file behind, in the system's folder, when it is killed.
    """

    def __init__(self) -> None:
        """Know of no checkpoint."""
        super().__init__()
        self._thread = ThreadPoolExecutor(max_workers=1)
        self._on_disk: Future[None] | None = None

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:  # noqa: ARG002
        """Write ``checkpoint`` to ``path``, always the same one.

        Raises:
            OSError: It cannot be written, or the one before could not.
        """
        path = Path(path)
        with written_atomically(path) as temporary:
            if self._on_disk:
                self._on_disk.result()
                with suppress(FileNotFoundError):
                    former(path).replace(temporary)
            _save(checkpoint, temporary)
            if self._on_disk:
                path.replace(former(path))
        self._on_disk = self._thread.submit(_flush, path.open("r+b"))


def former(path: Path) -> Path:
    """Return the name of what ``path`` held before; hidden, since users need not see it."""
    return path.with_name(f".{path.stem}-former{path.suffix}")


def last_whole(path: Path) -> Path | None:
    """Return the last checkpoint that :class:`CheckpointWriter` has written to ``path`` and that is whole.

    That is ``path`` or, if it is missing or damaged, what it held before; None if neither will do.
    """
    for candidate, instead in (
        (path, "the checkpoint before it is looked at"),
        (former(path), "training starts again"),
    ):
        if candidate.is_file():
            if zip_is_whole(candidate):
                return candidate
            log.warning("%s is damaged: %s", candidate, instead)
    return None


def _save(content: Mapping[str, Any], path: Path) -> None:
    """Write ``content`` over what the file at ``path`` holds."""
    with path.open("r+b") as file:
        try:
            torch.save(content, file)
        except RuntimeError as error:
            if isinstance(error.__context__, OSError):
                raise error.__context__ from None
            raise
        file.truncate()


def _flush(file: BinaryIO) -> None:
    """Close ``file`` when its content is on the disk."""
    with file:
        os.fsync(file.fileno())
