"""What a cell's run recorded, read back: the scans that its networks validated on, and its model card."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import yaml

from csam_lightning.cells.sources import recorded_source
from csam_lightning.errors import InputError
from csam_lightning.evaluation.predictions import FILE as PREDICTIONS
from csam_lightning.exporting.model_card import Recorded, model_card
from csam_lightning.exporting.scans import validation_scans
from csam_lightning.tracking.runs import FOLD, LEVEL_TAG

if TYPE_CHECKING:
    import pandas as pd

    from csam_lightning.model.ensemble import Ensemble
    from csam_lightning.tracking.reading import StoredRun, StoreReader

NAME_SCANS = "name a scan or a folder of scans to compare on: scans=DIR"
TRAIN_AGAIN = "train the cell again with this version"
BROKEN = (OSError, LookupError, TypeError, ValueError, AttributeError, yaml.YAMLError)
"""What reading files that are damaged, or of another version, raises."""


def scans_of(store: "StoreReader", run: "StoredRun", ensemble: "Ensemble") -> list[Path]:
    """Return scans that the networks of a run's model validated on.

    Raises:
        InputError: They are not there any more, or the run does not tell them.
    """
    cell = cell_of(store, run)
    with TemporaryDirectory() as folder:
        table = _read(store, cell, PREDICTIONS, Path(folder), reader=_table, mend=NAME_SCANS)
        return validation_scans(_data_root(store, cell, Path(folder)), table, ensemble.facts.folds)


def card_of(store: "StoreReader", run: "StoredRun", ensemble: "Ensemble", folder: Path) -> str:
    """Return the model card of a run's model, as Markdown.

    Args:
        store: The store.
        run: The run of a cell or a fold.
        ensemble: Its model.
        folder: Where to put what is fetched.

    Raises:
        InputError: The cell's run did not record what the card tells.
    """
    cell = cell_of(store, run)
    read = partial(_read, store, cell, folder=folder, mend=TRAIN_AGAIN)
    has_predictions = store.download(cell.id, PREDICTIONS, folder) is not None
    settings = read("config.yaml", reader=_yaml)
    result = read("result.json", reader=lambda file: json.loads(file.read_text()))
    scans = read("scans.csv", reader=_table)
    predictions = read(PREDICTIONS, reader=_table) if has_predictions else None
    try:
        source = recorded_source(settings, cell.source)
        recorded = Recorded(
            run_id=run.id,
            source=source.description,
            caution=source.caution,
            result=result,
            scans=scans,
            predictions=predictions,
            settings=settings,
            tags=cell.tags,
        )
        return model_card(ensemble, recorded)
    except BROKEN as error:
        what = f"it does not record what a model card tells ({type(error).__name__}: {error})"
        raise InputError(what, where=f"run {cell.id}", mend=TRAIN_AGAIN) from error


def cell_of(store: "StoreReader", run: "StoredRun") -> "StoredRun":
    """Return the run of the cell that a run of a cell or a fold belongs to.

    Raises:
        InputError: There is none any more.
    """
    if run.tags.get(LEVEL_TAG) != FOLD:
        return run
    cell = store.run(run.parent) if run.parent else None
    if cell is None:
        raise InputError("the run of its cell is gone", where=f"run {run.id}", mend="name another run")
    return cell


def _read(
    store: "StoreReader", cell: "StoredRun", name: str, folder: Path, *, reader: Callable[[Path], Any], mend: str
) -> Any:
    file = store.download(cell.id, name, folder)
    if file is None:
        raise InputError(f"it has no {name}", where=f"run {cell.id}", mend=mend)
    try:
        return reader(file)
    except BROKEN as error:
        raise InputError(f"its {name} cannot be read", where=f"run {cell.id}", mend=mend) from error


def _yaml(file: Path) -> Any:
    return yaml.safe_load(file.read_text())


def _table(file: Path) -> "pd.DataFrame":
    """Read a table of scans; an empty cell of a text that may be unknown is NA, and no other text is."""
    import pandas as pd

    text = dict.fromkeys(("path", "package_id", "label", "metallization", "fold", "split"), str)
    missing = {name: [""] for name in ("package_id", "metallization", "cycles")}
    return pd.read_csv(file, dtype=text, keep_default_na=False, na_values=missing)


def _data_root(store: "StoreReader", cell: "StoredRun", folder: Path) -> Path:
    """Return the folder of the data set that a cell was trained on; it is made again where that is possible."""
    settings = _read(store, cell, "config.yaml", folder, reader=_yaml, mend=NAME_SCANS)
    try:
        root = recorded_source(settings, cell.source).root()
    except BROKEN as error:
        raise InputError("its data set cannot be made again", where=f"run {cell.id}", mend=NAME_SCANS) from error
    if not (root.is_absolute() and root.is_dir()):
        raise InputError(f"its data set {root} is not there any more", where=f"run {cell.id}", mend=NAME_SCANS)
    return root
