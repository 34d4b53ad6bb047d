from itertools import chain
from pathlib import Path

import numpy as np
import pytest
import torch

from csam_lightning.data.augment import Augmentation, AugmentationPlan
from csam_lightning.data.datamodule import EpochSampler, FoldDataModule, LabelledScans, evaluation_batch
from csam_lightning.data.folds import Fold, Images

PIXELS = np.random.default_rng(0).integers(0, 255, (20, 32, 32), dtype=np.uint8)
CODES = np.arange(20) % 4
SCANS = LabelledScans(np.concatenate([PIXELS[:3] * 0, PIXELS]), np.arange(3, 23), CODES)
FOLD = Fold(
    number=1,
    training=Images(np.repeat(np.arange(12), 2), np.tile([0, 1], 12)),
    training_scans=np.arange(12),
    validation=Images(np.array([15, 13, 15]), np.array([0, 0, 1])),
)


def module(batch_size: int = 5) -> FoldDataModule:
    plan = AugmentationPlan(Augmentation(rotation_degrees=90, contrast=0.1), "epoch", 0, 1)
    return FoldDataModule(SCANS, FOLD, plan, batch_size=batch_size, seed=0)


def test_training_batches_hold_each_image_once_and_change_with_the_epoch() -> None:
    loader = module().train_dataloader()
    batches = [list(loader)]
    sampler = loader.sampler
    assert isinstance(sampler, EpochSampler)
    sampler.set_epoch(1)
    batches.append(list(loader))
    sampler.set_epoch(0)
    batches.append(list(loader))
    images = [torch.cat([batch[0] for batch in epoch]) for epoch in batches]
    codes = torch.cat([batch[1] for batch in batches[0]])
    assert images[0].shape == (24, 1, 32, 32)
    assert images[0].dtype == torch.uint8
    assert torch.equal(images[0], images[2])
    assert not torch.equal(images[0], images[1])
    assert sorted(codes.tolist()) == sorted(CODES[FOLD.training.scan].tolist())


def test_validation_batches_are_scans_as_scanned() -> None:
    [(images, codes)] = list(module().val_dataloader())
    assert np.array_equal(images.squeeze(1).numpy(), PIXELS[[15, 13]])
    assert codes.tolist() == [CODES[15], CODES[13]]


def test_validation_scans_stay_in_their_memory_map_until_their_batch_is_asked_for(tmp_path: Path) -> None:
    file = tmp_path / "pixels.npy"
    np.save(file, PIXELS)
    pixels = np.load(file, mmap_mode="r+")
    plan = AugmentationPlan(Augmentation(rotation_degrees=90, contrast=0.1), "epoch", 0, 1)
    scans = LabelledScans(pixels, np.arange(20), CODES)
    loader = FoldDataModule(scans, FOLD, plan, batch_size=5, seed=0).val_dataloader()
    pixels[15] = 255 - pixels[15]
    [(images, _)] = list(loader)
    assert np.array_equal(images.squeeze(1).numpy(), [255 - PIXELS[15], PIXELS[13]])


def test_mean_and_deviation_are_those_of_the_chosen_scans_alone() -> None:
    chosen = np.array([4, 7, 19])
    assert SCANS.mean_and_std(chosen) == pytest.approx((PIXELS[chosen].mean(), PIXELS[chosen].std()))


def test_image_that_would_be_alone_in_its_batch_sits_the_epoch_out() -> None:
    sampler = EpochSampler(9, batch_size=4, seed=0, fold=0)
    left_out = set()
    for epoch in range(60):
        sampler.set_epoch(epoch)
        positions = [position for _, position in sampler]
        assert len(positions) == len(set(positions)) == len(sampler) == 8
        left_out |= set(range(9)) - set(positions)
    assert left_out == set(range(9))
    assert len(EpochSampler(8, batch_size=4, seed=0, fold=0)) == 8


@pytest.mark.parametrize(("length", "devices"), [(29, 1), (29, 2), (26, 4), (30, 4), (24, 8)])
def test_devices_are_dealt_the_batches_of_one_each_image_once(length: int, devices: int) -> None:
    def batches(rank: int, of: int) -> list[list[tuple[int, int]]]:
        sampler = EpochSampler(length, batch_size=8, seed=3, fold=1, rank=rank, devices=of)
        sampler.set_epoch(2)
        drawn, size = list(sampler), 8 // of
        assert len(drawn) == len(sampler)
        return [drawn[start : start + size] for start in range(0, len(drawn), size)]

    dealt = list(zip(*(batches(rank, devices) for rank in range(devices)), strict=True))
    whole = batches(0, 1) if length % 8 >= devices or length % 8 == 0 else batches(0, 1)[:-1]
    assert [sorted(chain.from_iterable(parts)) for parts in dealt] == [sorted(batch) for batch in whole]
    assert all(parts for batch in dealt for parts in batch)


def test_devices_share_the_validation_scans_without_a_repeat() -> None:
    plan = AugmentationPlan(Augmentation(rotation_degrees=90, contrast=0.1), "epoch", 0, 1)
    parts = [FoldDataModule(SCANS, FOLD, plan, batch_size=4, seed=0, rank=rank, devices=2) for rank in range(2)]
    images = [images for part in parts for images, _ in part.val_dataloader()]
    assert np.array_equal(torch.cat(images).squeeze(1).numpy(), PIXELS[[15, 13]])


@pytest.mark.parametrize(("side", "images"), [(32, 64), (100, 64), (200, 16), (350, 5), (2000, 1)])
def test_large_images_are_judged_few_at_a_time(side: int, images: int) -> None:
    assert evaluation_batch(side) == images
