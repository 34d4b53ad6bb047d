"""Finds the model that a user names: a run, a registered model or a file."""

import re
import tempfile
from pathlib import Path
from typing import NamedTuple

from csam_lightning.errors import InputError
from csam_lightning.evaluation.predictions import FILE as PREDICTIONS
from csam_lightning.exporting.formats import read_exported
from csam_lightning.model.ensemble import Ensemble
from csam_lightning.model.ensemble_file import SUFFIX, read_ensemble
from csam_lightning.registry.assemble import cell_model
from csam_lightning.tracking.reading import StoredRun, StoreReader
from csam_lightning.tracking.runs import CELL, CHECKPOINTS, FOLD, LEVEL_TAG
from csam_lightning.training.fold_files import FoldFolder

ARTIFACT = f"model/ensemble{SUFFIX}"
"""Where the run of a cell keeps its model as one file, once it was registered."""

FORMS = "a run's id, NAME@ALIAS or NAME/VERSION of a registered model, or a file"


class Registered(NamedTuple):
    """A registered model: its name, and its alias or version."""

    name: str
    which: str
    by_alias: bool


def load_model(model: str, *, uri: str | None = None) -> Ensemble:
    """Return the model that ``model`` names.

    Args:
        model: An existing file, see :func:`csam_lightning.exporting.formats.read_exported`; the id of a cell's run,
            or of a fold's for its network alone; or a registered model, ``NAME@ALIAS`` or ``NAME/VERSION``, with or
            without ``models:/`` before it.
        uri: The store, see :func:`csam_lightning.tracking.store.store_uri`.

    Raises:
        InputError: There is no such model, it is not finished, it cannot be read, or the store does not answer.
    """
    if Path(model).expanduser().is_file():
        return read_exported(Path(model).expanduser())
    check_name(model)
    store = StoreReader(uri)
    return model_of_run(store, model, find_run(store, model))


def check_name(model: str) -> None:
    """Check that ``model`` could be the id of a run or the name of a registered model.

    Raises:
        InputError: It could not.
    """
    if registered(model) is None and not re.fullmatch("[0-9a-f]{32}", model):
        raise _refused(model, "no such file, and no run or registered model is named like that", f"give {FORMS}")


def registered(model: str) -> Registered | None:
    """Return what ``model`` names in the registry; None where it is not of that form."""
    found = re.fullmatch(r"([^/@:]+)(?:@([^/@:]+)|/([0-9]+))", model.removeprefix("models:/"))
    return Registered(found[1], found[2] or found[3], by_alias=found[2] is not None) if found else None


def find_run(store: StoreReader, model: str) -> StoredRun:
    """Return the finished run of a cell or a fold that ``model`` names, which is no file.

    Raises:
        InputError: There is no such run, or the store does not answer.
    """
    named = registered(model)
    run_id = model
    if named is not None:
        found = store.registered(named.name, named.which, by_alias=named.by_alias)
        if found is None:
            raise _refused(model, "the store has no such registered model", "look at its models in the MLflow UI")
        run_id = found
    run = store.run(run_id)
    if run is None:
        raise _refused(model, f"the store has no run {run_id}", "take the id from result.json or the MLflow UI")
    level = run.tags.get(LEVEL_TAG)
    if level not in {CELL, FOLD}:
        what = "is a sweep's" if level else "was not made by this program's training"
        raise _refused(model, f"the run {what}", "name the run of a cell or of a fold")
    if run.status != "FINISHED":
        raise _refused(model, f"the run is not finished ({run.status.lower()})", "train it to its end first")
    return run


def model_of_run(store: StoreReader, model: str, run: StoredRun) -> Ensemble:
    """Return the model of a run: the file that it keeps, or what is put together from what training has logged.

    A registered model is the file whatever has been trained since. Of a cell that is named by its run, folds that were
    trained since belong to the model.

    Args:
        store: The store.
        model: What the user named.
        run: As :func:`find_run` returned it.

    Raises:
        InputError: It cannot be read, or the store does not answer.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        try:
            kept = kept_model(store, run, folder)
            if kept and (registered(model) or set(_folds(store, run)) <= set(kept.facts.folds)):
                return kept
            return _assembled(store, model, run, folder)
        except InputError as error:  # it names a file that is gone as soon as this command ends
            where = error.where.replace(f"{folder}/", f"run {run.id} ")
            raise InputError(error.what, where=where, mend=error.mend) from error


def kept_model(store: StoreReader, run: StoredRun, folder: Path) -> Ensemble | None:
    """Return the model that a run has kept since it was registered; None where it was not.

    Args:
        store: The store.
        run: The run.
        folder: Where to put the file.

    Raises:
        InputError: It cannot be read, or the store does not answer.
    """
    file = store.download(run.id, ARTIFACT, folder)
    return read_ensemble(file) if file else None


def _assembled(store: StoreReader, model: str, run: StoredRun, folder: Path) -> Ensemble:
    """Put the model together from what training has logged, older versions too."""
    cell = run.id if run.tags[LEVEL_TAG] == CELL else run.parent
    folds = _folds(store, run)
    result = None if cell is None else store.download(cell, "result.json", folder)
    if cell is None or result is None or not folds:
        raise _refused(model, "its cell has no results in the store", "train the cell to its end, or name another run")
    predictions = store.download(cell, PREDICTIONS, folder)
    folders = {number: _fetched(store, model, fold, folder / f"fold_{number}") for number, fold in folds.items()}
    return cell_model(result, predictions, folders)


def _folds(store: StoreReader, run: StoredRun) -> dict[int, StoredRun]:
    """Return the runs of finished folds by the fold's number: of each the first, which is the latest."""
    runs = store.children(run.id) if run.tags[LEVEL_TAG] == CELL else [run]
    finished = [run for run in runs if run.status == "FINISHED" and run.tags.get(LEVEL_TAG) == FOLD]
    numbered = [run for run in finished if re.fullmatch("[0-9]{1,4}", run.tags.get("fold", ""))]
    return {int(run.tags["fold"]): run for run in reversed(numbered)}


def _fetched(store: StoreReader, model: str, fold: StoredRun, folder: Path) -> FoldFolder:
    names = FoldFolder(Path(CHECKPOINTS))
    folder.mkdir()
    checkpoint = store.download(fold.id, str(names.model), folder)
    if checkpoint is None:
        raise _refused(
            model, f"run {fold.id} of its fold {fold.tags['fold']} has no checkpoint", "train the cell again"
        )
    store.download(fold.id, str(names.novelty), folder)
    return FoldFolder(checkpoint.parent)


def _refused(model: str, what: str, mend: str) -> InputError:
    return InputError(what, where=f"model {model}", mend=mend)
