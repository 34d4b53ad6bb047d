"""``python -m csam_lightning.train``: cross-validate one cell, or many with ``-m``."""

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from csam_lightning.cell_run import run_cell
from csam_lightning.cli import run, typed
from csam_lightning.config import TrainConfig, check_values
from csam_lightning.display import print_result
from csam_lightning.errors import InputError
from csam_lightning.evaluation.cell import prepare_cell
from csam_lightning.tracking.publisher import publish_pending
from csam_lightning.tracking.store import store_uri, without_password


def train(composed: DictConfig) -> None:
    """Run the cell that ``composed`` describes and show what came out; bad input leaves no folder behind."""
    folder = Path(HydraConfig.get().runtime.output_dir)
    try:
        _train(composed, folder)
    except (InputError, OmegaConfBaseException):
        with suppress(OSError):  # the folder is not empty, or not made yet
            folder.rmdir()
        raise


def _train(composed: DictConfig, folder: Path) -> None:
    config = typed(composed, TrainConfig)
    check_values(config)
    uri = store_uri(config.tracking.uri)
    cell = prepare_cell(config)
    publish_pending(cell.folder.parent, uri=uri)
    OmegaConf.update(composed, "tracking.uri", without_password(uri))
    OmegaConf.update(composed, "augment.when", cell.config.augment.when.value)
    params = flatten(OmegaConf.to_container(composed, resolve=True))
    params.pop("folds")  # a cell's run tells of all its folds, whichever this run asks for
    result = run_cell(
        cell,
        folder,
        uri=uri,
        experiment=config.tracking.experiment,
        params=params,
        config_text=OmegaConf.to_yaml(composed, resolve=True),
    )
    print_result(cell.name, result, cell.classes)
    print(f"result   {folder / 'result.json'}")  # noqa: T201 - the command's result
    print(f"figures  {folder / 'figures'}")  # noqa: T201
    print(f"MLflow   mlflow ui --backend-store-uri '{without_password(uri)}'")  # noqa: T201


def flatten(values: Any, prefix: str = "") -> dict[str, str]:
    """Return nested mappings as one, keys joined by dots and values as text."""
    if not isinstance(values, Mapping):
        return {prefix: str(values)}
    flat: dict[str, str] = {}
    for name, value in values.items():
        flat |= flatten(value, f"{prefix}.{name}" if prefix else str(name))
    return flat


if __name__ == "__main__":
    run(train, "train")
