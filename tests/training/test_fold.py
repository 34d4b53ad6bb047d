import dataclasses
import json
import os
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from sklearn import metrics

from csam_lightning.config import Select
from csam_lightning.errors import InputError
from csam_lightning.model.novelty import NoveltyStatistics
from csam_lightning.training.damage import check_fold
from csam_lightning.training.fold import train_fold
from csam_lightning.training.fold_files import FoldFolder, FoldOutcome, FoldPredictions
from csam_lightning.training.job import FoldJob

MakeJob = Callable[..., FoldJob]


class Killed(BaseException):
    """Stands for a process that ends where it is."""


def train(job: FoldJob, *, kill_after: int | None = None) -> FoldFolder:
    def tell(event: Any) -> None:
        if event.epoch == kill_after:
            raise Killed

    if kill_after is None:
        train_fold(job, tell)
    else:
        with pytest.raises(Killed):
            train_fold(job, tell)
    return FoldFolder(job.folder)


def numbers(folder: FoldFolder) -> tuple[Any, ...]:
    """All that a fold leaves, but for times."""
    predictions = FoldPredictions.read(folder.predictions)
    state = torch.load(folder.model, weights_only=True)["state_dict"]
    history = [{name: value for name, value in past.items() if "/" in name} for past in folder.read_history()]
    outcome = dataclasses.replace(FoldOutcome.read(folder.outcome), seconds=0, history=[])
    novelty = vars(NoveltyStatistics.read(folder.novelty)).values()
    arrays = [predictions.validation, predictions.test, *novelty, *(value.numpy() for value in state.values())]
    return history, outcome, [array.tobytes() for array in arrays]


def test_finished_fold_leaves_its_files_and_nothing_else(job: MakeJob) -> None:
    folder = train(job())
    assert folder.finished
    names = {file.name for file in folder.path.iterdir()}
    assert names == {"model.ckpt", "history.json", "predictions.npz", "novelty.npz", "outcome.json"}
    assert len(folder.read_history()) == 3
    predictions = FoldPredictions.read(folder.predictions)
    assert predictions.validation.shape == (6, 3)
    assert predictions.test.shape == (4, 3)
    np.testing.assert_allclose(predictions.validation.sum(axis=1), 1, rtol=1e-5)


def test_outcome_agrees_with_the_last_epoch_and_scikit_learn(job: MakeJob) -> None:
    made = job()
    folder = train(made)
    outcome, last = FoldOutcome.read(folder.outcome), folder.read_history()[-1]
    probabilities = FoldPredictions.read(folder.predictions).validation
    codes = made.codes[18:24]
    assert outcome.val_loss == pytest.approx(metrics.log_loss(codes, probabilities.astype(float), labels=[0, 1, 2]))
    assert last["val/loss"] == pytest.approx(outcome.val_loss, rel=1e-4)
    assert last["val/accuracy"] == pytest.approx((probabilities.argmax(axis=1) == codes).mean())
    assert outcome.images == 3 * 18


def test_equal_jobs_give_equal_bits(job: MakeJob) -> None:
    assert numbers(train(job("one"))) == numbers(train(job("two")))


def test_other_seeds_and_folds_give_other_numbers(job: MakeJob) -> None:
    first = numbers(train(job("one")))
    assert first != numbers(train(job("two", seed=1)))
    assert first != numbers(train(job("three", number=1)))


@pytest.mark.parametrize("epoch", [1, 2, 3])
@pytest.mark.parametrize("select", list(Select))
def test_fold_taken_up_after_a_kill_gives_the_bits_of_an_undisturbed_one(
    job: MakeJob, epoch: int, select: Select
) -> None:
    whole = numbers(train(job("whole", trainer={"select": select})))
    broken = job("broken", trainer={"select": select})
    folder = train(broken, kill_after=epoch)
    assert not folder.finished
    assert len(folder.read_history()) == epoch
    (folder.path / ".resume-halfwritten.ckpt").write_bytes(b"half")
    assert numbers(train(broken)) == whole
    assert not list(folder.path.glob(".*"))


def test_fold_whose_last_checkpoint_is_damaged_goes_on_from_the_one_before(job: MakeJob) -> None:
    whole = numbers(train(job("whole")))
    broken = job("broken")
    folder = train(broken, kill_after=2)
    os.truncate(folder.resume, folder.resume.stat().st_size // 2)
    epochs: list[int] = []
    train_fold(broken, lambda event: epochs.append(event.epoch))
    assert epochs == [2, 3]
    assert numbers(folder) == whole


def test_damaged_best_epoch_has_the_fold_trained_from_its_start(job: MakeJob, caplog: pytest.LogCaptureFixture) -> None:
    best = {"select": Select.best, "learning_rate": 0.005}
    whole = train(job("whole", trainer=best))
    made = job(trainer=best)
    folder = train(made, kill_after=3)
    os.truncate(folder.best, folder.best.stat().st_size - 1)
    assert not check_fold(made)
    assert caplog.messages == [f"{folder.best} is damaged: fold 0 is trained from its start"]
    assert numbers(train(made)) == numbers(whole)


def test_best_epoch_is_the_one_with_the_least_validation_loss(job: MakeJob) -> None:
    folder = train(job(trainer={"select": Select.best, "learning_rate": 0.005, "max_epochs": 5}))
    losses = [past["val/loss"] for past in folder.read_history()]
    outcome = FoldOutcome.read(folder.outcome)
    assert outcome.epoch == int(np.argmin(losses)) + 1
    assert outcome.val_loss == pytest.approx(min(losses), rel=1e-4)


def test_checkpoint_loads_without_pickle_and_says_how_to_rebuild_the_network(job: MakeJob) -> None:
    loaded = torch.load(train(job()).model, weights_only=True)
    assert loaded["hyper_parameters"]["arch"] == "resnet18"
    assert loaded["hyper_parameters"]["num_classes"] == 3
    assert loaded["hyper_parameters"]["epoch"] == 3


def test_bf16_trains_too(job: MakeJob) -> None:
    assert train(job(trainer={"precision": "bf16-mixed", "max_epochs": 1})).finished


@pytest.mark.parametrize("accelerator", ["tpu", "abacus"])
def test_accelerator_that_is_not_there_is_an_error(job: MakeJob, accelerator: str) -> None:
    with pytest.raises(InputError, match=rf"^trainer.accelerator={accelerator}: .*; give auto, cpu, or the kind of"):
        train(job(trainer={"accelerator": accelerator}))


def test_features_of_many_images_are_kept_of_a_part(job: MakeJob, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = train(job())
    monkeypatch.setattr("csam_lightning.training.fold.MOST_FEATURES", 3)
    part = train(job("part"))
    of_six, of_three = (NoveltyStatistics.read(folder.novelty) for folder in (whole, part))
    assert (len(of_six.held_out), len(of_three.held_out)) == (6, 3)
    assert not np.array_equal(of_six.mean, of_three.mean)
    assert whole.model.read_bytes() == part.model.read_bytes()


def test_fold_without_a_test_split_predicts_none(job: MakeJob) -> None:
    folder = train(job(test_rows=np.array([], dtype=np.int64), trainer={"max_epochs": 1}))
    assert FoldPredictions.read(folder.predictions).test.shape == (0, 3)


def test_fold_killed_between_its_last_checkpoint_and_its_history_is_whole_when_taken_up(job: MakeJob) -> None:
    whole = train(job("whole"))
    folder = train(job("cut"), kill_after=3)
    folder.history.write_text(json.dumps(folder.read_history()[:2]))
    assert numbers(train(job("cut"))) == numbers(whole)
