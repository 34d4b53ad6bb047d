"""Pieces of an epoch of the product, by themselves, made of the product's own classes."""

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch

from benchmarks.observer import CommandFailedError
from csam_lightning.data.augment import Augmentation, AugmentationPlan
from csam_lightning.data.datamodule import FoldDataModule, LabelledScans, evaluation_batch
from csam_lightning.data.resident import ResidentDataModule
from csam_lightning.model.classifier import ScanClassifier
from csam_lightning.tracking.publisher import Publisher
from csam_lightning.tracking.record import CellRecord, DatasetRecord, FoldRecord
from csam_lightning.training.checkpoints import CheckpointWriter

if TYPE_CHECKING:
    from collections.abc import Iterable

    from torch import Tensor

    from csam_lightning.training.job import FoldJob


class Parts:
    """Input, augmentation, metrics, logging and checkpoint of a fold.

    Args:
        job: The fold.
        device: What trains it: its memory holds the images if it is a GPU, as in the product.
    """

    def __init__(self, job: "FoldJob", device: torch.device) -> None:
        """Make loaders, metrics, a store, and a state as large as that of a training network and its optimiser."""
        self._device = device
        augmentation = Augmentation(rotation_degrees=job.augment.rotation_degrees, contrast=job.augment.contrast)
        plan = AugmentationPlan(augmentation, "epoch", job.seed, job.fold.number)
        self._augmented, self._plain = (_loader(job, each, device) for each in (plan, replace(plan, when="once")))
        self._model = ScanClassifier(
            arch=job.model.arch.value,
            weights=None,
            num_classes=job.num_classes,
            pixel_mean=127.5,
            pixel_std=74,
            learning_rate=job.trainer.learning_rate,
            weight_decay=job.trainer.weight_decay,
            warmup_epochs=job.trainer.warmup_epochs,
        ).to(device)
        side = np.load(job.pixels, mmap_mode="r", allow_pickle=False).shape[-1]
        self._training = self._logits(job, job.fold.training.scan, job.batch_size)
        self._validation = self._logits(job, job.fold.validation.scans, evaluation_batch(side))
        weights = self._model.network.state_dict()
        self._state = {name: {key: torch.clone(value) for key, value in weights.items()} for name in ("w", "m", "v")}
        scratch = job.folder.parent.absolute()
        self._writer, self._file = CheckpointWriter(), scratch / "parts.ckpt"
        self._history: list[dict[str, float]] = []
        self._publisher = Publisher(scratch / "parts", uri=f"sqlite:///{scratch}/mlflow.db", experiment="parts")

    def _logits(self, job: "FoldJob", scans: "np.typing.NDArray[np.int64]", size: int) -> "list[tuple[Tensor, Tensor]]":
        codes = torch.from_numpy(job.codes[scans]).to(self._device)
        return [
            (torch.randn(len(part), job.num_classes, device=self._device), part) for part in torch.split(codes, size)
        ]

    def load(self) -> None:
        """Make all batches of an epoch."""
        self._drain(self._augmented)

    def read(self) -> None:
        """Make them without augmentation."""
        self._drain(self._plain)

    def measure(self) -> None:
        """Keep an epoch's losses and metrics, of training steps and of validation, and compute them at its end."""
        model = self._model
        for logits, codes in self._training:
            model.train_loss.update(logits[0, 0], len(codes))
            model.train_accuracy.update((logits.argmax(dim=1) == codes).float().mean(), len(codes))
        for logits, codes in self._validation:
            model.val_loss.update(logits[0, 0], len(codes))
            model.val_metrics.update(logits, codes)
        for metric in (model.train_loss, model.train_accuracy, model.val_loss, model.val_metrics):
            metric.compute()
            metric.reset()

    def log(self, metrics: dict[str, float]) -> None:
        """Send an epoch's metrics to MLflow, as the process does that watches the folds."""
        self._history.append(metrics)
        data = DatasetRecord("noise", "0", "benchmarks", {})
        if not self._publisher.publish(CellRecord("parts", {}, {}, data, [FoldRecord(0, self._history)])):
            raise CommandFailedError("MLflow could not be told")  # its warning says why

    def save(self) -> None:
        """Write a checkpoint: weights, and the optimiser's two moments."""
        self._writer.save_checkpoint(self._state, self._file)

    def _drain(self, loader: "Iterable[object]") -> None:
        for _ in loader:
            pass
        if self._device.type == "cuda":
            torch.cuda.synchronize()


def _loader(job: "FoldJob", plan: AugmentationPlan, device: torch.device) -> "Iterable[object]":
    scans = LabelledScans(np.load(job.pixels, mmap_mode="r"), job.train_rows, job.codes)
    if device.type == "cuda":
        return ResidentDataModule(
            scans, job.fold, plan, batch_size=job.batch_size, seed=job.seed, device=device
        ).train_dataloader()
    return FoldDataModule(scans, job.fold, plan, batch_size=job.batch_size, seed=job.seed).train_dataloader()
