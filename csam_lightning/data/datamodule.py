"""The LightningDataModule: hands out one fold's images in batches, and does nothing else."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import lightning as L
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from csam_lightning.data.augment import AugmentationPlan
from csam_lightning.data.folds import Fold, Images

if TYPE_CHECKING:
    from numpy.typing import NDArray

Batch = tuple[Tensor, Tensor]

EVALUATION_BATCH, EVALUATION_PIXELS = 64, 64 * 100**2
"""Images, and pixels, of a batch where nothing is learnt, at most; they decide on speed and memory, not on verdicts."""


@dataclass(frozen=True)
class LabelledScans:
    """Scans and their classes; the pixels stay in their memory map until they are asked for.

    Attributes:
        pixels: All scans of the data set, uint8 of shape (all scans, side, side).
        rows: Which of them these scans are, int64 of shape (scans,).
        codes: Class number of each of these scans, int64 of shape (scans,).
    """

    pixels: "NDArray[np.uint8]"
    rows: "NDArray[np.int64]"
    codes: "NDArray[np.int64]"

    @property
    def side(self) -> int:
        """Pixels of a side."""
        return int(self.pixels.shape[-1])

    def image(self, scan: int) -> "NDArray[np.uint8]":
        """Return one scan, uint8 of shape (side, side)."""
        pixels: NDArray[np.uint8] = self.pixels[self.rows[scan]]
        return pixels

    def images(self, scans: "NDArray[np.int64]") -> "NDArray[np.uint8]":
        """Return several scans, uint8 of shape (len(scans), side, side)."""
        return self.pixels[self.rows[scans]]

    def mean_and_std(self, scans: "NDArray[np.int64]") -> tuple[float, float]:
        """Return mean and standard deviation of the grey values of ``scans``, scan by scan."""
        counts = np.zeros(256, dtype=np.int64)
        for scan in scans:
            counts += np.bincount(self.image(scan).ravel(), minlength=256)
        grey = np.arange(256)
        mean = float((counts * grey).sum() / counts.sum())
        return mean, float(np.sqrt((counts * (grey - mean) ** 2).sum() / counts.sum()))


def evaluation_batch(side: int) -> int:
    """Return how many images of ``side`` pixels a side are judged at a time."""
    return max(1, min(EVALUATION_BATCH, EVALUATION_PIXELS // side**2))


def images_as_seen(scans: LabelledScans, images: Images, plan: AugmentationPlan) -> "NDArray[np.uint8]":
    """Return images, uint8 of shape (images, side, side): scans as scanned, augmented copies as they were made."""
    pairs = zip(images.scan.tolist(), images.copy.tolist(), strict=True)
    seen = [
        plan.image(scans.image(scan), scan=scan, copy=copy, epoch=0) if copy else scans.image(scan)
        for scan, copy in pairs
    ]
    return np.stack(seen)


class TrainingImages(Dataset[Batch]):
    """Training images as they look in an epoch; the key is (epoch, position)."""

    def __init__(self, scans: LabelledScans, images: Images, plan: AugmentationPlan) -> None:
        """Keep what an image is made from."""
        self._scans = scans
        self._images = images
        self._plan = plan

    def __len__(self) -> int:
        """Count the images of an epoch."""
        return len(self._images)

    def __getitems__(self, keys: list[tuple[int, int]]) -> Batch:
        """Return a batch: uint8 of shape (batch, 1, side, side), int64 of shape (batch,)."""
        images, rows = [], []
        for epoch, position in keys:
            scan, copy = int(self._images.scan[position]), int(self._images.copy[position])
            images.append(self._plan.image(self._scans.image(scan), scan=scan, copy=copy, epoch=epoch))
            rows.append(scan)
        return torch.from_numpy(np.stack(images)).unsqueeze(1), torch.from_numpy(self._scans.codes[rows])


class HeldOutScans(Dataset[Batch]):
    """Scans as scanned, read from their memory map as they are asked for; the key is a position in ``chosen``."""

    def __init__(self, scans: LabelledScans, chosen: "NDArray[np.int64]") -> None:
        """Keep which scans are meant."""
        self._scans = scans
        self._chosen = chosen

    def __len__(self) -> int:
        """Count the scans."""
        return len(self._chosen)

    def __getitems__(self, positions: list[int]) -> Batch:
        """Return a batch: uint8 of shape (batch, 1, side, side), int64 of shape (batch,)."""
        chosen = self._chosen[positions]
        return torch.from_numpy(self._scans.images(chosen)).unsqueeze(1), torch.from_numpy(self._scans.codes[chosen])


def _as_it_is(batch: Any) -> Any:
    """Return a batch that needs no collating, in PyTorch's place for it."""
    return batch


