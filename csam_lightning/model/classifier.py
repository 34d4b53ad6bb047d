"""The LightningModule: a ResNet, cross-entropy, AdamW with warm-up and decay, torchmetrics."""

import math
from typing import TYPE_CHECKING, cast

import lightning as L
import torch
from torch import Tensor, nn
from torchmetrics import MetricCollection
from torchmetrics.classification import (
    MulticlassAccuracy,
    MulticlassConfusionMatrix,
    MulticlassPrecision,
    MulticlassRecall,
)

from csam_lightning.acceleration.optimizer import MemoryOrderAdamW
from csam_lightning.model.means import ImageMean
from csam_lightning.model.resnet import build_resnet

if TYPE_CHECKING:
    from lightning.pytorch.utilities.types import OptimizerLRScheduler

Batch = tuple[Tensor, Tensor]


class ScanClassifier(L.LightningModule):
    """Classifies scans.

    Args:
        arch: ResNet to use, see :func:`csam_lightning.model.resnet.build_resnet`.
        weights: Initial weights, see there.
        num_classes: Number of classes.
        pixel_mean: Mean grey value of the training scans, 0 to 255.
        pixel_std: Standard deviation of their grey values.
        learning_rate: Highest learning rate.
        weight_decay: AdamW's decoupled weight decay.
        warmup_epochs: Epochs in which the rate rises linearly from 0; afterwards it falls to 0 on a cosine.
    """

    def __init__(
        self,
        *,
        arch: str,
        weights: str | None,
        num_classes: int,
        pixel_mean: float,
        pixel_std: float,
        learning_rate: float,
        weight_decay: float,
        warmup_epochs: float,
    ) -> None:
        """Build the network, the loss and the metrics."""
        super().__init__()
        self.save_hyperparameters(ignore=["weights"])
        self.network = build_resnet(arch, num_classes=num_classes, weights=weights)
        self.loss = nn.CrossEntropyLoss()
        self.pixel_mean = pixel_mean
        self.pixel_std = pixel_std
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.warmup_epochs = warmup_epochs
        self.train_loss, self.train_accuracy, self.val_loss = (ImageMean() for _ in range(3))
        self.val_metrics = MetricCollection(
            {
                "accuracy": MulticlassAccuracy(num_classes, average="micro"),
                "precision": MulticlassPrecision(num_classes, average="none"),
                "recall": MulticlassRecall(num_classes, average="none"),
                "confusion_matrix": MulticlassConfusionMatrix(num_classes),
            },
            prefix="val/",
        )

    def forward(self, images: Tensor) -> Tensor:
        """Return logits (batch, classes), float, of grey images (batch, 1, H, W), uint8."""
        standardised = (images.float() - self.pixel_mean) / self.pixel_std
        return cast("Tensor", self.network(standardised))

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:  # noqa: ARG002 - Lightning's signature
        """Return the loss of a batch; loss and accuracy of the epoch are running means over its batches.

        Several devices' gradients are averaged. Where the last batch gives one of them an image more, its mean loss
        counts for more too, so that the average is the gradient of the mean over all images of the step.
        """
        images, codes = batch
        logits = self(images)
        loss = cast("Tensor", self.loss(logits, codes))
        accuracy = (logits.detach().argmax(dim=1) == codes).float().mean()
        self.train_loss.update(loss, len(codes))
        self.train_accuracy.update(accuracy, len(codes))
        return loss if self.trainer.world_size == 1 else loss * self._share_of_images(loss.new_tensor(len(codes)))

    def _share_of_images(self, here: Tensor) -> Tensor:
        """Return ``here``, this device's images of the step, over the devices' mean; scalars."""
        per_device = self.trainer.strategy.reduce(here.clone(), reduce_op="mean")
        return here / cast("Tensor", per_device)

    def on_train_epoch_end(self) -> None:
        """Log the running means: once, since to log a metric at each step costs more than the metric."""
        self.log_dict({"train/loss": self.train_loss.compute(), "train/accuracy": self.train_accuracy.compute()})
        self.train_loss.reset()
        self.train_accuracy.reset()

    def validation_step(self, batch: Batch, batch_idx: int) -> None:  # noqa: ARG002 - Lightning's signature
        """Add a batch to the loss and the metrics of the whole validation set."""
        images, codes = batch
        logits = self(images)
        self.val_loss.update(self.loss(logits, codes), len(codes))
        self.log("val/loss", self.val_loss, on_step=False, on_epoch=True)
        self.val_metrics.update(logits, codes)

    def on_validation_epoch_end(self) -> None:
        """Log accuracy, and precision and recall averaged over the classes that the validation set holds."""
        values = self.val_metrics.compute()
        present = values["val/confusion_matrix"].sum(dim=1) > 0
        self.log("val/accuracy", values["val/accuracy"])
        for name in ("val/precision", "val/recall"):
            self.log(name, values[name][present].mean())
        self.val_metrics.reset()

    def configure_optimizers(self) -> "OptimizerLRScheduler":
        """Return fused AdamW, and the rate's course step by step."""
        optimizer = MemoryOrderAdamW(
            self.parameters(), lr=self.learning_rate, weight_decay=self.weight_decay, fused=True
        )
        steps = int(self.trainer.estimated_stepping_batches)
        epochs = self.trainer.max_epochs or 1
        warmup = min(steps - 1, round(steps * self.warmup_epochs / epochs))
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda step: learning_rate_factor(step, warmup=warmup, steps=steps)
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def learning_rate_factor(step: int, *, warmup: int, steps: int) -> float:
    """Return the share of the highest learning rate at ``step`` of ``steps``: linear rise, then a cosine to 0."""
    if step < warmup:
        return (step + 1) / (warmup + 1)
    return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, steps - warmup)))
