"""One run of a cell: train what is not trained, sum up, and keep MLflow informed."""

from collections.abc import Callable, Mapping
from pathlib import Path

from csam_lightning.cells.cell import Cell
from csam_lightning.cells.display import fold_progress
from csam_lightning.cells.locks import cell_locked, set_aside
from csam_lightning.cells.mirror import Mirror
from csam_lightning.cells.output import copy_results, write_results
from csam_lightning.cells.record import Recorder
from csam_lightning.cells.result import CellResult, RunIds, sum_up
from csam_lightning.tracking.environment import code_tags, describe_environment
from csam_lightning.tracking.publisher import Publisher
from csam_lightning.training.damage import check_fold
from csam_lightning.training.events import Event
from csam_lightning.training.pool import train_folds


def run_cell(
    cell: Cell, folder: Path, *, publish_with: Callable[[], Publisher], params: Mapping[str, str], config_text: str
) -> CellResult:
    """Run ``cell``, write its results to ``folder`` and send its runs to MLflow.

    Where another process works on the same cell, wait for it and take its folds. MLflow's run of a cell tells of all
    folds finished so far; the results in ``folder``, of those that this run asks for.

    Args:
        cell: The cell; finished folds are taken up, not trained again.
        folder: The run's folder, see :func:`csam_lightning.cells.output.write_results`.
        publish_with: Makes what sends the cell's runs to MLflow, once no other process holds the cell.
        params: The flattened configuration, for MLflow.
        config_text: The configuration as YAML.

    Raises:
        InputError: A fold found something that is the user's to mend.
        FoldsFailedError: A fold failed.
    """
    recorder = Recorder(cell, params, code_tags())
    texts = {"config.yaml": config_text, "environment.txt": describe_environment()}
    with cell_locked(cell.folder):
        if cell.config.force:
            set_aside(cell.folder)
        for fold in cell.folds:
            check_fold(cell.job(fold))
        publisher = publish_with()
        mirror = Mirror(publisher, recorder)
        try:
            with mirror:
                _train(cell, mirror)
        except BaseException as error:
            mirror.end("FAILED" if isinstance(error, Exception) else "KILLED")
            raise
        publisher.publish(recorder.record())
        return _finish(cell, publisher, folder, recorder, texts)


def _train(cell: Cell, mirror: Mirror) -> None:
    epochs = cell.config.trainer.max_epochs
    done = {fold.number: len(cell.fold_folder(fold.number).read_history()) for fold in cell.chosen_folds}
    with fold_progress(cell.name, epochs=epochs, done=done) as show:

        def watch(event: Event | None) -> None:
            show(event)
            if event is not None:
                mirror.refresh()

        jobs = [cell.job(cell.folds[number]) for number in cell.unfinished_numbers]
        train_folds(jobs, processes=cell.config.trainer.processes or 1, watch=watch)


def _finish(cell: Cell, publisher: Publisher, folder: Path, recorder: Recorder, texts: Mapping[str, str]) -> CellResult:
    runs = RunIds(publisher.run_id, publisher.fold_run_ids)
    whole = sum_up(cell, cell.finished_folds)
    kept = write_results(cell, whole, (cell.folder / "results").absolute(), texts=texts, runs=runs)
    publisher.publish(recorder.finished_record(whole, kept))
    if len(whole.folds) == len(cell.chosen_folds):
        copy_results(kept, folder)
        return whole
    result = sum_up(cell, cell.chosen_folds)
    write_results(cell, result, folder, texts=texts, runs=runs)
    return result
