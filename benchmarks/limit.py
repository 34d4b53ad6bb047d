"""The limit: the same network trained by a bare PyTorch loop, its tensors already in memory."""

import numpy as np
import torch
from torch import nn

from benchmarks.task import CLASSES, Task
from csam_lightning.data.datamodule import EVALUATION_BATCH
from csam_lightning.model.resnet import build_resnet
from csam_lightning.training.job import FoldJob


class BareLoop:
    """Steps and forward passes, and nothing else: no data loading, no augmentation, no metrics, no files.

    Precision, optimiser and number of threads are those of the fold ``job``; images are float32, standardised.
    """

    def __init__(self, task: Task, job: FoldJob) -> None:
        """Build the network and put all images on the device."""
        on_gpu = task.accelerator == "gpu"
        self._device = torch.device("cuda" if on_gpu else "cpu")
        self._network = build_resnet("resnet18", num_classes=CLASSES, weights=None).to(self._device)
        self._optimizer = torch.optim.AdamW(self._network.parameters(), fused=True)
        self._half = task.precision == "bf16-mixed"
        images = torch.from_numpy(np.load(job.pixels)).unsqueeze(1).to(self._device)
        codes = torch.from_numpy(job.codes).to(self._device)
        standardised = (images.float() - 127.5) / 74
        training, validation = job.fold.training.scan, job.fold.validation.scans
        self._batches = list(
            zip(
                torch.split(standardised[training], task.batch_size),
                torch.split(codes[training], task.batch_size),
                strict=True,
            )
        )
        self._validation = torch.split(standardised[validation], EVALUATION_BATCH)

    def train(self) -> None:
        """Take the steps of one epoch."""
        self._network.train()
        loss = nn.CrossEntropyLoss()
        for images, codes in self._batches:
            self._optimizer.zero_grad(set_to_none=True)
            with self._autocast():
                value = loss(self._network(images), codes)
            value.backward()
            self._optimizer.step()
        self._wait()

    @torch.inference_mode()
    def validate(self) -> None:
        """Pass the validation scans through the network once."""
        self._network.eval()
        for images in self._validation:
            with self._autocast():
                self._network(images)
        self._wait()

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self._device.type, dtype=torch.bfloat16, enabled=self._half)

    def _wait(self) -> None:
        if self._device.type == "cuda":
            torch.cuda.synchronize()
