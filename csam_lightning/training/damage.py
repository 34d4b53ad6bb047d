"""Which files of a finished fold are damaged, found before anything relies on them; free of torch."""

import json
import logging
import zlib
from collections.abc import Callable
from pathlib import Path

from csam_lightning.files import sync_folder, zip_is_whole
from csam_lightning.state import peek_state, read_state
from csam_lightning.training.fold_files import FoldFolder, FoldOutcome, FoldPredictions, read_history, write_history
from csam_lightning.training.job import FoldJob

EPOCH_METRICS = {"train/loss", "train/accuracy", "val/loss", "val/accuracy", "seconds", "ended"}
"""What is known of each epoch, at least."""

log = logging.getLogger(__name__)


def check_fold(job: FoldJob) -> bool:
    """Return whether a fold is finished and its files are whole.

    What is damaged is set aside. A finished fold that lacks a file is not finished any more:
    :func:`csam_lightning.training.fold.train_fold` makes it again from the last checkpoint that is whole.

    Args:
        job: The fold; no other process may train it.
    """
    folder = FoldFolder(job.folder)
    if not folder.finished:
        read_state(folder.history, read_history)
        if folder.best.is_file() and not peek_state(folder.best, zip_is_whole):
            log.warning("%s is damaged: fold %s is trained from its start", folder.best, job.fold.number)
            folder.drop_unfinished()
        return False
    outcome = read_state(folder.outcome, FoldOutcome.read)
    if outcome is None:
        _lost(job, folder, {})
        return False
    if outcome.history and json.dumps(peek_state(folder.history, read_history)) != json.dumps(outcome.history):
        log.warning("%s is damaged: written again, as %s has it", folder.history, folder.outcome.name)
        write_history(outcome.history, folder.history)
    lost = _lost(job, folder, outcome.checksums)
    if lost:
        folder.outcome.unlink()
        sync_folder(folder.path)
    else:
        folder.drop_unfinished()
    return not lost


def _lost(job: FoldJob, folder: FoldFolder, checksums: dict[str, int]) -> list[Path]:
    """Return the files that a finished fold lacks; those that are damaged are set aside."""
    readers = {folder.history: _history_of(job), folder.predictions: _predictions_of(job), folder.model: _check_zip}
    if folder.novelty.is_file() or folder.novelty.name in checksums:  # older folds have none
        readers[folder.novelty] = _check_zip
    for file in readers:
        if not file.exists():
            log.warning("%s is gone: fold %s is not finished any more", file, job.fold.number)
    return [file for file, read in readers.items() if read_state(file, _checked(read, checksums)) is None]


def checksums_of(*files: Path) -> dict[str, int]:
    """Return the CRC-32 of each file that is there, by name."""
    return {file.name: zlib.crc32(file.read_bytes()) for file in files if file.is_file()}


def _checked(read: Callable[[Path], object], checksums: dict[str, int]) -> Callable[[Path], bool]:
    """Return what raises where ``read`` does, and where the file has another checksum than it was written with."""

    def checked(path: Path) -> bool:
        if path.name in checksums and checksums_of(path) != {path.name: checksums[path.name]}:
            path.stat()  # raises where it is missing
            raise ValueError("its checksum does not fit")
        read(path)
        return True

    return checked


def _history_of(job: FoldJob) -> Callable[[Path], None]:
    def check(path: Path) -> None:
        history = read_history(path)
        if len(history) != job.trainer.max_epochs or any(not past.keys() >= EPOCH_METRICS for past in history):
            raise ValueError(f"it does not hold {job.trainer.max_epochs} epochs")

    return check


def _predictions_of(job: FoldJob) -> Callable[[Path], None]:
    expected = ((len(job.fold.validation), job.num_classes), (len(job.test_rows), job.num_classes))

    def check(path: Path) -> None:
        predictions = FoldPredictions.read(path)
        if (predictions.validation.shape, predictions.test.shape) != expected:
            raise ValueError("it does not hold the predictions of this fold")

    return check


def _check_zip(path: Path) -> None:
    if not zip_is_whole(path):
        raise ValueError("its checksums do not fit")
