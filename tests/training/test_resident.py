"""A fold whose images stay on the device: on the CPU, which may stand for any, and on a GPU where there is one."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from csam_lightning.config import AugmentConfig, When
from csam_lightning.data.folds import Fold, Images
from csam_lightning.training import fold as fold_module
from csam_lightning.training.job import FoldJob
from tests.training.test_fold import numbers, train

MakeJob = Callable[..., FoldJob]

BALANCED = Fold(
    0, Images(np.repeat(np.arange(9), 2), np.tile([0, 1], 9)), np.arange(9), Images(np.arange(18, 24), np.zeros(6, int))
)


@pytest.fixture
def resident(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let images stay on the CPU as they would on a GPU."""
    monkeypatch.setattr(fold_module, "can_reside", lambda *_: True)


def test_copies_made_once_give_the_bits_of_the_reference(job: MakeJob, monkeypatch: pytest.MonkeyPatch) -> None:
    once: dict[str, Any] = {
        "fold": BALANCED,
        "augment": AugmentConfig(rotation_degrees=20, contrast=0.2, when=When.once),
        "trainer": {"max_epochs": 2},
    }
    reference = numbers(train(job("reference", **once)))
    monkeypatch.setattr(fold_module, "can_reside", lambda *_: True)
    assert numbers(train(job("resident", **once))) == reference


@pytest.mark.usefixtures("resident")
def test_fold_taken_up_after_a_kill_gives_the_bits_of_an_undisturbed_one(job: MakeJob) -> None:
    whole = numbers(train(job("whole", trainer={"max_epochs": 2})))
    broken = job("broken", trainer={"max_epochs": 2})
    train(broken, kill_after=1)
    assert numbers(train(broken)) == whole
