"""The model of a cell, from the files that its training has left."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from pickle import UnpicklingError
from typing import TYPE_CHECKING, TypeVar
from zipfile import BadZipFile

from pydantic import TypeAdapter

from csam_lightning.errors import InputError
from csam_lightning.evaluation.calibration import class_mix, fit_calibration, with_prevalence
from csam_lightning.evaluation.predictions import held_out
from csam_lightning.model.ensemble import PUBLISHED, Ensemble, ModelFacts
from csam_lightning.model.ensemble_file import network_of
from csam_lightning.model.novelty import NoveltyStatistics
from csam_lightning.training.checkpoints import read_checkpoint

if TYPE_CHECKING:
    from csam_lightning.model.classifier import ScanClassifier
    from csam_lightning.model.held_out import HeldOut
    from csam_lightning.training.fold_files import FoldFolder

BROKEN = (OSError, LookupError, TypeError, ValueError, RuntimeError, EOFError, UnpicklingError, BadZipFile, InputError)
"""What reading files that are damaged, or something else, raises."""

T = TypeVar("T")


def cell_model(result: Path, predictions: Path | None, folds: "Mapping[int, FoldFolder]") -> Ensemble:
    """Return the model of a cell, calibrated on its networks' probabilities of scans that they did not learn from.

    What training did not keep when it was done by an older version is unknown to the model: without
    ``predictions`` it is not calibrated and ``held_out`` is None; without the statistics of all folds ``novelty`` is
    None. Under the published protocol networks did learn from their validation scans' packages: such a model is not
    calibrated, and has neither.

    Args:
        result: The cell's ``result.json``.
        predictions: Its ``predictions.csv``.
        folds: Files of the folds whose networks make up the model, by number; one or more.

    Raises:
        InputError: A file is missing, damaged or something else.
    """
    numbers = tuple(sorted(folds))
    facts = _read(result, lambda file: _facts(file, numbers))
    known, learnt_from = None, facts.protocol == PUBLISHED
    if predictions is not None and not learnt_from:
        known = _read(predictions, lambda file: _held_out(file, facts))
        facts = _calibrated(facts, known)
    networks = [_read(folds[number].model, lambda file: _network(file, facts)) for number in numbers]
    novelty = None if learnt_from else _novelty([folds[number] for number in numbers])
    return Ensemble(networks, facts, held_out=known, novelty=novelty)


def _calibrated(facts: ModelFacts, known: "HeldOut") -> ModelFacts:
    found = fit_calibration(known.log_probabilities, known.codes)
    mix = class_mix(known.codes, len(facts.classes))
    if facts.prevalence is not None:
        found, mix = with_prevalence(found, mix, facts.prevalence), facts.prevalence
    return replace(facts, temperature=found.temperature, bias=found.bias, prevalence=mix)


def _read(file: Path, reader: Callable[[Path], T]) -> T:
    try:
        return reader(file)
    except BROKEN as error:
        # PyTorch's own words would have the user read the file unsafely.
        reason = "" if isinstance(error, UnpicklingError) else f" ({_first_line(error)})"
        raise InputError(
            f"cannot be read{reason}",
            where=str(file),
            mend="train the cell again, or take another run",
        ) from error


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:200]


def _facts(file: Path, numbers: tuple[int, ...]) -> ModelFacts:
    result = json.loads(file.read_text(encoding="utf-8"))
    return TypeAdapter(ModelFacts).validate_python(
        {
            "classes": tuple(result["out_of_fold"]["classes"]),
            "image_size": result["cell"]["image_size"],
            "arch": result["cell"]["arch"],
            "temperature": 1.0,
            "data_fingerprint": result["data_fingerprint"],
            "cell_id": result["cell_id"],
            "folds": numbers,
            "sample_bits": result.get("sample_bits"),
            "protocol": result["cell"].get("protocol"),
            **{name: result[name] for name in ("overlay", "palette") if name in result},
            **{name: result[name] for name in ("sound", "prevalence") if result.get(name) is not None},
        }
    )


def _held_out(file: Path, facts: ModelFacts) -> "HeldOut":
    import pandas as pd

    text = dict.fromkeys(("label", "fold", "split", "package_id"), str)
    table = pd.read_csv(file, dtype=text, keep_default_na=False, encoding="utf-8")
    return held_out(table, facts.classes, facts.folds)


def _network(file: Path, facts: ModelFacts) -> "ScanClassifier":
    checkpoint = read_checkpoint(file)
    return network_of(facts, checkpoint["hyper_parameters"], checkpoint["state_dict"])


def _novelty(folds: "Sequence[FoldFolder]") -> list[NoveltyStatistics] | None:
    if not all(fold.novelty.is_file() for fold in folds):
        return None
    return [_read(fold.novelty, NoveltyStatistics.read) for fold in folds]
