"""Augmentation by tensor operations against albumentations, which stays the reference."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy import stats

from csam_lightning.data.augment import Augmentation, AugmentationPlan
from csam_lightning.data.device_augment import rotate_and_contrast

DRAWS = 2000


def reference(image: NDArray[np.uint8], degrees: float, factor: float) -> NDArray[np.uint8]:
    """Change ``image`` by the product's albumentations steps, their draws narrowed to one angle and one factor."""
    change = Augmentation(rotation_degrees=180, contrast=0.2)
    rotation, contrast = steps_of(change)
    rotation.limit = (degrees, degrees)
    contrast.contrast_limit = (factor - 1, factor - 1)
    return change(image, seed=0)


def steps_of(change: Augmentation) -> list[Any]:
    """Return rotation and contrast, seeded."""
    steps: list[Any] = change._steps
    for seed, step in enumerate(steps):
        step.set_random_seed(seed)
    return steps


def changed(images: NDArray[np.uint8], degrees: NDArray[np.float32], factors: NDArray[np.float32]) -> NDArray[np.uint8]:
    tensor = torch.from_numpy(images).unsqueeze(1)
    result = rotate_and_contrast(tensor, torch.from_numpy(degrees), torch.from_numpy(factors))
    assert result.dtype == torch.uint8
    assert result.shape == tensor.shape
    pixels: NDArray[np.uint8] = result.squeeze(1).numpy()
    return pixels


@pytest.mark.parametrize("side", [32, 101])
def test_equal_angles_and_factors_give_the_references_images(side: int) -> None:
    rng = np.random.default_rng(side)
    images = rng.integers(0, 256, (40, side, side), dtype=np.uint8)
    plan = AugmentationPlan(Augmentation(rotation_degrees=180, contrast=0.4), "epoch", 0, 0)
    degrees, factors = plan.draw(len(images), epoch=0)
    degrees[:4], factors[4:6] = [-180, -90, 0, 180], [1, 0.5]
    theirs = [
        reference(image, float(angle), float(factor))
        for image, angle, factor in zip(images, degrees, factors, strict=True)
    ]
    off = np.abs(changed(images, degrees, factors).astype(int) - np.stack(theirs))
    assert off.mean() < 0.01
    assert (off > 2).mean() < 1e-4


def test_no_angle_and_no_contrast_change_nothing() -> None:
    images = np.random.default_rng(0).integers(0, 256, (9, 100, 100), dtype=np.uint8)
    plan = AugmentationPlan(Augmentation(rotation_degrees=0, contrast=0), "epoch", 0, 0)
    assert np.array_equal(changed(images, *plan.draw(9, epoch=3)), images)


def test_angles_and_factors_are_distributed_as_albumentations_draws_them() -> None:
    change = Augmentation(rotation_degrees=50, contrast=0.3)
    rotation, contrast = steps_of(change)
    theirs = []
    for _ in range(DRAWS):
        matrix = rotation.get_params_dependent_on_data({"shape": (8, 8)}, {})["matrix"]
        factor = contrast.get_params_dependent_on_data({}, {"image": np.zeros((8, 8), np.uint8)})["alpha"]
        theirs.append((math.degrees(math.atan2(matrix[0, 1], matrix[0, 0])), factor))
    ours = np.stack(AugmentationPlan(change, "epoch", 0, 0).draw(DRAWS, epoch=0), axis=1)
    for column, width in enumerate((100, 0.6)):
        assert stats.ks_2samp(ours[:, column], np.array(theirs)[:, column]).pvalue > 0.05
        assert np.ptp(ours[:, column]) == pytest.approx(width, rel=0.01)
    assert stats.spearmanr(ours).pvalue > 0.05


def test_images_are_distributed_as_those_of_albumentations() -> None:
    image = np.random.default_rng(4).integers(0, 200, (16, 16), dtype=np.uint8)
    image[:8] //= 3
    change = Augmentation(rotation_degrees=180, contrast=0.3)
    theirs = np.stack([change(image, seed=seed) for seed in range(DRAWS)])
    ours = changed(np.stack([image] * DRAWS), *AugmentationPlan(change, "epoch", 0, 2).draw(DRAWS, epoch=0))
    for number in (np.mean, np.std, np.max):
        assert stats.ks_2samp(number(ours, axis=(1, 2)), number(theirs, axis=(1, 2))).pvalue > 0.05
    assert stats.ks_2samp(ours[:, 3, 10], theirs[:, 3, 10]).pvalue > 0.05
    deviation = np.sqrt((ours.var(axis=0) + theirs.var(axis=0)) / DRAWS)
    assert np.abs((ours.mean(axis=0) - theirs.mean(axis=0)) / deviation).max() < 4.5  # the largest of 256 deviates


def test_each_part_of_the_key_gives_other_draws_and_the_number_of_images_does_not() -> None:
    change = Augmentation(rotation_degrees=180, contrast=0.2)
    first = AugmentationPlan(change, "epoch", 0, 0).draw(5, epoch=0)
    for seed, fold, epoch in ((1, 0, 0), (0, 1, 0), (0, 0, 1)):
        other = AugmentationPlan(change, "epoch", seed, fold).draw(5, epoch=epoch)
        assert not np.isin(other, first).any()
    longer = AugmentationPlan(change, "epoch", 0, 0).draw(9, epoch=0)
    assert np.array_equal(np.stack(longer)[:, :5], np.stack(first))
