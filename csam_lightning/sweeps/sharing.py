"""How the cells that a launcher runs side by side on one machine share its cores."""

from dataclasses import replace

from omegaconf import DictConfig, OmegaConf

from csam_lightning.config import TrainConfig
from csam_lightning.processes import usable_cores


OmegaConf.register_new_resolver("usable_cores", usable_cores, replace=True)  # for conf/hydra/launcher/ray.yaml


def with_share_of_cores(config: TrainConfig, launcher: DictConfig) -> TrainConfig:
    """Return ``config`` with so many folds side by side as one cell has cores for; a number that was given stays.

    Args:
        config: A cell's settings.
        launcher: Hydra's launcher, see :func:`_cores_of_a_cell`.
    """
    cores = _cores_of_a_cell(launcher)
    if config.trainer.processes is not None or cores is None:
        return config
    processes = max(1, int(cores // config.trainer.threads_per_fold))
    return replace(config, trainer=replace(config.trainer, processes=processes))


def _cores_of_a_cell(launcher: DictConfig) -> float | None:
    """Return how many cores a cell may use; None: all that its process may.

    Joblib's launcher runs ``n_jobs`` cells side by side on this machine (-1: one per core), Ray's gives each cell
    ``ray.remote.num_cpus`` cores, and every other one gives it a machine, or an allotment that binds its process.
    """
    if launcher.get("n_jobs") is not None:
        cores = usable_cores()
        return cores / (launcher.n_jobs if launcher.n_jobs > 0 else cores)
    if "ray" in launcher:
        return float(launcher.ray.remote.get("num_cpus") or 1)
    return None
