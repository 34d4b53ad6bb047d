"""Checkpoints that appear whole or not at all."""

import logging
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from threading import Thread
from typing import Any

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


class CheckpointWriter(TorchCheckpointIO):
    """Writes a fold's checkpoints, one after the other, into the memory and the place on disk of the one before last.

    Fresh memory costs more than the writing, in a virtual machine above all; see ``benchmarks/NOTES.md``. The last
    checkpoint is never touched: two files take turns, the other one under the name of :func:`former`. A process that is
    killed leaves at least one that is whole. What it wrote is on its way to the disk at once, but without waiting for
    it; if the power fails meanwhile the file may be half new, which :func:`last_whole` sees.

    Lightning's own writer leaves its temporary file behind, in the system's folder, when it is killed.
    """

    def __init__(self) -> None:
        """Have nothing on its way to the disk."""
        super().__init__()
        self._flush: Thread | None = None

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:  # noqa: ARG002
        """Write ``checkpoint`` to ``path``."""
        path = Path(path)
        if self._flush:
            self._flush.join()
        with written_atomically(path) as temporary:
            with suppress(FileNotFoundError):
                former(path).replace(temporary)
            _save(checkpoint, temporary)
            with suppress(FileNotFoundError):
                path.replace(former(path))
        self._flush = Thread(target=_flush, args=(path,), daemon=True)
        self._flush.start()


def former(path: Path) -> Path:
    """Return the name of what ``path`` held before; hidden, as all is that may be removed at any time."""
    return path.with_name(f".{path.stem}-former{path.suffix}")


def last_whole(path: Path) -> Path | None:
    """Return the last checkpoint that :class:`CheckpointWriter` has written to ``path`` and that is whole.

    That is ``path`` or, if it is missing or damaged, what it held before; None if neither will do.
    """
    for candidate in (path, former(path)):
        if candidate.is_file():
            if zip_is_whole(candidate):
                return candidate
            log.warning("%s is damaged; training goes on from what there was before it", candidate)
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


def _flush(path: Path) -> None:
    """Return when what ``path`` holds is on the disk; one that is gone, as a finished fold's is, needs no disk."""
    with suppress(OSError), path.open("r+b") as file:
        os.fsync(file.fileno())
