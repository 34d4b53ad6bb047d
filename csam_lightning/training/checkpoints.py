"""Checkpoints: how they are written, and which one training resumes from.

:class:`CheckpointWriter` overwrites two files in turn while the one before goes to the disk. Why a
power cut leaves a whole one, step by step; ``path`` holds the last checkpoint,
:func:`csam_lightning.training.fold_files.former` the one before:

1. The first checkpoint of a process is on the disk, content and name, before it takes the place of what is at ``path``
   (see :mod:`csam_lightning.files`). The former one is not touched.
2. Each further one waits until the last is on the disk, content and name. Only then are the bytes of the former one,
   which is not needed any more, written over.
3. While they are, the names change: former → temporary, ``path`` → former, temporary → ``path``. A file system with a
   journal keeps that order, so that the last checkpoint has one of the two names at any moment.
4. Then the new content, and after it the folder, go to the disk while training continues; step 2 waits for both.

After a cut between 2 and 4, ``path`` may be half new. :func:`last_whole` notices by the checksums of its parts and
takes the former one, which step 2 has on the disk.
"""

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

from csam_lightning.files import sync_folder, written_atomically, zip_is_whole
from csam_lightning.state import peek_state
from csam_lightning.training.fold_files import former

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

    Fresh memory costs more than the writing, in a virtual machine above all; see ``benchmarks/NOTES.md``. The first
    checkpoint of a process goes to a new file, since it does not know in what state a process before it has left those.

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
        if self._on_disk is None:
            write_checkpoint(checkpoint, path)
            self._on_disk = Future()
            self._on_disk.set_result(None)
            return
        self._on_disk.result()
        with written_atomically(path, durable=False) as temporary:
            with suppress(FileNotFoundError):
                former(path).replace(temporary)
            _save(checkpoint, temporary)
            path.replace(former(path))
        self._on_disk = self._thread.submit(_flush, path.open("r+b"), path.parent)


def last_whole(path: Path) -> Path | None:
    """Return the last checkpoint that :class:`CheckpointWriter` has written to ``path`` and that is whole.

    That is ``path`` or, if it is missing or damaged, what it held before; None if neither will do.
    """
    for candidate, instead in (
        (path, "the checkpoint before it is looked at"),
        (former(path), "training starts again"),
    ):
        if candidate.is_file():
            if peek_state(candidate, zip_is_whole):
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


def _flush(file: BinaryIO, folder: Path) -> None:
    """Close ``file`` when its content, and then its name in ``folder``, is on the disk."""
    with file:
        os.fsync(file.fileno())
    sync_folder(folder)
