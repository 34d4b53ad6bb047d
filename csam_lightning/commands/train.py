"""What ``python -m csam_lightning.train`` does for one cell; a job of a sweep is :mod:`csam_lightning.sweeps.job`."""

from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from csam_lightning.cells.composed import prepare, run_prepared
from csam_lightning.cells.display import print_result
from csam_lightning.cells.settling import settle
from csam_lightning.errors import InputError
from csam_lightning.tracking.store import SERVERS, store_uri, without_password


def train_cell(composed: DictConfig) -> None:
    """Run the cell that ``composed`` describes, by itself or as a job of a sweep."""
    hydra = HydraConfig.get()
    folder = Path(hydra.runtime.output_dir)
    if hydra.mode == RunMode.MULTIRUN:
        from csam_lightning.sweeps.job import run_job

        run_job(composed, folder)
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
        cell = prepare(composed)
        settle(cells=output / "cells", grids=output / "grids", uri=composed.tracking.uri)
        result = run_prepared(composed, cell, folder, sweep=None)
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


def _how_to_look(uri: str) -> str:
    address = without_password(uri)
    if urlsplit(uri).scheme in SERVERS:
        return address
    quoted = address.replace("'", "'\\''")
    return f"mlflow ui --backend-store-uri '{quoted}'"
