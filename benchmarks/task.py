"""The work that is timed: one fold of random pixels, since what a convolution costs does not depend on them."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from csam_lightning.config import Arch, AugmentConfig, ModelConfig, Select, Strategy, TrainerConfig, When
from csam_lightning.data.folds import Fold, Images
from csam_lightning.training.job import FoldJob

CLASSES = 4


@dataclass(frozen=True)
class Task:
    """Size of the work.

    Attributes:
        image_size: Pixels of a side.
        batch_size: Images per step.
        images: Training images per epoch, a multiple of ``batch_size``.
        precision: As ``trainer.precision``.
        accelerator: As ``trainer.accelerator``.
        threads: CPU threads of the fold.
        cuda_graphs: As ``trainer.cuda_graphs``.
        arch: As ``model.arch``.
    """

    image_size: int
    batch_size: int
    images: int
    precision: str = "32-true"
    accelerator: str = "cpu"
    threads: int = 1
    cuda_graphs: bool = False
    arch: Arch = Arch.resnet18

    @property
    def name(self) -> str:
        """How tables call it."""
        return f"{self.image_size} px, batch {self.batch_size}, {self.precision}"

    @property
    def validation_scans(self) -> int:
        """How many scans validate: a fifth of ``images``."""
        return max(1, self.images // 5)


SIZES = {"100px": Task(100, 8, 672), "50px": Task(50, 64, 1344), "350px": Task(350, 4, 56)}
"""A fold of the default cell, and the ends of the published grid with so many images that an epoch takes as long."""


def fold_job(task: Task, folder: Path, *, epochs: int) -> FoldJob:
    """Return the fold, its pixels written to ``folder``."""
    validation = task.validation_scans
    side = task.image_size
    pixels = np.random.default_rng(0).integers(0, 256, (task.images + validation, side, side), dtype=np.uint8)
    np.save(folder / "pixels.npy", pixels)
    rows = np.arange(len(pixels))
    training, held_out = rows[: task.images], rows[task.images :]
    return FoldJob(
        fold=Fold(0, Images(training, np.zeros_like(training)), training, Images(held_out, np.zeros_like(held_out))),
        folder=folder / "fold",
        pixels=folder / "pixels.npy",
        train_rows=rows,
        test_rows=rows[:0],
        codes=rows % CLASSES,
        num_classes=CLASSES,
        copies_frozen=False,
        batch_size=task.batch_size,
        seed=0,
        augment=AugmentConfig(rotation_degrees=180, contrast=0.2, when=When.epoch),
        model=ModelConfig(task.arch, None),
        trainer=TrainerConfig(
            max_epochs=epochs,
            learning_rate=1e-3,
            weight_decay=0.05,
            warmup_epochs=1,
            select=Select.last,
            accelerator=task.accelerator,
            devices=1,
            strategy=Strategy.auto,
            precision=task.precision,
            cuda_graphs=task.cuda_graphs,
            threads_per_fold=task.threads,
            processes=1,
        ),
    )
