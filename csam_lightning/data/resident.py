"""The LightningDataModule of a GPU: a fold's images stay in its memory and are augmented there, many at a time."""

import logging
import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

import lightning as L
import torch
from torch import Tensor
from torch.utils.data import BatchSampler, DataLoader, SequentialSampler, TensorDataset

from csam_lightning.data.augment import AugmentationPlan
from csam_lightning.data.datamodule import EpochSampler, LabelledScans, evaluation_batch, images_as_seen
from csam_lightning.data.device_augment import rotate_and_contrast
from csam_lightning.data.folds import Fold

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

BLOCK_PIXELS = 2**22
"""Pixels that are augmented at once: hundreds of small images, and some 150 MB of memory meanwhile."""

SHARE_FOR_IMAGES = 0.25
"""Of a GPU's free memory; the rest is for networks, and for folds that start at the same time."""

log = logging.getLogger(__name__)


class AugmentedBatches:
    """An epoch's batches, made on the device of ``images``: the order is the sampler's, the changes are the plan's.

    Lightning finds :attr:`sampler` and sets its epoch.

    Args:
        images: Training images as the plan's augmentation gets them, uint8 of shape (images, 1, side, side).
        codes: Their class numbers, int64 of shape (images,).
        plan: How they change.
        sampler: Their order.
        batch_size: Images per batch.
    """

    def __init__(
        self, images: Tensor, codes: Tensor, plan: AugmentationPlan, sampler: EpochSampler, *, batch_size: int
    ) -> None:
        """Keep what batches are made from."""
        self.sampler = sampler
        self._images = images
        self._codes = codes
        self._plan = plan
        self._batch_size = batch_size

    def __len__(self) -> int:
        """Count the batches of an epoch."""
        return math.ceil(len(self.sampler) / self._batch_size)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield batches: uint8 of shape (batch, 1, side, side), int64 of shape (batch,)."""
        anew = self._plan.when == "epoch"
        drawn = self._plan.draw(len(self._images), epoch=self.sampler.epoch) if anew else ()
        changes = [self._moved(values) for values in drawn]
        pixels_per_batch = self._batch_size * self._images[0].numel()
        block = self._batch_size * max(1, BLOCK_PIXELS // pixels_per_batch)
        for chosen in torch.split(self._moved(self.sampler.positions()), block):
            images = self._images[chosen]
            if anew:
                images = rotate_and_contrast(images, *(values[chosen] for values in changes))
            batches = (torch.split(tensor, self._batch_size) for tensor in (images, self._codes[chosen]))
            yield from zip(*batches, strict=True)

    def _moved(self, array: "NDArray[np.generic]") -> Tensor:
        return torch.from_numpy(array).to(self._images.device)


class ResidentDataModule(L.LightningDataModule):
    """The images of :class:`csam_lightning.data.datamodule.FoldDataModule` for one device, kept and made on it.

    The order, the scans and copies that are made once are the same. Where images change anew each epoch, the changes
    are drawn by :meth:`csam_lightning.data.augment.AugmentationPlan.draw`.
    """

    def __init__(
        self,
        scans: LabelledScans,
        fold: Fold,
        plan: AugmentationPlan,
        *,
        batch_size: int,
        seed: int,
        device: torch.device,
    ) -> None:
        """Move the fold's images to ``device``."""
        super().__init__()
        training, held_out = fold.training, fold.validation.scans
        before = scans.images(training.scan) if plan.when == "epoch" else images_as_seen(scans, training, plan)
        sampler = EpochSampler(len(training), batch_size=batch_size, seed=seed, fold=fold.number)
        self._training = AugmentedBatches(
            *_moved(before, scans.codes[training.scan], device), plan, sampler, batch_size=batch_size
        )
        self._evaluation_batch = evaluation_batch(scans.side)
        self._validation = TensorDataset(*_moved(scans.images(held_out), scans.codes[held_out], device))

    def train_dataloader(self) -> AugmentedBatches:
        """Return the training batches."""
        return self._training

    def val_dataloader(self) -> DataLoader[tuple[Tensor, ...]]:
        """Return the loader of the validation scans, in the order of ``fold.validation.scans``."""
        batches = BatchSampler(SequentialSampler(self._validation), self._evaluation_batch, drop_last=False)
        return DataLoader(self._validation, batch_size=None, sampler=batches)


def can_reside(scans: LabelledScans, fold: Fold, device: torch.device) -> bool:
    """Whether ``device`` is a GPU that has room for the images of ``fold``; want of room is logged."""
    if device.type != "cuda":
        return False
    images = len(fold.training) + len(fold.validation.scans)
    needed, (free, _) = images * scans.pixels[0].nbytes, torch.cuda.mem_get_info(device)
    if needed <= SHARE_FOR_IMAGES * free:
        return True
    log.warning(
        "fold %d: %.1f GB of images stay in the machine's memory: the GPU has %.1f GB free, of which they may take a "
        "quarter",
        fold.number,
        needed / 1e9,
        free / 1e9,
    )
    return False


def _moved(pixels: "NDArray[np.uint8]", codes: "NDArray[np.int64]", device: torch.device) -> tuple[Tensor, Tensor]:
    return torch.from_numpy(pixels).unsqueeze(1).to(device), torch.from_numpy(codes).to(device)
