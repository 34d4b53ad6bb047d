"""One run of a cell: train what is not trained, sum up, draw, and keep MLflow informed."""

import json
import logging
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from csam_lightning.display import fold_progress
from csam_lightning.errors import InputError
from csam_lightning.evaluation.cell import Cell
from csam_lightning.evaluation.cross_validation import cross_validate
from csam_lightning.evaluation.result import CellResult, FoldResult, fold_result, result_json, sum_up
from csam_lightning.files import written_atomically
from csam_lightning.tracking.environment import code_tags, describe_environment
from csam_lightning.tracking.publisher import Publisher
from csam_lightning.tracking.record import CellRecord, DatasetRecord, FoldRecord
from csam_lightning.training.events import Event
from csam_lightning.training.pool import FoldsFailedError

log = logging.getLogger(__name__)


def run_cell(cell: Cell, publisher: Publisher, folder: Path, *, params: Mapping[str, str]) -> CellResult:
    """Run ``cell`` and write its results to ``folder``.

    Args:
        cell: The cell; finished folds are taken up, not trained again.
        publisher: Sends the runs to MLflow.
        folder: The run's folder: ``result.json``, ``folds.csv``, ``figures/`` are written here.
        params: The flattened configuration, for MLflow.

    Raises:
        InputError: A fold found something that is the user's to mend.
        FoldsFailedError: A fold failed.
    """
    with written_atomically(folder / "folds.csv") as temporary:
        cell.fold_table().to_csv(temporary, index=False)
    with written_atomically(folder / "environment.txt") as temporary:
        temporary.write_text(describe_environment())
    tags = {"cell.id": cell.id, "data.fingerprint": cell.fingerprint, **code_tags()}
    start = CellRecord(cell.name, params, tags, _dataset(cell), [])
    publisher.reopen()
    publisher.publish(_with_folds(start, cell))
    _train(cell, publisher, start)
    publisher.publish(_with_folds(start, cell))
    return _finish(cell, publisher, folder, start)


def _train(cell: Cell, publisher: Publisher, start: CellRecord) -> None:
    epochs = cell.config.trainer.max_epochs
    done = {fold.number: len(cell.fold_folder(fold.number).read_history()) for fold in cell.chosen_folds}
    with fold_progress(cell.name, epochs=epochs, done=done) as show:

        def watch(event: Event | None) -> None:
            show(event)
            if event is not None:
                publisher.publish(_with_folds(start, cell), patient=False)

        try:
            cross_validate(cell, watch)
        except KeyboardInterrupt:
            publisher.end(_with_folds(start, cell), "KILLED")
            raise
        except (InputError, FoldsFailedError):
            publisher.end(_with_folds(start, cell), "FAILED")
            raise


def _finish(cell: Cell, publisher: Publisher, folder: Path, start: CellRecord) -> CellResult:
    result = sum_up(cell)
    figures = _draw_cell(cell, result, folder / "figures")
    summary = result_json(cell, result, run_id=publisher.run_id, fold_run_ids=publisher.fold_run_ids)
    with written_atomically(folder / "result.json") as temporary:
        temporary.write_text(json.dumps(summary, indent=2) + "\n")
    files = [folder / name for name in ("result.json", "folds.csv", "environment.txt", "config.yaml")]
    record = replace(
        _with_folds(start, cell),
        metrics=_cell_metrics(result),
        artifacts={**dict.fromkeys(files, ""), **dict.fromkeys(figures, "figures")},
        finished=True,
    )
    publisher.publish(record)
    return result


def _with_folds(start: CellRecord, cell: Cell) -> CellRecord:
    """Return the record of ``cell`` with all that its folds' files say by now."""
    return replace(start, folds=[_fold_record(cell, fold.number) for fold in cell.chosen_folds])


def _fold_record(cell: Cell, number: int) -> FoldRecord:
    files = cell.fold_folder(number)
    record = FoldRecord(number, files.read_history())
    if not files.finished:
        return record
    result = fold_result(cell, number)
    metrics = {_metric_name(name): value for name, value in result.metrics.items()}
    artifacts = {files.model: "checkpoints", **dict.fromkeys(_fold_figures(cell, result), "figures")}
    return replace(record, metrics=metrics, artifacts=artifacts, finished=True)


def _metric_name(name: str) -> str:
    """Return a closing metric's name on a fold's run: apart from the metrics per epoch, ``train/…`` and ``val/…``."""
    return name.replace("_", "/", 1) if name.startswith("delta_") else f"evaluation/{name}"


def _cell_metrics(result: CellResult) -> dict[str, float]:
    metrics = {name.replace("_", "/", 1): value for name, value in result.mean.items()}
    metrics |= {f"{name.replace('_', '/', 1)}_std": value for name, value in result.std.items()}
    for prefix, scores in (("out_of_fold", result.out_of_fold), ("test", result.test)):
        if scores is not None:
            metrics |= {f"{prefix}/{name}": getattr(scores, name) for name in ("accuracy", "precision", "recall")}
    if result.single_test is not None:
        metrics |= {f"test/single_{name}": value for name, value in result.single_test.items()}
    speed = result.images / result.seconds if result.seconds else 0.0
    return metrics | {"seconds": result.seconds, "train_images_per_second": speed}


def _dataset(cell: Cell) -> DatasetRecord:
    data = cell.config.data
    counts = cell.table["label"].value_counts().to_dict()
    profile = {
        "training scans": len(cell.table),
        "test scans": len(cell.test),
        "packages": int(cell.table["package_id"].nunique()),
        **{f"class {name}": int(counts.get(name, 0)) for name in cell.classes},
    }
    source = "csam_lightning.simulate" if data.root is None else str(Path(data.root).expanduser().absolute())
    name = "simulated" if data.root is None else Path(source).name
    return DatasetRecord(name, cell.fingerprint[:16], source, profile)


def _fold_figures(cell: Cell, fold: FoldResult) -> list[Path]:
    """Return the figures of a finished fold, drawn where they are not there yet."""
    from csam_lightning.evaluation.figures import draw_confusion_matrix, draw_curves

    folder = cell.fold_folder(fold.number).path / "figures"
    curves, matrix = folder / "curves.png", folder / "confusion_matrix.png"
    title = f"{cell.name} · fold {fold.number}"
    if not curves.is_file():
        draw_curves([fold.history], curves, title=title)
    if not matrix.is_file():
        draw_confusion_matrix(fold.validation, cell.classes, matrix, title=title)
    return [curves, matrix]


def _draw_cell(cell: Cell, result: CellResult, folder: Path) -> list[Path]:
    from csam_lightning.evaluation.figures import draw_confusion_matrix, draw_curves

    curves, out_of_fold = folder / "curves.png", folder / "confusion_matrix.png"
    draw_curves([fold.history for fold in result.folds], curves, title=cell.name)
    draw_confusion_matrix(result.out_of_fold, cell.classes, out_of_fold, title=f"{cell.name} · out of fold")
    if result.test is None:
        return [curves, out_of_fold]
    test = folder / "confusion_matrix_test.png"
    draw_confusion_matrix(result.test, cell.classes, test, title=f"{cell.name} · test split, ensemble")
    return [curves, out_of_fold, test]
