"""A fold whose images stay on the device: on the CPU, which may stand for any, and on a GPU where there is one."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from csam_lightning.config import AugmentConfig, When
from csam_lightning.data.folds import Fold, Images
from csam_lightning.training import fold as fold_module
from csam_lightning.training.fold_files import FoldOutcome
from csam_lightning.training.job import FoldJob
from tests.training.test_fold import numbers, train

MakeJob = Callable[..., FoldJob]

TRAINING, COPIES = np.repeat(np.arange(18), 8), np.tile(np.arange(8), 18)
FOLD = Fold(0, Images(TRAINING, COPIES), np.arange(18), Images(np.arange(18, 24), np.zeros(6, int)))


@pytest.fixture
def resident(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """From the call on, let images stay on the CPU as they would on a GPU."""
    return lambda: monkeypatch.setattr(fold_module, "can_reside", lambda *_: True)


def test_copies_made_once_give_the_references_bits_even_after_a_kill(
    job: MakeJob, resident: Callable[[], None]
) -> None:
    once: dict[str, Any] = {
        "fold": replace(FOLD, training=FOLD.training.take(COPIES < 2)),
        "augment": AugmentConfig(rotation_degrees=20, contrast=0.2, when=When.once),
        "batch_size": 12,
        "trainer": {"max_epochs": 2},
    }
    reference = numbers(train(job("reference", **once)))
    resident()
    train(job("resident", **once), kill_after=1)
    assert numbers(train(job("resident", **once))) == reference


def test_images_changed_anew_teach_as_the_references_do_and_come_again_after_a_kill(
    job: MakeJob, resident: Callable[[], None]
) -> None:
    """The reference reaches all of 6 validation scans too, and 0.99 to 1 of the training images (seeds 0 to 2)."""
    resident()
    settings: dict[str, Any] = {"fold": FOLD, "batch_size": 12, "trainer": {"max_epochs": 2, "warmup_epochs": 0.5}}
    whole = train(job("whole", **settings))
    last = whole.read_history()[-1]
    assert last["val/accuracy"] == 1
    assert last["train/accuracy"] > 0.9
    train(job("broken", **settings), kill_after=1)
    assert numbers(train(job("broken", **settings))) == numbers(whole)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU here")
@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_gpu_gives_the_cpus_numbers_but_for_rounding(
    job: MakeJob, resident: Callable[[], None], precision: str
) -> None:
    """The first epoch is one step: its loss is that of the same images and the same weights, rounded otherwise."""
    settings: dict[str, Any] = {"fold": FOLD, "batch_size": len(TRAINING)}
    gpu = train(job("gpu", **settings, trainer={"accelerator": "gpu", "precision": precision}))
    resident()
    cpu = train(job("cpu", **settings, trainer={"max_epochs": 1}))
    first, last = gpu.read_history()[0], gpu.read_history()[-1]
    assert first["train/loss"] == pytest.approx(cpu.read_history()[0]["train/loss"], rel=0.02)
    assert last["val/loss"] == pytest.approx(FoldOutcome.read(gpu.outcome).val_loss, rel=0.05)
    assert last["train/loss"] < first["train/loss"]
    state = torch.load(gpu.model, weights_only=True)["state_dict"]
    assert {value.device.type for value in state.values()} == {"cpu"}  # so that any machine reads it
