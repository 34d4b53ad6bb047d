import logging
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from csam_lightning.data import resident
from csam_lightning.data.augment import Augmentation, AugmentationPlan
from csam_lightning.data.datamodule import FoldDataModule
from csam_lightning.data.device_augment import rotate_and_contrast
from csam_lightning.data.resident import ResidentDataModule, can_reside
from tests.data.test_datamodule import CODES, FOLD, PIXELS, SCANS

CPU = torch.device("cpu")
PLAN = AugmentationPlan(Augmentation(rotation_degrees=90, contrast=0.1), "epoch", 0, 1)


def epoch_of(module: FoldDataModule | ResidentDataModule, epoch: int) -> list[tuple[Tensor, Tensor]]:
    loader = module.train_dataloader()
    loader.sampler.set_epoch(epoch)  # type: ignore[union-attr]  # a DataLoader's sampler may be any iterable
    batches = [(images, codes) for images, codes in loader]
    assert len(batches) == len(loader)
    return batches


def modules(plan: AugmentationPlan) -> tuple[FoldDataModule, ResidentDataModule]:
    return (
        FoldDataModule(SCANS, FOLD, plan, batch_size=5, seed=0),
        ResidentDataModule(SCANS, FOLD, plan, batch_size=5, seed=0, device=CPU),
    )


def test_copies_made_once_are_those_of_the_host_and_come_in_its_order() -> None:
    host, device = modules(replace(PLAN, when="once"))
    for epoch in (0, 1):
        for ours, theirs in zip(epoch_of(device, epoch), epoch_of(host, epoch), strict=True):
            assert torch.equal(ours[0], theirs[0])
            assert torch.equal(ours[1], theirs[1])
    [(images, codes)] = list(device.val_dataloader())
    assert np.array_equal(images.squeeze(1).numpy(), PIXELS[[15, 13]])
    assert codes.tolist() == [CODES[15], CODES[13]]


@pytest.mark.parametrize("block", [1, 11 * 32 * 32, 2**22])
def test_images_changed_anew_come_in_the_hosts_order_each_with_its_own_change(
    monkeypatch: pytest.MonkeyPatch, block: int
) -> None:
    monkeypatch.setattr(resident, "BLOCK_PIXELS", block)
    host, device = modules(PLAN)
    degrees, factors = map(torch.from_numpy, PLAN.draw(24, epoch=3))
    scans = torch.from_numpy(PIXELS[FOLD.training.scan]).unsqueeze(1)
    every = rotate_and_contrast(scans, degrees, factors)
    sampler = host.train_dataloader().sampler
    sampler.set_epoch(3)  # type: ignore[attr-defined]  # an EpochSampler
    order = [position for _, position in sampler]
    batches = epoch_of(device, 3)
    assert torch.equal(torch.cat([images for images, _ in batches]), every[order])
    assert torch.equal(torch.cat([codes for _, codes in batches]), torch.from_numpy(CODES[FOLD.training.scan])[order])
    assert [len(images) for images, _ in batches] == [5, 5, 5, 5, 4]
    assert not torch.equal(epoch_of(device, 4)[0][0], batches[0][0])


def test_images_stay_on_a_gpu_that_has_room_for_them(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    gpu, images = torch.device("cuda", 0), (24 + 2) * 32 * 32
    assert not can_reside(SCANS, FOLD, CPU)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (4 * images, 0))
    assert can_reside(SCANS, FOLD, gpu)
    assert not caplog.records
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (4 * images - 1, 0))
    with caplog.at_level(logging.WARNING):
        assert not can_reside(SCANS, FOLD, gpu)
    assert "fold 1: 0.0 GB of images stay in the machine's memory: the GPU has 0.0 GB free" in caplog.text