class EpochSampler(Sampler[tuple[int, int]]):
    """Positions in a random order that depends on (seed, fold, epoch) alone, each paired with the epoch.

    Where the last batch would hold a single image, that image sits the epoch out: batch normalisation cannot learn
    from one. So do fewer images than devices: no device may be without one. Several devices are dealt each batch like
    cards: the batches of a rank, each ``batch_size / devices`` images, are its parts of the batches of one process.

    Args:
        length: Number of images.
        batch_size: Images per step, of all devices together: a multiple of ``devices``.
        seed: The cell's seed.
        fold: The fold's number.
        rank: Which device's images to yield.
        devices: How many devices share the batches.
    """

    def __init__(self, length: int, *, batch_size: int, seed: int, fold: int, rank: int = 0, devices: int = 1) -> None:
        """Keep the settings; Lightning calls :meth:`set_epoch`."""
        self._length = length
        left_over = length % batch_size
        self._used = length - left_over if left_over < max(devices, 2) <= length else length
        self._mine = slice(rank, self._used, devices)
        self._seed = (seed, fold)
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch that the next iteration belongs to."""
        self.epoch = epoch

    def __len__(self) -> int:
        """Count the rank's images of an epoch."""
        return len(range(self._length)[self._mine])

    def __iter__(self) -> Iterator[tuple[int, int]]:
        """Yield (epoch, position)."""
        return iter([(self.epoch, int(position)) for position in self.positions()])

    def positions(self) -> "NDArray[np.int64]":
        """Return the positions of the epoch in their order, int64 of shape (len(self),)."""
        order = np.random.default_rng((*self._seed, self.epoch)).permutation(self._length)
        return order[self._mine]


class FoldDataModule(L.LightningDataModule):
    """One fold: balanced, augmented training images; validation scans as scanned.

    Batches are (uint8 of shape (batch, 1, side, side), int64 of shape (batch,)). Of several devices each gets a part of
    every training batch (see :class:`EpochSampler`), and of the validation scans, each of which one device alone gets.
    """

    def __init__(
        self,
        scans: LabelledScans,
        fold: Fold,
        plan: AugmentationPlan,
        *,
        batch_size: int,
        seed: int,
        rank: int = 0,
        devices: int = 1,
    ) -> None:
        """Keep what the loaders read."""
        super().__init__()
        self._scans = scans
        self._fold = fold
        self._plan = plan
        self._batch_size = batch_size
        self._seed = seed
        self._rank = rank
        self._devices = devices

    def train_dataloader(self) -> DataLoader[Batch]:
        """Return the loader of training images; decoded scans are in memory, so it needs no worker processes."""
        images = TrainingImages(self._scans, self._fold.training, self._plan)
        sampler = EpochSampler(
            len(images),
            batch_size=self._batch_size,
            seed=self._seed,
            fold=self._fold.number,
            rank=self._rank,
            devices=self._devices,
        )
        size = self._batch_size // self._devices
        return DataLoader(images, batch_size=size, sampler=sampler, collate_fn=_as_it_is)

    def val_dataloader(self) -> DataLoader[Batch]:
        """Return the loader of the rank's validation scans, in the order of ``fold.validation.scans``."""
        held_out = HeldOutScans(self._scans, self._fold.validation.scans[self._rank :: self._devices])
        return DataLoader(held_out, batch_size=evaluation_batch(self._scans.side), collate_fn=_as_it_is)
