import numpy as np
import pytest
from scipy import stats

from csam_lightning.data.augment import Augmentation, AugmentationPlan

IMAGE = np.random.default_rng(0).integers(0, 255, (48, 48), dtype=np.uint8)


def test_seed_decides_the_image() -> None:
    change = Augmentation(rotation_degrees=180, contrast=0.2)
    first = change(IMAGE, seed=1)
    change(IMAGE, seed=2)
    assert np.array_equal(first, change(IMAGE, seed=1))
    assert not np.array_equal(first, change(IMAGE, seed=2))
    assert first.shape == IMAGE.shape
    assert first.dtype == np.uint8


def test_nothing_asked_for_changes_nothing() -> None:
    assert np.array_equal(Augmentation(rotation_degrees=0, contrast=0)(IMAGE, seed=5), IMAGE)


def test_angle_and_contrast_are_independent() -> None:
    half = np.zeros((48, 48), dtype=np.uint8)
    half[:, :24] = 100
    change = Augmentation(rotation_degrees=80, contrast=0.2)
    images = [change(half, seed=seed).astype(float) for seed in range(400)]
    factors = [image.max() for image in images]
    axis = np.arange(48) - 23.5
    angles = [np.arctan2((image.T @ axis).sum(), -(image @ axis).sum()) for image in images]
    assert stats.spearmanr(angles, factors).pvalue > 0.05


def test_contrast_stretches_grey_values() -> None:
    flat = np.tile(np.array([100, 140], dtype=np.uint8), (40, 20))
    change = Augmentation(rotation_degrees=0, contrast=0.3)
    factors = [np.ptp(change(flat, seed=seed)) / 40 for seed in range(200)]
    assert 0.68 < min(factors) < 0.8
    assert 1.2 < max(factors) < 1.32
    assert np.mean(factors) == pytest.approx(1, abs=0.05)


def test_rotation_turns_by_up_to_the_limit() -> None:
    bar = np.zeros((61, 61), dtype=np.uint8)
    bar[30, 30:] = 255
    change = Augmentation(rotation_degrees=30, contrast=0)
    for seed in range(50):
        rows, columns = np.nonzero(change(bar, seed=seed) > 60)
        far = np.hypot(rows - 30, columns - 30) > 15
        angles = np.degrees(np.arctan2(rows[far] - 30, columns[far] - 30))
        inside = angles[np.abs(angles) < 90]
        assert np.abs(inside).max() <= 33


@pytest.mark.parametrize("changed", ["seed", "fold", "epoch", "scan", "copy"])
def test_each_part_of_the_key_gives_another_image(changed: str) -> None:
    change = Augmentation(rotation_degrees=180, contrast=0.2)
    key = {"seed": 0, "fold": 0, "epoch": 0, "scan": 0, "copy": 0}

    def image(**parts: int) -> np.ndarray:
        plan = AugmentationPlan(change, "epoch", parts["seed"], parts["fold"])
        return plan.image(IMAGE, scan=parts["scan"], copy=parts["copy"], epoch=parts["epoch"])

    assert not np.array_equal(image(**key), image(**{**key, changed: 1}))


def test_once_leaves_scans_alone_and_copies_the_same_every_epoch() -> None:
    plan = AugmentationPlan(Augmentation(rotation_degrees=180, contrast=0.2), "once", 0, 3)
    assert np.array_equal(plan.image(IMAGE, scan=4, copy=0, epoch=7), IMAGE)
    early, late = (plan.image(IMAGE, scan=4, copy=1, epoch=epoch) for epoch in (0, 9))
    assert np.array_equal(early, late)
    assert not np.array_equal(early, IMAGE)
