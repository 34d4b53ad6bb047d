"""Pieces of an epoch of the product, by themselves, made of the product's own classes."""

from pathlib import Path

import numpy as np
import torch

from csam_lightning.data.augment import Augmentation, AugmentationPlan
from csam_lightning.data.datamodule import FoldDataModule, LabelledScans
from csam_lightning.model.resnet import build_resnet
from csam_lightning.training.checkpoints import write_checkpoint
from csam_lightning.training.job import FoldJob


class Parts:
    """Input and checkpoint of the fold ``job``."""

    def __init__(self, job: FoldJob) -> None:
        """Make the loader, and a state as large as that of a training network and its optimiser."""
        augmentation = Augmentation(rotation_degrees=job.augment.rotation_degrees, contrast=job.augment.contrast)
        data = FoldDataModule(
            LabelledScans(np.load(job.pixels, mmap_mode="r"), job.train_rows, job.codes),
            job.fold,
            AugmentationPlan(augmentation, job.augment.when.value, job.seed, job.fold.number),
            batch_size=job.batch_size,
            seed=job.seed,
        )
        self._loader = data.train_dataloader()
        weights = build_resnet("resnet18", num_classes=job.num_classes, weights=None).state_dict()
        self._state = {name: {key: torch.clone(value) for key, value in weights.items()} for name in ("w", "m", "v")}
        self._file = Path(job.folder) / "parts.ckpt"

    def load(self) -> None:
        """Make all batches of an epoch."""
        for _ in self._loader:
            pass

    def save(self) -> None:
        """Write a checkpoint: weights, and the optimiser's two moments."""
        write_checkpoint(self._state, self._file)
