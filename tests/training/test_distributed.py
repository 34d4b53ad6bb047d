"""Two processes on one fold, against one process, scikit-learn and torchvision."""

import multiprocessing
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torchvision
from numpy.typing import NDArray
from sklearn import metrics

from csam_lightning.data.folds import Fold, Images
from csam_lightning.errors import InputError
from csam_lightning.training.distributed import trainer_settings
from csam_lightning.training.events import EpochEnded, Event, FoldEnded
from csam_lightning.training.fold import train_fold
from csam_lightning.training.fold_files import FoldFolder
from csam_lightning.training.job import FoldJob, Rank
from csam_lightning.training.pool import FoldsFailedError, train_folds
from tests.training.test_fold import Killed, numbers

MakeJob = Callable[..., FoldJob]


def stop(_: EpochEnded) -> None:
    raise Killed


def odd(job: MakeJob, folder: str, **trainer: Any) -> FoldJob:
    """Return a job of 5 training images in steps of up to 6, and 7 validation scans."""
    training, held_out = np.arange(5), np.arange(5, 12)
    fold = Fold(0, Images(training, 0 * training), training, Images(held_out, 0 * held_out))
    # With seed 0 rounding puts an activation on the other side of a ReLU, which changes a few gradients by a hundredth.
    return job(folder, fold=fold, batch_size=6, trainer=trainer, seed=1)


def after_one_step(job: FoldJob, rank: Rank) -> tuple[dict[str, Any], dict[str, float]]:
    """Return the checkpoint after the first epoch, which is one step, and what was told of it."""
    with pytest.raises(Killed):
        train_fold(job, stop, rank)
    folder = FoldFolder(job.folder)
    return torch.load(folder.resume, weights_only=True), folder.read_history()[0]


def probabilities(
    state: dict[str, torch.Tensor], pixels: NDArray[np.uint8], *, seen: NDArray[np.uint8]
) -> NDArray[np.float64]:
    """Return probabilities by torchvision's own network, on standardised grey values."""
    network = torchvision.models.resnet18(num_classes=3)
    network.conv1 = torch.nn.Conv2d(1, 64, 7, 2, 3, bias=False)
    network.load_state_dict({name.removeprefix("network."): value for name, value in state.items()})
    standardised = torch.from_numpy((pixels - seen.mean()) / seen.std()).float().unsqueeze(1)
    with torch.inference_mode():
        shares: NDArray[np.float64] = network.eval()(standardised).double().softmax(dim=1).numpy()
    return shares


def test_step_of_two_devices_is_that_of_one_and_is_judged_on_the_whole_set(job: MakeJob) -> None:
    """The devices hold 3 and 2 training images, 4 and 3 validation scans."""
    alone, told_alone = after_one_step(odd(job, "alone"), Rank())
    shared = odd(job, "shared", devices=2)
    meeting = shared.folder / ".meeting"
    other = multiprocessing.get_context("spawn").Process(target=train_fold, args=(shared, stop, Rank(1, 2, meeting)))
    other.start()
    try:
        together, told = after_one_step(shared, Rank(0, 2, meeting))
    finally:
        other.kill()
        other.join()
    moments = [checkpoint["optimizer_states"][0]["state"].values() for checkpoint in (alone, together)]
    for one, two in zip(*moments, strict=True):  # after one step the first moment is a tenth of the gradient
        gradient, largest = one["exp_avg"], float(one["exp_avg"].abs().max())
        torch.testing.assert_close(two["exp_avg"], gradient, rtol=0, atol=1e-3 * largest)
    for name, value in alone["state_dict"].items():
        if "running" in name:
            torch.testing.assert_close(together["state_dict"][name], value, rtol=1e-4, atol=1e-5)
    for name in ("train/loss", "train/accuracy"):
        assert told[name] == pytest.approx(told_alone[name], rel=1e-5)

    codes, pixels = shared.codes[5:12], np.load(shared.pixels)
    judged = probabilities(together["state_dict"], pixels[5:12], seen=pixels[:5])
    predicted = judged.argmax(axis=1)
    macro = {"average": "macro", "zero_division": 0}
    assert told["val/loss"] == pytest.approx(metrics.log_loss(codes, judged), rel=1e-4)
    assert told["val/accuracy"] == pytest.approx(metrics.accuracy_score(codes, predicted))
    assert told["val/precision"] == pytest.approx(metrics.precision_score(codes, predicted, **macro))
    assert told["val/recall"] == pytest.approx(metrics.recall_score(codes, predicted, **macro))


def test_fold_whose_rank_died_has_failed_and_is_taken_up_to_the_same_bits(job: MakeJob) -> None:
    events: list[Event] = []

    def watch(event: Event | None) -> None:
        if event is None:
            return
        if isinstance(event, EpochEnded) and event.epoch == 2 and FoldEnded(0) in events:
            multiprocessing.active_children()[1].kill()
        events.append(event)

    whole, broken = (odd(job, name, devices=2, max_epochs=6) for name in ("whole", "broken"))
    with pytest.raises(FoldsFailedError, match=r"^fold 0: its process was killed, [^\n]*$"):
        train_folds([whole, broken], processes=1, watch=watch)
    assert not multiprocessing.active_children()
    assert [event.epoch for event in events if isinstance(event, EpochEnded)][:8] == [1, 2, 3, 4, 5, 6, 1, 2]
    assert not FoldFolder(broken.folder).finished
    train_folds([broken], processes=1, watch=lambda _: None)
    assert numbers(FoldFolder(broken.folder)) == numbers(FoldFolder(whole.folder))
    assert {file.name for file in broken.folder.iterdir()} == {file.name for file in whole.folder.iterdir()}


def test_folds_of_one_device_each_are_dealt_out_over_the_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    assert trainer_settings(Rank(place=4), "auto")["devices"] == 1
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 3)
    dealt = [trainer_settings(Rank(place=place), "gpu")["devices"] for place in range(5)]
    assert dealt == [[0], [1], [2], [0], [1]]
    assert trainer_settings(Rank(place=4), "cpu")["devices"] == 1


def test_more_devices_than_images_are_an_error(job: MakeJob) -> None:
    with pytest.raises(
        InputError, match=r"^trainer.devices: 6 devices cannot share the 5 training images of fold 0; give at most 5$"
    ):
        train_fold(odd(job, "many"), stop, Rank(0, 6))
