"""One cell from a composed configuration: its settings checked, its data read, its folds trained."""

import logging
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from csam_lightning.cells.cell import Cell, prepare_cell
from csam_lightning.cells.identity import read_data
from csam_lightning.cells.result import CellResult
from csam_lightning.cells.run import run_cell
from csam_lightning.cells.shares import with_share_of_machine
from csam_lightning.cli import typed
from csam_lightning.config import ProtocolName, TrainConfig, TrainerConfig, check_values
from csam_lightning.errors import InputError
from csam_lightning.evaluation.operating_point import is_delamination
from csam_lightning.evaluation.prevalence import class_shares
from csam_lightning.machine.accelerator import check_accelerator
from csam_lightning.machine.cpu import lacks_bf16
from csam_lightning.machine.gpus import free_gpu_memory
from csam_lightning.machine.memory import return_freed_memory
from csam_lightning.machine.processes import preloaded_context
from csam_lightning.tracking.publisher import Publisher
from csam_lightning.tracking.store import store_uri, without_password
from csam_lightning.tracking.sweep_run import SweepRun
from csam_lightning.training.pool import FOLD_MODULES

log = logging.getLogger(__name__)

NO_PARAMS = ("folds", "sound", "prevalence")
"""Settings that a later run of the same cell may change: a param of a run in MLflow never changes."""


def cell_settings(composed: DictConfig) -> TrainConfig:
    """Return a cell's checked settings.

    Raises:
        InputError: A value is out of its range.
        OmegaConfBaseException: An interpolation cannot be resolved, or a mandatory value is not given.
    """
    config = typed(composed, TrainConfig)
    check_values(config)
    store_uri(config.tracking.uri)
    return config


def prepare(composed: DictConfig) -> Cell:
    """Return the cell that a composed configuration describes; the modules of its folds load meanwhile.

    The memory of the manifest goes back to the system, since no fold needs it.

    Raises:
        InputError: The settings or the data are wrong.
        OmegaConfBaseException: As :func:`cell_settings`.
    """
    config = with_share_of_machine(cell_settings(composed), HydraConfig.get().launcher)
    manifest = read_data(config)
    given = any(override.startswith("sound=") for override in HydraConfig.get().overrides.task)
    if given and not is_delamination(manifest.classes):
        log.warning("sound=%g has no effect: only beside the classes A, B and C does D mean sound", config.sound)
    _check_prevalence(config, manifest.classes)
    preloaded_context(*FOLD_MODULES)
    cell = prepare_cell(config, manifest)
    del manifest
    return_freed_memory()
    return cell


def _check_prevalence(config: TrainConfig, classes: Sequence[str]) -> None:
    """Check the class mix before anything is trained.

    Raises:
        InputError: It does not fit the classes, or the protocol has no calibration.
    """
    if config.prevalence is None:
        return
    class_shares(config.prevalence, classes)
    if config.data.protocol == ProtocolName.published:
        what = "must be left out with data.protocol=published, whose models are not calibrated"
        raise InputError(what, where="prevalence", mend="leave it out, or set data.protocol=grouped")


def run_prepared(composed: DictConfig, cell: Cell, folder: Path, *, sweep: SweepRun | None) -> CellResult:
    """Train a cell's folds, evaluate them and record them in MLflow.

    Args:
        composed: The cell's composed configuration.
        cell: The cell, see :func:`prepare`.
        folder: Folder for the run's results.
        sweep: The sweep's run in MLflow that the cell's run belongs to; None: the cell stands alone.

    Raises:
        InputError: The device cannot train it.
        RunFailedError: The training of a fold failed.
    """
    trainer, tracking = cell.config.trainer, cell.config.tracking
    check_accelerator(trainer.accelerator, trainer.devices, cuda_graphs=trainer.cuda_graphs)
    _warn_of_slow_bf16(trainer)
    uri = store_uri(tracking.uri)
    OmegaConf.update(composed, "tracking.uri", without_password(uri))
    OmegaConf.update(composed, "augment.when", cell.config.augment.when.value)
    params = flatten(OmegaConf.to_container(composed, resolve=True))
    params = {name: value for name, value in params.items() if name.partition(".")[0] not in NO_PARAMS}
    params["data.size"] = str(cell.size)  # null stands for all scans; a chart needs their number
    if not trainer.cuda_graphs:
        params.pop("trainer.cuda_graphs")  # runs from before there was such a setting are no different
    return run_cell(
        cell,
        folder,
        publish_with=partial(Publisher, cell.folder, uri=uri, experiment=tracking.experiment, sweep=sweep),
        params=params,
        config_text=OmegaConf.to_yaml(composed, resolve=True),
    )


def _warn_of_slow_bf16(trainer: TrainerConfig) -> None:
    if trainer.precision != "bf16-mixed" or not lacks_bf16():
        return
    if trainer.accelerator == "cpu" or (trainer.accelerator == "auto" and not free_gpu_memory()):
        log.warning(
            "trainer.precision=bf16-mixed: this processor has no instructions for bf16, so training takes many times "
            "as long as with trainer.precision=32-true"
        )


def flatten(values: Any, prefix: str = "") -> dict[str, str]:
    """Return nested mappings as one, keys joined by dots and values as text."""
    if not isinstance(values, Mapping):
        return {prefix: str(values)}
    flat: dict[str, str] = {}
    for name, value in values.items():
        flat |= flatten(value, f"{prefix}.{name}" if prefix else str(name))
    return flat
