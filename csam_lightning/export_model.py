"""What ``python -m csam_lightning.export`` does: find the model and its scans, write the file, register."""

import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import yaml
from pydantic import TypeAdapter, ValidationError

from csam_lightning.errors import InputError
from csam_lightning.exporting.check import write_checked
from csam_lightning.exporting.formats import FORMATS, Format
from csam_lightning.exporting.scans import scans_in, validation_scans
from csam_lightning.simulation.config import SimulationConfig
from csam_lightning.simulation.dataset import cached_dataset
from csam_lightning.tracking.models import check_name, find_run, load_model, model_of_run
from csam_lightning.tracking.reading import StoreReader

if TYPE_CHECKING:
    from csam_lightning.model.ensemble import Ensemble
    from csam_lightning.tracking.reading import StoredRun

NAME_SCANS = "name a scan or a folder of scans to compare on: scans=DIR"


class Wishes(NamedTuple):
    """What is to become of a model; see ``conf/export.yaml``."""

    format: str | None
    output: str | None
    register: str | None
    alias: str | None
    scans: str | None


def export_model(model: str, wishes: Wishes, *, uri: str | None) -> Iterator[str]:
    """Hand a model over, and yield lines that say what came of it.

    Raises:
        InputError: There is no such model, its scans are not there, or a setting makes no sense.
        RunFailedError: The file would not say what the model says.
    """
    output = _output(wishes)
    if Path(model).expanduser().is_file():
        ensemble, scans = load_model(model), _named_scans(wishes, model)
    else:
        check_name(model)
        store = StoreReader(uri)
        run = find_run(store, model)
        ensemble = model_of_run(store, model, run)
        scans = scans_in(Path(wishes.scans).expanduser()) if wishes.scans else _scans_of(store, run, ensemble)
    if output is not None:
        difference = write_checked(ensemble, output.form, output.file, scans)
        yield f"{output.file}  {described(ensemble)}"
        yield f"probabilities of {len(scans)} scans differ from the model's by at most {difference:.1g}"


class Output(NamedTuple):
    """A file to write and its format."""

    file: Path
    form: Format


def _output(wishes: Wishes) -> Output | None:
    if wishes.output is None:
        if wishes.register is None:
            raise InputError("there is nothing to do", where="output", mend="give output=FILE or register=NAME")
        return None
    file = Path(wishes.output).expanduser()
    by_suffix = [name for name, form in FORMATS.items() if form.suffix == file.suffix]
    name = wishes.format or next(iter(by_suffix), None)
    if name is None:
        raise InputError(f"{file} does not say its format", where="output", mend=f"give format={'|'.join(FORMATS)}")
    if FORMATS[name].suffix != file.suffix:
        what = f"a file of the format {name} ends in {FORMATS[name].suffix}"
        raise InputError(what, where=f"output {file}", mend="name it so, or leave the format out")
    if file.is_dir():
        raise InputError("is a folder", where=f"output {file}", mend="name a file")
    return Output(file, FORMATS[name])


def _named_scans(wishes: Wishes, model: str) -> list[Path]:
    if wishes.scans is None:
        raise InputError("a file does not know the scans of its model", where=f"model {model}", mend=NAME_SCANS)
    return scans_in(Path(wishes.scans).expanduser())


def _scans_of(store: StoreReader, run: "StoredRun", ensemble: "Ensemble") -> list[Path]:
    """Return scans that the networks of a run's model validated on."""
    import pandas as pd

    cell = run.parent if run.parent and "fold" in run.tags else run.id
    with tempfile.TemporaryDirectory() as folder:
        predictions = store.download(cell, "predictions.csv", Path(folder))
        if predictions is None:
            raise InputError("it does not tell which scans it validated on", where=f"run {cell}", mend=NAME_SCANS)
        text = {"path": str, "label": str, "fold": str, "split": str}
        table = pd.read_csv(predictions, dtype=text, keep_default_na=False)
        return validation_scans(_data_root(store, cell, Path(folder)), table, ensemble.facts.folds)


def _data_root(store: StoreReader, cell: str, folder: Path) -> Path:
    """Return the folder of the data set that a cell was trained on; a simulated one is made where it is not there."""
    run = store.run(cell)
    config = store.download(cell, "config.yaml", folder)
    settings: Any = yaml.safe_load(config.read_text()) if config else None
    data = settings.get("data") if isinstance(settings, Mapping) else None
    if isinstance(data, Mapping) and data.get("simulation"):
        try:
            simulation = TypeAdapter(SimulationConfig).validate_python(data["simulation"])
        except ValidationError as error:
            raise InputError(
                "its data set cannot be simulated any more", where=f"run {cell}", mend=NAME_SCANS
            ) from error
        return cached_dataset(simulation, Path(str(settings["cache_dir"])).expanduser())
    root = Path(run.source if run else "")
    if not (root.is_absolute() and root.is_dir()):
        raise InputError(f"its data set {root} is not there", where=f"run {cell}", mend=NAME_SCANS)
    return root


def described(ensemble: "Ensemble") -> str:
    """Return what a model is, in a few words."""
    facts = ensemble.facts
    networks = f"{len(facts.folds)} networks" if len(facts.folds) > 1 else "1 network"
    classes = ", ".join(facts.classes)
    return f"{networks}, {facts.arch}, {facts.image_size} px, classes {classes}, temperature {facts.temperature:.3g}"
