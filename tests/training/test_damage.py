"""What is damaged of a fold is found before anything relies on it; the files are made by hand, nothing is trained."""

import json
import zipfile
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from csam_lightning.training.damage import EPOCH_METRICS, check_fold, checksums_of
from csam_lightning.training.fold_files import (
    FoldFolder,
    FoldOutcome,
    FoldPredictions,
    former,
    read_history,
    write_history,
)
from csam_lightning.training.job import FoldJob

MakeJob = Callable[..., FoldJob]

HISTORY = [dict.fromkeys(sorted(EPOCH_METRICS), 0.5 * epoch) for epoch in range(3)]


@pytest.fixture
def made(job: MakeJob) -> FoldJob:
    return job()


@pytest.fixture
def folder(made: FoldJob) -> FoldFolder:
    """A finished fold."""
    files = FoldFolder(made.folder)
    write_history(HISTORY, files.history)
    FoldPredictions(np.full((6, 3), 1 / 3, np.float32), np.full((4, 3), 1 / 3, np.float32)).write(files.predictions)
    np.savez(files.novelty, mean=np.zeros(4, np.float32))
    with zipfile.ZipFile(files.model, "w") as parts:
        parts.writestr("weights", bytes(range(200)))
    FoldOutcome(0.5, 0.7, 0.8, 3, 54, 1.5, HISTORY, checksums_of(files.predictions, files.novelty)).write(files.outcome)
    return files


def test_whole_fold_is_finished_and_needs_no_checkpoint_any_more(
    made: FoldJob, folder: FoldFolder, caplog: pytest.LogCaptureFixture
) -> None:
    for file in (folder.resume, former(folder.resume), folder.best):
        file.write_bytes(b"left by a kill")
    assert check_fold(made)
    assert {file.name for file in folder.path.iterdir()} == {
        *("history.json", "predictions.npz", "novelty.npz", "model.ckpt", "outcome.json")
    }
    assert caplog.messages == []


@pytest.mark.parametrize("change", [lambda _: b"", lambda whole: whole[:90], lambda _: b"\0" * 90])
@pytest.mark.parametrize("name", ["predictions.npz", "novelty.npz", "model.ckpt", "outcome.json"])
def test_damaged_file_is_set_aside_in_one_line_and_the_fold_is_not_finished(
    made: FoldJob,
    folder: FoldFolder,
    caplog: pytest.LogCaptureFixture,
    name: str,
    change: Callable[[bytes], bytes],
) -> None:
    file = folder.path / name
    file.write_bytes(change(file.read_bytes()))
    assert not check_fold(made)
    assert not folder.finished
    assert file.with_name(f"{name}.damaged-1").is_file()
    assert len(caplog.messages) == 1
    assert caplog.messages[0].startswith(f"{file} is damaged (")


@pytest.mark.parametrize("name", ["predictions.npz", "novelty.npz", "model.ckpt"])
def test_one_bit_or_a_missing_file_is_noticed(
    made: FoldJob, folder: FoldFolder, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    file, outcome = folder.path / name, folder.outcome.read_bytes()
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 4
    file.write_bytes(content)
    assert not check_fold(made)
    folder.outcome.write_bytes(outcome)
    assert not check_fold(made)
    assert caplog.messages[1:] == [f"{file} is gone: fold 0 is not finished any more"]


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", json.dumps(HISTORY[:2]), json.dumps(HISTORY).replace("0.5", "0.4")]
)
def test_damaged_history_is_written_again(
    made: FoldJob, folder: FoldFolder, caplog: pytest.LogCaptureFixture, content: str
) -> None:
    folder.history.write_text(content)
    assert check_fold(made)
    assert read_history(folder.history) == HISTORY
    assert caplog.messages == [f"{folder.history} is damaged: written again, as outcome.json has it"]


def test_training_that_ran_away_is_no_damage(
    made: FoldJob, folder: FoldFolder, caplog: pytest.LogCaptureFixture
) -> None:
    lost = [{**past, "train/loss": float("nan")} for past in HISTORY]
    write_history(lost, folder.history)
    replace(FoldOutcome.read(folder.outcome), history=lost, train_loss=float("nan")).write(folder.outcome)
    assert check_fold(made)
    assert caplog.messages == []


def test_fold_of_an_older_version_is_finished(made: FoldJob, folder: FoldFolder) -> None:
    outcome = json.loads(folder.outcome.read_text())
    for name in ("history", "checksums", "checksum"):
        outcome.pop(name)
    folder.outcome.write_text(json.dumps(outcome))
    folder.novelty.unlink()
    assert check_fold(made)
    folder.history.write_text(json.dumps(HISTORY[:2]))
    assert not check_fold(made)


def test_predictions_of_other_scans_are_damage(made: FoldJob, folder: FoldFolder) -> None:
    FoldPredictions(np.ones((5, 3), np.float32), np.ones((4, 3), np.float32)).write(folder.predictions)
    replace(FoldOutcome.read(folder.outcome), checksums={}).write(folder.outcome)
    assert not check_fold(made)


def test_unfinished_fold_with_a_damaged_best_epoch_keeps_no_checkpoint(
    made: FoldJob, folder: FoldFolder, caplog: pytest.LogCaptureFixture
) -> None:
    folder.outcome.unlink()
    for file in (folder.resume, folder.best):
        file.write_bytes(b"")
    assert not check_fold(made)
    assert not folder.resume.exists()
    assert caplog.messages == [f"{folder.best} is damaged: fold 0 is trained from its start"]
