"""Checkpoints that appear whole or not at all."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins import TorchCheckpointIO

from csam_lightning.files import written_atomically


def write_checkpoint(content: Mapping[str, Any], path: Path) -> None:
    """Write ``content`` to ``path``, tensor by tensor, so that it takes no memory of its own.

    Raises:
        OSError: The file cannot be written, for want of room for example; PyTorch by itself would hide that.
    """
    with written_atomically(path) as temporary, temporary.open("wb") as file:
        try:
            torch.save(content, file)
        except RuntimeError as error:
            if isinstance(error.__context__, OSError):
                raise error.__context__ from None
            raise


class CheckpointWriter(TorchCheckpointIO):
    """Writes Lightning's checkpoints by :func:`write_checkpoint`.

    Lightning's own writer leaves its temporary file behind, in the system's folder, when it is killed.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:  # noqa: ARG002
        """Write ``checkpoint`` to ``path``."""
        write_checkpoint(checkpoint, Path(path))
