"""How the cells that a launcher runs side by side on one machine share its cores."""

from dataclasses import replace
from typing import TYPE_CHECKING

from csam_lightning.config import TrainConfig
from csam_lightning.processes import usable_cores

if TYPE_CHECKING:
    from omegaconf import DictConfig


def with_share_of_cores(config: TrainConfig, launcher: "DictConfig") -> TrainConfig:
    """Return ``config`` with so many folds side by side as one cell has cores for; a number that was given stays.

    Args:
        config: A cell's settings.
        launcher: Hydra's launcher; joblib's runs ``n_jobs`` cells side by side on this machine (-1: one per core),
            every other one gives each cell a machine, or an allotment of its own.
    """
    if config.trainer.processes is not None or launcher.get("n_jobs") is None:
        return config
    cores = usable_cores()
    cells = launcher.n_jobs if launcher.n_jobs > 0 else cores
    processes = max(1, cores // (cells * config.trainer.cores_per_fold))
    return replace(config, trainer=replace(config.trainer, processes=processes))
