"""One fold trained by several processes, one for each device: how they meet, and how Lightning finds them."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from lightning.fabric.plugins.environments.lightning import LightningEnvironment
from torch import distributed

from csam_lightning.errors import InputError
from csam_lightning.machine.gpus import MAYBE_NVIDIA
from csam_lightning.model.batch_norm import WholeBatchSync
from csam_lightning.training.checkpoints import CheckpointWriter
from csam_lightning.training.job import FoldJob, Rank

LOOPBACK = ("lo", "lo0")
"""Names of the network interface that does not leave the machine."""


class _Started(LightningEnvironment):
    """Tells Lightning that the ranks' processes are there already, and which of them this one is.

    Left alone, Lightning would run the whole command again for each rank, or, inside a Slurm job, take Slurm's tasks
    for the ranks.
    """

    def __init__(self, rank: Rank) -> None:
        super().__init__()
        self._rank = rank

    @property
    def creates_processes_externally(self) -> bool:
        return True

    def local_rank(self) -> int:
        return self._rank.number

    def node_rank(self) -> int:
        return 0


def trainer_settings(rank: Rank, accelerator: str) -> dict[str, Any]:
    """Return the settings of :class:`lightning.Trainer` for devices, and its plugins.

    Several processes train by Lightning's DDP. Folds of one device each are dealt out over the GPUs.
    """
    if rank.of == 1:
        gpus = torch.cuda.device_count() if accelerator in MAYBE_NVIDIA else 0
        return {"devices": [rank.place % gpus] if gpus else 1, "plugins": [CheckpointWriter()]}
    os.environ.setdefault("OMP_NUM_THREADS", str(torch.get_num_threads()))  # else Lightning takes all cores
    return {
        "devices": rank.of,
        "strategy": "ddp",
        "plugins": [_Started(rank), WholeBatchSync(), CheckpointWriter()],
        "use_distributed_sampler": False,  # it would repeat scans to make the ranks' shares equal
    }


@contextmanager
def joined(rank: Rank, device: torch.device) -> Iterator[None]:
    """Be one of the processes that train a fold together, inside the block; talk over the loopback interface alone.

    Args:
        rank: Which of them this process is.
        device: The device it trains on.
    """
    if rank.of == 1:
        yield
        return
    for name in {name for _, name in socket.if_nameindex()}.intersection(LOOPBACK):
        os.environ |= {"GLOO_SOCKET_IFNAME": name, "NCCL_SOCKET_IFNAME": name}
    distributed.init_process_group(
        "nccl" if device.type == "cuda" else "gloo",
        store=distributed.FileStore(str(rank.meeting), rank.of),  # type: ignore[attr-defined]  # documented there
        rank=rank.number,
        world_size=rank.of,
        device_id=device if device.type == "cuda" else None,
    )
    try:
        yield
    finally:
        distributed.destroy_process_group()


def check_shares(job: FoldJob, devices: int) -> None:
    """Check that each device gets at least one training image and one validation scan of the fold.

    Raises:
        InputError: One does not.
    """
    shares = {"training images": job.fold.training.scan, "validation scans": job.fold.validation.scans}
    for kind, images in shares.items():
        if len(images) < devices:
            raise InputError(
                f"{devices} devices cannot share the {len(images)} {kind} of fold {job.fold.number}",
                where="trainer.devices",
                mend=f"give at most {len(images)}",
            )
