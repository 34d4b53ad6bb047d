"""What ``python -m csam_lightning.export`` does: find the model and its scans, write the file, register."""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from csam_lightning.config import check_sound
from csam_lightning.data.images import read_grey, resize_grey
from csam_lightning.errors import InputError
from csam_lightning.evaluation.model_scores import with_sound
from csam_lightning.evaluation.operating_point import is_delamination
from csam_lightning.evaluation.prevalence import for_prevalence
from csam_lightning.exporting.check import write_checked
from csam_lightning.exporting.formats import FORMATS, Format, ensemble_predictor
from csam_lightning.exporting.scans import scans_in
from csam_lightning.model.ensemble_file import checksum, named_tensors, write_ensemble
from csam_lightning.registry.cell_files import NAME_SCANS, card_of, scans_of
from csam_lightning.registry.find import ARTIFACT, check_name, find_run, kept_model, load_model, model_of_run
from csam_lightning.registry.registering import CARD, FOLDER, ModelName, register, save_served
from csam_lightning.tracking.reading import StoreReader

if TYPE_CHECKING:
    from csam_lightning.model.ensemble import Ensemble
    from csam_lightning.tracking.reading import StoredRun


class Wishes(NamedTuple):
    """What is to become of a model; see ``conf/export.yaml``."""

    format: str | None
    output: str | None
    register: str | None
    alias: str | None
    scans: str | None
    prevalence: Mapping[str, float] | None
    sound: float | None


def export_model(model: str, wishes: Wishes, *, uri: str | None) -> Iterator[str]:
    """Hand a model over, and yield lines that say what came of it.

    Raises:
        InputError: There is no such model, its scans are not there, or a setting makes no sense.
        RunFailedError: The file would not say what the model says.
    """
    check_sound(wishes.sound)
    output, called = _output(wishes), _called(wishes)
    if Path(model).expanduser().is_file():
        if called is not None:
            raise InputError("a file is of no run", where=f"register {called.name}", mend="name a run: model=RUN")
        ensemble, scans = _adjusted(load_model(model), wishes), _named_scans(wishes, model)
    else:
        check_name(model)
        store = StoreReader(uri)
        run = find_run(store, model)
        ensemble = _adjusted(model_of_run(store, model, run), wishes)
        scans = scans_in(Path(wishes.scans).expanduser()) if wishes.scans else scans_of(store, run, ensemble)
    if output is not None:
        difference = write_checked(ensemble, output.form, output.file, scans)
        yield f"{output.file}  {described(ensemble)}"
        yield _agreement(difference, scans)
    if called is not None:
        yield from _registered(store, run, ensemble, scans, called)


def _adjusted(ensemble: "Ensemble", wishes: Wishes) -> "Ensemble":
    """Return the model for the class mix and with the threshold that are asked for."""
    return with_sound(for_prevalence(ensemble, wishes.prevalence), wishes.sound)


def _agreement(difference: float, scans: Sequence[Path]) -> str:
    return f"probabilities of {len(scans)} scans differ from the model's by at most {difference:.1g}"


def _called(wishes: Wishes) -> ModelName | None:
    if wishes.register is None:
        if wishes.alias is not None:
            raise InputError("an alias is that of a registered model", where="alias", mend="give register=NAME as well")
        return None
    called = ModelName(wishes.register, wishes.alias)
    called.check()
    return called


def _registered(
    store: StoreReader, run: "StoredRun", ensemble: "Ensemble", scans: Sequence[Path], called: ModelName
) -> Iterator[str]:
    """Keep the model in its run, in all its forms, and register it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        kept = kept_model(store, run, folder)
        if kept is not None and checksum(dict(named_tensors(kept))) != checksum(dict(named_tensors(ensemble))):
            what = f"it keeps a model of the folds {', '.join(map(str, kept.facts.folds))} that was registered before"
            raise InputError(what, where=f"run {run.id}", mend="train with force=true, which makes a run of its own")
        if kept is not None and kept.facts.prevalence != ensemble.facts.prevalence:
            what = "it keeps a model for another class mix that was registered before"
            mend = "leave prevalence out, or write a file with output=FILE"
            raise InputError(what, where=f"run {run.id}", mend=mend)
        if kept is not None and kept.facts.sound != ensemble.facts.sound:
            what = f"it keeps a model with sound={kept.facts.sound:g} that was registered before"
            mend = "leave sound out, give it to predict and app, or write a file with output=FILE"
            raise InputError(what, where=f"run {run.id}", mend=mend)
        card = card_of(store, run, ensemble, folder)
        difference = write_checked(ensemble, FORMATS["onnx"], folder / "model.onnx", scans)
        facts = ensemble.facts
        side = facts.image_size
        example = np.stack([resize_grey(read_grey(scan, colours=facts.colours), side) for scan in scans[:2]])
        made = folder / "served"
        save_served(folder / "model.onnx", made, example=example, outputs=ensemble_predictor(ensemble)(example))
        write_ensemble(ensemble, made / Path(ARTIFACT).name)
        (made / CARD).write_text(card, encoding="utf-8")
        tags = {"cell.id": facts.cell_id, "data.fingerprint": facts.data_fingerprint}
        version = register(store.uri, run.id, made, called, description=card, tags=tags)
    alias = f" as {called.name}@{called.alias}" if called.alias else ""
    yield f"registered {called.name}/{version}{alias}: {described(ensemble)}"
    yield _agreement(difference, scans)
    yield f"card: {FOLDER}/{CARD} of run {run.id}"


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


def described(ensemble: "Ensemble") -> str:
    """Return a description of a model in a few words."""
    facts = ensemble.facts
    networks = f"{len(facts.folds)} networks" if len(facts.folds) > 1 else "1 network"
    classes = ", ".join(facts.classes)
    scale = f"temperature {facts.temperature:.3g}"
    parts = [networks, facts.arch, f"{facts.image_size} px", f"classes {classes}", scale]
    if is_delamination(facts.classes):
        parts.append(f"sound {facts.sound:g}")
    if facts.prevalence is not None:
        parts.append(f"class mix {' '.join(f'{share:.3g}' for share in facts.prevalence)}")
    return ", ".join(parts)
