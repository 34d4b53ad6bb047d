"""How the cells that run side by side on one machine share its cores, its memory and its GPUs' memory."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from math import inf

from omegaconf import DictConfig

from csam_lightning.config import Arch, TrainConfig
from csam_lightning.errors import InputError
from csam_lightning.machine.gpus import MAYBE_NVIDIA, free_gpu_memory
from csam_lightning.machine.processes import usable_cores, usable_memory

FOLD_BYTES = {
    Arch.resnet18: (1.35e9, 650),
    Arch.resnet34: (1.85e9, 800),
    Arch.resnet50: (1.9e9, 2000),
    Arch.resnet101: (2.6e9, 3100),
}
"""Memory of a fold's process on a CPU: bytes of the process itself, and bytes per pixel of a batch.

About what was measured at most between 32 and 350 px in batches of 4 to 64, but for small batches of 350 px: ResNet-18
took 0.2 GB more than reckoned in batches of 4. What ``SHARE_FOR_FOLDS`` leaves covers that.
"""

CUDA_CONTEXT_BYTES = 0.5e9
"""Memory of a GPU that a process takes before it does anything there, about."""

HERE = ("BasicLauncher", "JoblibLauncher", "LocalLauncher", "RayLauncher")
"""Hydra's launchers that run cells on the machine that launches them, Ray's unless it joins a Ray that is there."""

SHARE_FOR_FOLDS = 0.8
"""Of a machine's memory, and of a GPU's; the rest is for what watches the folds, for files and for the system."""


def with_share_of_machine(
    config: TrainConfig, launcher: DictConfig, free: Callable[[], Sequence[int]] = free_gpu_memory
) -> TrainConfig:
    """Return ``config`` with so many folds side by side as a cell has room for; a given number stays.

    Room is cores, memory and, where a GPU trains each fold, the GPUs' free memory.

    Args:
        config: A cell's settings.
        launcher: Hydra's launcher, see :func:`_cores_of_a_cell`.
        free: Returns the bytes that are free on each GPU.
    """
    if config.trainer.processes is not None:
        return config
    cores = _cores_of_a_cell(launcher)
    share = SHARE_FOR_FOLDS * min(1, cores / usable_cores())
    room = (
        cores // config.trainer.cores_per_fold,
        usable_memory() * share // fold_memory(config),
        _folds_on_gpus(config, share, free),
    )
    processes = max(1, int(min(room)))
    return replace(config, trainer=replace(config.trainer, processes=processes))


def check_launcher(launcher: DictConfig) -> None:
    """Check what Hydra's launcher itself would fail at late.

    Raises:
        InputError: Joblib's launcher is to run no cell at a time.
    """
    if launcher.get("n_jobs") == 0:
        raise InputError("no cell would run", where="hydra.launcher.n_jobs", mend="give 2, 3, … or -1, one per core")


def cells_at_once(launcher: DictConfig) -> int | None:
    """Return how many cells Hydra's launcher runs side by side on this machine; None where it runs them elsewhere."""
    kind = str(launcher.get("_target_")).rpartition(".")[2]
    if kind not in HERE or (kind == "RayLauncher" and launcher.ray.init.get("address") not in {None, "local"}):
        return None
    return max(1, round(usable_cores() / _cores_of_a_cell(launcher)))


def fold_memory(config: TrainConfig) -> float:
    """Return how many bytes a fold's processes take on a CPU; on a GPU they take less of the machine's own memory."""
    alone, per_pixel = FOLD_BYTES[config.model.arch]
    return alone * config.trainer.devices + per_pixel * config.data.batch_size * config.data.image_size**2


def _folds_on_gpus(config: TrainConfig, share: float, free: Callable[[], Sequence[int]]) -> float:
    """Return how many folds, dealt out evenly, ``share`` of the GPUs' free memory holds; infinity where none is used.

    What a fold takes there was never measured. It is reckoned as a CUDA context and all that its process takes on a
    CPU, libraries among it, which a GPU does not hold: more than it should need.
    """
    if config.trainer.accelerator not in MAYBE_NVIDIA or config.trainer.devices > 1:
        return inf
    gpus = free()
    fold = CUDA_CONTEXT_BYTES + fold_memory(config)
    return len(gpus) * (min(gpus) * share // fold) if gpus else inf


def _cores_of_a_cell(launcher: DictConfig) -> float:
    """Return how many cores a cell may use.

    Joblib's launcher runs ``n_jobs`` cells side by side on this machine (-1: one per core), Ray's gives each cell
    ``ray.remote.num_cpus`` cores, and every other one gives it a machine, or an allotment that binds its process.
    """
    cores = usable_cores()
    if launcher.get("n_jobs") is not None:
        return cores / (launcher.n_jobs if launcher.n_jobs > 0 else cores)
    if "ray" in launcher:
        return float(launcher.ray.remote.get("num_cpus") or 1)
    return cores
