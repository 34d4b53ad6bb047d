"""What ``python -m csam_lightning.train`` does for one cell, alone or as a job of a sweep."""

import logging
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from subprocess import CalledProcessError
from typing import Any
from urllib.parse import urlsplit

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from csam_lightning.cells.cell import Cell, prepare_cell
from csam_lightning.cells.display import print_result
from csam_lightning.cells.identity import read_data
from csam_lightning.cells.result import CellResult
from csam_lightning.cells.run import run_cell
from csam_lightning.cells.settling import settle
from csam_lightning.cells.shares import with_share_of_machine
from csam_lightning.cli import one_line
from csam_lightning.config import ProtocolName, TrainConfig, TrainerConfig
from csam_lightning.errors import InputError, RunFailedError
from csam_lightning.evaluation.operating_point import is_delamination
from csam_lightning.evaluation.prevalence import class_shares
from csam_lightning.machine.accelerator import check_accelerator
from csam_lightning.machine.cpu import lacks_bf16
from csam_lightning.machine.gpus import free_gpu_memory
from csam_lightning.machine.memory import return_freed_memory
from csam_lightning.machine.processes import preloaded_context
from csam_lightning.sweeps.folder import JobOutcome, SweepFolder
from csam_lightning.sweeps.session import job_settings
from csam_lightning.tracking.publisher import Publisher
from csam_lightning.tracking.store import SERVERS, store_uri, without_password
from csam_lightning.tracking.sweep_run import SweepRun
from csam_lightning.training.pool import FOLD_MODULES

log = logging.getLogger(__name__)

NO_PARAMS = ("folds", "sound", "prevalence")
"""Settings that a later run of the same cell may change: a param of a run in MLflow never changes."""


def train_cell(composed: DictConfig) -> None:
    """Run the cell that ``composed`` describes, by itself or as a job of a sweep."""
    hydra = HydraConfig.get()
    folder = Path(hydra.runtime.output_dir)
    if hydra.mode == RunMode.MULTIRUN:
        _train_in_sweep(composed, folder, SweepFolder(Path(hydra.sweep.dir).absolute()), int(hydra.job.num))
    elif hydra.sweeper.params:
        with suppress(OSError):
            folder.rmdir()
        raise InputError("it is a sweep of many cells", where="experiment", mend="add -m to run it")
    else:
        _train_alone(composed, folder)


def _train_alone(composed: DictConfig, folder: Path) -> None:
    """Run a cell and show what came out; bad input leaves no folder behind."""
    output = Path(str(composed.output_dir)).expanduser()
    try:
        cell = _prepare(composed)
        settle(cells=output / "cells", grids=output / "grids", uri=composed.tracking.uri)
        result = _run(composed, cell, folder, sweep=None)
    except (InputError, OmegaConfBaseException):
        with suppress(OSError):  # a folder is not empty, or not made yet
            folder.rmdir()
            folder.parent.rmdir()
        raise
    protocol, whole = cell.config.data.protocol.value, len(result.folds) == len(cell.folds)
    print_result(cell.name, result, cell.classes, protocol=protocol, whole=whole)
    print(f"result   {folder / 'result.json'}")  # noqa: T201 - the command's result
    print(f"figures  {folder / 'figures'}")  # noqa: T201
    print(f"MLflow   {_how_to_look(store_uri(composed.tracking.uri))}")  # noqa: T201


def _prepare(composed: DictConfig) -> Cell:
    """Return the cell; what its folds import is loaded meanwhile, as soon as its data are known to be sound.

    What is not needed while folds train goes back to the system: the manifest, and what reading it has freed.
    """
    config = with_share_of_machine(job_settings(composed), HydraConfig.get().launcher)
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


def _how_to_look(uri: str) -> str:
    address = without_password(uri)
    if urlsplit(uri).scheme in SERVERS:
        return address
    quoted = address.replace("'", "'\\''")
    return f"mlflow ui --backend-store-uri '{quoted}'"


def _train_in_sweep(composed: DictConfig, folder: Path, sweep: SweepFolder, number: int) -> None:
    """Run a cell of a sweep and tell the sweep how it ended; a failure is the cell's own and ends no other."""
    hydra = HydraConfig.get()
    overrides = " ".join(hydra.overrides.task)
    cell: Cell | None = None
    reason = None
    try:
        cell = _prepare(composed)
        uri, experiment = composed.tracking.uri, composed.tracking.experiment
        _run(composed, cell, folder, sweep=SweepRun(sweep.read_grid(), uri=uri, experiment=experiment))
    except (InputError, OmegaConfBaseException, RunFailedError, OSError) as error:
        reason = one_line(error)
        log.error("%s", reason)  # noqa: TRY400 - a known failure: its line says it all
    except Exception as error:
        if _queued_again(error):
            sys.exit("preempted: Slurm has queued this job again")
        reason = f"{type(error).__name__}: {error}"
        log.exception("the cell failed")
    sweep.write(
        JobOutcome(number, cell.id if cell else None, cell.name if cell else overrides, str(folder.absolute()), reason)
    )


def _queued_again(error: Exception) -> bool:
    """Return whether ``error`` came of submitit's asking Slurm to queue this job again.

    Slurm then ends everything in the job, which may be the asking too; the job's next start goes on where this one was.
    """
    return isinstance(error, CalledProcessError) and list(error.cmd[:2]) == ["scontrol", "requeue"]


def _run(composed: DictConfig, cell: Cell, folder: Path, *, sweep: SweepRun | None) -> CellResult:
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
