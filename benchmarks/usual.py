"""What a careful user writes today, one file: Lightning, image files, torchmetrics every step, MLFlowLogger.

``python -m benchmarks.usual FOLDS.json`` trains the folds one after the other; the file says which images, so that the
arithmetic is that of the product's cell. Whatever is not written here is left at the libraries' defaults.
"""

import argparse
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")

import albumentations as A
import lightning as L
import numpy as np
import torch
import torchvision
from albumentations.pytorch import ToTensorV2
from lightning.pytorch.loggers import MLFlowLogger
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from torchmetrics import MetricCollection
from torchmetrics.classification import (
    MulticlassAccuracy,
    MulticlassF1Score,
    MulticlassPrecision,
    MulticlassRecall,
)

Batch = tuple[Tensor, Tensor]


class ScanFiles(Dataset[Batch]):
    """Image files, decoded each time they are asked for."""

    def __init__(self, files: list[tuple[str, int]], *, image_size: int, augment: bool) -> None:
        """Build the transformation."""
        changes: list[A.BasicTransform] = [A.Resize(image_size, image_size)]
        if augment:
            changes += [A.Rotate(limit=180, p=1.0), A.RandomBrightnessContrast(brightness_limit=0, p=1.0)]
        self._files = files
        self._transform = A.Compose([*changes, A.Normalize(mean=0.5, std=0.5), ToTensorV2()])

    def __len__(self) -> int:
        """Count the files."""
        return len(self._files)

    def __getitem__(self, index: int) -> Batch:
        """Return an image and its class number."""
        path, code = self._files[index]
        image = np.asarray(Image.open(path).convert("L"))
        return self._transform(image=image)["image"], torch.tensor(code)


class UsualClassifier(L.LightningModule):
    """ResNet-18 for grey images, with four metrics."""

    def __init__(self, num_classes: int) -> None:
        """Build network and metrics."""
        super().__init__()
        self.network = torchvision.models.resnet18(num_classes=num_classes)
        self.network.conv1 = nn.Conv2d(1, 64, kernel_size=7, stride=2, padding=3, bias=False)
        self.loss = nn.CrossEntropyLoss()
        metrics = MetricCollection(
            {
                "accuracy": MulticlassAccuracy(num_classes),
                "precision": MulticlassPrecision(num_classes),
                "recall": MulticlassRecall(num_classes),
                "f1": MulticlassF1Score(num_classes),
            }
        )
        self.train_metrics = metrics.clone(prefix="train/")
        self.val_metrics = metrics.clone(prefix="val/")

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:  # noqa: ARG002 - Lightning's signature
        """Return the loss and log it with the metrics."""
        images, codes = batch
        logits = self.network(images)
        loss: Tensor = self.loss(logits, codes)
        self.train_metrics(logits, codes)
        self.log("train/loss", loss, on_step=True, on_epoch=True)
        self.log_dict(self.train_metrics, on_step=True, on_epoch=True)
        return loss

    def validation_step(self, batch: Batch, batch_idx: int) -> None:  # noqa: ARG002
        """Log loss and metrics."""
        images, codes = batch
        logits = self.network(images)
        self.val_metrics(logits, codes)
        self.log("val/loss", self.loss(logits, codes))
        self.log_dict(self.val_metrics)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return AdamW."""
        return torch.optim.AdamW(self.parameters(), lr=1e-3, weight_decay=0.05)


def train_fold(job: Mapping[str, Any], number: int, callbacks: Sequence[L.Callback] = ()) -> None:
    """Train fold ``number`` of those that ``job`` describes, see benchmarks/cell.py."""
    training, validation = job["folds"][number]
    L.seed_everything(number)
    size, batch = job["image_size"], job["batch_size"]
    loaders = (
        DataLoader(ScanFiles(training, image_size=size, augment=True), batch_size=batch, shuffle=True),
        DataLoader(ScanFiles(validation, image_size=size, augment=False), batch_size=batch),
    )
    trainer = L.Trainer(
        max_epochs=job["epochs"],
        accelerator=job["accelerator"],
        callbacks=list(callbacks),
        logger=MLFlowLogger("usual", run_name=f"fold {number}", tracking_uri="sqlite:///usual.db"),
    )
    trainer.fit(UsualClassifier(job["num_classes"]), *loaders)


def main() -> None:
    """Train the folds that the file describes."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.usual", description=__doc__.splitlines()[0])
    parser.add_argument("folds", type=Path, help="JSON, see benchmarks/cell.py")
    job = json.loads(parser.parse_args().folds.read_text())
    for number in range(len(job["folds"])):
        train_fold(job, number)


if __name__ == "__main__":
    main()
