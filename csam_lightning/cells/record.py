"""What MLflow is told of a cell: its folder's state as a plain record."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from csam_lightning.cells.cell import Cell
from csam_lightning.cells.output import fold_figures
from csam_lightning.cells.result import CellResult, fold_result
from csam_lightning.cells.sources import source_of
from csam_lightning.tracking.record import CellRecord, DatasetRecord, FoldRecord
from csam_lightning.tracking.runs import CHECKPOINTS


class Recorder:
    """Makes records of a cell; each finished fold is read, scored and drawn once.

    Args:
        cell: The cell.
        params: The flattened configuration.
        code: Tags that name the state of the code; asked once a run, since git is slow to answer.
    """

    def __init__(self, cell: Cell, params: Mapping[str, str], code: Mapping[str, str]) -> None:
        """Note what stays the same in all records of the cell."""
        self._cell = cell
        self._params = params
        self._tags = {"cell.id": cell.id, "data.fingerprint": cell.fingerprint, **code}
        self._dataset = _dataset(cell)
        self._finished: dict[int, FoldRecord] = {}

    def record(self) -> CellRecord:
        """Return what the files of the finished folds, and of those that this run asks for, say by now."""
        cell = self._cell
        wanted = {fold.number for fold in (*cell.finished_folds, *cell.chosen_folds)}
        folds = [self._fold_record(number) for number in sorted(wanted)]
        return CellRecord(cell.name, self._params, self._tags, self._dataset, folds)

    def finished_record(self, result: CellResult, artifacts: Mapping[Path, str]) -> CellRecord:
        """Return the record closed with the results of all its finished folds."""
        record = self.record()
        finished = [fold for fold in record.folds if fold.finished]
        return replace(record, folds=finished, metrics=_cell_metrics(result), artifacts=artifacts, finished=True)

    def _fold_record(self, number: int) -> FoldRecord:
        if number in self._finished:
            return self._finished[number]
        files = self._cell.fold_folder(number)
        finished = files.finished  # asked first: what is read then is all that there will be
        record = FoldRecord(number, files.read_history())
        if not finished:
            return record
        result = fold_result(self._cell, number)
        metrics = {_metric_name(name): value for name, value in result.metrics.items()}
        kept = [file for file in (files.model, files.novelty) if file.is_file()]  # older folds have no novelty
        figures = fold_figures(self._cell, result)
        artifacts = {**dict.fromkeys(kept, CHECKPOINTS), **dict.fromkeys(figures, "figures")}
        self._finished[number] = replace(record, metrics=metrics, artifacts=artifacts, finished=True)
        return self._finished[number]


def _metric_name(name: str) -> str:
    """Return a closing metric's name on a fold's run: apart from the metrics per epoch, ``train/…`` and ``val/…``."""
    return name.replace("_", "/", 1) if name.startswith("delta_") else f"evaluation/{name}"


def _cell_metrics(result: CellResult) -> dict[str, float]:
    metrics = {name.replace("_", "/", 1): value for name, value in result.mean.items()}
    metrics |= {f"{name.replace('_', '/', 1)}_std": value for name, value in result.std.items()}
    for prefix, scores in (("out_of_fold", result.out_of_fold), ("test", result.test)):
        if scores is not None:
            metrics |= {f"{prefix}/{name}": getattr(scores, name) for name in ("accuracy", "precision", "recall", "f1")}
    metrics |= _operating_point(result)
    if result.single_test is not None:
        metrics |= {f"test/single_{name}": value for name, value in result.single_test.items()}
    speed = result.images / result.seconds if result.seconds else 0.0
    return metrics | {"seconds": result.seconds, "train_images_per_second": speed}


def _operating_point(result: CellResult) -> dict[str, float]:
    """Return the threshold of class D, and what escapes it or is caught by it for nothing, as metrics."""
    calibrated = result.calibrated
    if calibrated is None or calibrated.sound is None:
        return {}
    metrics = {"sound": calibrated.sound}
    for prefix, scored in (("out_of_fold", calibrated.out_of_fold), ("test", calibrated.test)):
        if scored is not None and scored.escape is not None and scored.overkill is not None:
            metrics |= {f"{prefix}/escape": scored.escape.value, f"{prefix}/overkill": scored.overkill.value}
    return metrics


def _dataset(cell: Cell) -> DatasetRecord:
    counts = cell.table["label"].value_counts().to_dict()
    profile = {
        "training scans": len(cell.table),
        "test scans": len(cell.test),
        "packages": int(cell.table["package_id"].nunique()),
        **{f"class {name}": int(counts.get(name, 0)) for name in cell.classes},
    }
    source = source_of(cell.config.data, cell.config.cache_dir)
    return DatasetRecord(source.name, cell.fingerprint[:16], source.address, profile)
