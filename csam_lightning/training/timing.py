"""A few steps of a fold's training, timed."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import lightning as L
import numpy as np
import torch

from csam_lightning.acceleration.layout import lay_out
from csam_lightning.config import TrainConfig
from csam_lightning.data.datamodule import LabelledScans
from csam_lightning.data.folds import Fold, Images
from csam_lightning.training import fold
from csam_lightning.training.job import FoldJob, Rank

WARM_UP = 2
"""Steps before the clock starts: the first ones fill memory and caches, or record CUDA graphs."""

LEAST, MOST = 2, 20
"""Timed steps."""

SCANS, CLASSES = 16, 4


def time_steps(batch: int, side: int, *, of: TrainConfig, place: int, seconds: float) -> tuple[float, int]:
    """Train a network on noise for a few steps, as a fold trains it, on the device that a fold would use.

    Args:
        batch: Images per step.
        side: Pixels of a side.
        of: All other settings; weights are random, and of several devices one is timed.
        place: Which of the processes side by side this is, from 0: GPUs are dealt out by it.
        seconds: Time after which no further step is begun.

    Returns:
        Seconds of one step on average, and how many were timed.
    """
    with _noise(batch, side) as (pixels, images):
        job = FoldJob(
            fold=Fold(0, images, np.arange(SCANS), Images(np.arange(CLASSES), np.zeros(CLASSES, dtype=np.int64))),
            folder=pixels.parent,
            pixels=pixels,
            train_rows=np.arange(SCANS),
            test_rows=np.arange(0),
            codes=np.arange(SCANS) % CLASSES,
            num_classes=CLASSES,
            copies_frozen=False,
            batch_size=batch,
            seed=0,
            augment=of.augment,
            model=replace(of.model, weights=None),
            trainer=replace(of.trainer, devices=1, max_epochs=1),
        )
        return _timed(job, Rank(place=place), seconds)


@contextmanager
def _noise(batch: int, side: int) -> Iterator[tuple[Path, Images]]:
    """Yield a file of a few scans, and enough images of them for all steps."""
    with TemporaryDirectory() as folder:
        file = Path(folder) / "pixels.npy"
        np.save(file, np.random.default_rng(0).integers(0, 256, (SCANS, side, side), dtype=np.uint8))
        scans = np.arange(batch * (WARM_UP + MOST)) % SCANS
        yield file, Images(scans, np.zeros_like(scans))


def _timed(job: FoldJob, rank: Rank, seconds: float) -> tuple[float, int]:
    fold.prepare_process(job)
    scans = LabelledScans(np.load(job.pixels, mmap_mode="r"), job.train_rows, job.codes)
    classifier = fold.build_classifier(job, scans)
    clock = _Clock(seconds)
    trainer = fold.make_trainer(job, [clock], rank, limit_val_batches=0, enable_checkpointing=False)
    device = trainer.strategy.root_device
    lay_out(classifier.network, side=scans.side, device=device, precision=job.trainer.precision)
    trainer.fit(classifier, fold.fold_data(job, scans, fold.augmentation_plan(job), rank, device))
    return clock.taken / clock.steps, clock.steps


class _Clock(L.Callback):
    """Times the steps after the first ones, all together: a GPU is waited for at their beginning and end alone."""

    def __init__(self, seconds: float) -> None:
        self.steps = 0
        self.taken = 0.0
        self._seconds = seconds
        self._began = 0.0

    def on_train_batch_end(
        self,
        trainer: L.Trainer,
        pl_module: L.LightningModule,
        outputs: Any,  # noqa: ARG002 - Lightning's signature
        batch: Any,  # noqa: ARG002
        batch_idx: int,
    ) -> None:
        if batch_idx < WARM_UP:
            _wait_for(pl_module.device)
            self._began = time.perf_counter()
            return
        self.steps += 1
        late = self.steps >= LEAST and time.perf_counter() - self._began > self._seconds
        if late or self.steps == MOST:
            _wait_for(pl_module.device)
            self.taken = time.perf_counter() - self._began
            trainer.should_stop = True


def _wait_for(device: torch.device) -> None:
    """Wait until the device has done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
