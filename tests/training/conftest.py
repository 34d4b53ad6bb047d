from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from csam_lightning.config import Arch, AugmentConfig, ModelConfig, Select, Strategy, TrainerConfig, When
from csam_lightning.data.folds import Fold, Images
from csam_lightning.training.job import FoldJob

TRAINER = TrainerConfig(
    max_epochs=3,
    learning_rate=1e-3,
    weight_decay=0.01,
    warmup_epochs=1,
    select=Select.last,
    accelerator="cpu",
    devices=1,
    strategy=Strategy.auto,
    precision="32-true",
    cuda_graphs=False,
    threads_per_fold=1,
    processes=1,
)


@pytest.fixture
def job(tmp_path: Path) -> Callable[..., FoldJob]:
    """Make a tiny fold to train: 18 images of three classes, 6 validation scans, 4 test scans."""
    rng = np.random.default_rng(0)
    codes = np.arange(24) % 3
    pixels = rng.integers(0, 120, (28, 32, 32), dtype=np.uint8)
    for scan in range(28):
        pixels[scan, 10 * (scan % 3) :][:10] += 100
    array = tmp_path / "pixels.npy"
    np.save(array, pixels)

    def make(folder: str = "fold", number: int = 0, trainer: dict[str, Any] | None = None, **changes: Any) -> FoldJob:
        scans = np.arange(18)
        settings: dict[str, Any] = {
            "fold": Fold(
                number, Images(scans, np.zeros_like(scans)), scans, Images(np.arange(18, 24), np.zeros(6, int))
            ),
            "folder": tmp_path / folder,
            "pixels": array,
            "train_rows": np.arange(24),
            "test_rows": np.arange(24, 28),
            "codes": codes,
            "num_classes": 3,
            "copies_frozen": False,
            "batch_size": 4,
            "seed": 0,
            "augment": AugmentConfig(rotation_degrees=20, contrast=0.2, when=When.epoch),
            "model": ModelConfig(arch=Arch.resnet18, weights=None),
            "trainer": TrainerConfig(**{**TRAINER.__dict__, **(trainer or {})}),
        }
        return FoldJob(**{**settings, **changes})

    return make
