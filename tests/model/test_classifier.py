import math
from itertools import pairwise

import lightning as L
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics
from torch.utils.data import DataLoader, TensorDataset

from csam_lightning.model.classifier import ScanClassifier, learning_rate_factor


def classifier(num_classes: int = 4) -> ScanClassifier:
    torch.manual_seed(0)
    return ScanClassifier(
        arch="resnet18",
        weights=None,
        num_classes=num_classes,
        pixel_mean=100.0,
        pixel_std=50.0,
        learning_rate=1e-3,
        weight_decay=0.01,
        warmup_epochs=1,
    )


def loader(codes: list[int]) -> DataLoader[tuple[torch.Tensor, ...]]:
    torch.manual_seed(1)
    images = torch.randint(0, 255, (len(codes), 1, 32, 32), dtype=torch.uint8)
    return DataLoader(TensorDataset(images, torch.tensor(codes)), batch_size=7)


def trainer(epochs: int = 1) -> L.Trainer:
    return L.Trainer(
        max_epochs=epochs,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )


@pytest.mark.parametrize("codes", [[0, 1, 2, 3] * 6, [0, 1, 1, 3, 3, 3, 3, 0] * 3])
def test_validation_metrics_equal_scikit_learn_over_the_whole_set(codes: list[int]) -> None:
    """The second set has no image of class 2, which must count neither as 0 nor as 1."""
    module = classifier()
    [logged] = trainer().validate(module, loader(codes), verbose=False)
    with torch.inference_mode():
        module.eval()
        logits = torch.cat([module(images) for images, _ in loader(codes)])
    predicted = logits.argmax(dim=1).numpy()
    present = np.unique(codes)
    macro = {"labels": present, "average": "macro", "zero_division": 0}
    assert logged["val/accuracy"] == pytest.approx(metrics.accuracy_score(codes, predicted))
    assert logged["val/precision"] == pytest.approx(metrics.precision_score(codes, predicted, **macro))
    assert logged["val/recall"] == pytest.approx(metrics.recall_score(codes, predicted, **macro))
    probabilities = logits.softmax(dim=1).double().numpy()
    assert logged["val/loss"] == pytest.approx(metrics.log_loss(codes, probabilities, labels=range(4)), rel=1e-4)


def test_grey_values_are_standardised() -> None:
    module = classifier().eval()
    images = torch.randint(0, 255, (2, 1, 32, 32), dtype=torch.uint8)
    torch.testing.assert_close(module(images), module.network((images.float() - 100) / 50))


def test_optimiser_is_fused_adamw_whose_rate_rises_and_falls() -> None:
    module = classifier()
    rates: list[float] = []

    class Watch(L.Callback):
        def on_train_batch_start(self, trainer: L.Trainer, *_: object) -> None:
            rates.append(trainer.optimizers[0].param_groups[0]["lr"])

    running = trainer(epochs=3)
    running.callbacks.append(Watch())  # type: ignore[attr-defined]
    running.fit(module, loader([0, 1, 2, 3] * 7))
    optimizer = running.optimizers[0]
    assert isinstance(optimizer, torch.optim.AdamW)
    assert optimizer.defaults["fused"]
    assert len(rates) == 12
    assert rates[:5] == pytest.approx([0.0002, 0.0004, 0.0006, 0.0008, 0.001])
    assert all(later < earlier for earlier, later in pairwise(rates[4:]))
    assert rates[-1] == pytest.approx(0.5e-3 * (1 + math.cos(math.pi * 7 / 8)))


@given(steps=st.integers(1, 500), warmup=st.integers(0, 499))
def test_rate_factor_stays_between_0_and_1_and_peaks_after_warm_up(steps: int, warmup: int) -> None:
    warmup = min(warmup, steps - 1)
    factors = [learning_rate_factor(step, warmup=warmup, steps=steps) for step in range(steps)]
    assert all(0 < factor <= 1 for factor in factors)
    assert factors[warmup] == max(factors) == 1


def test_one_batch_can_be_learnt_by_heart() -> None:
    module = classifier()
    data = loader([0, 1, 2, 3, 0, 1, 2])
    trainer(epochs=25).fit(module, data)
    module.eval()
    images, codes = next(iter(data))
    assert torch.equal(module(images).argmax(dim=1), codes)
