import numpy as np
import pytest
from scipy import ndimage

from csam_lightning.saliency import scoring

MASK = np.zeros((1, 10, 10), bool)
MASK[0, 2:6, 2:7] = True  # 20 of 100 pixels


def peaked(row: int, column: int) -> scoring.Maps:
    one = np.zeros((1, 10, 10), np.float32)
    one[0, row, column] = 1
    return one


@pytest.mark.parametrize(
    ("row", "column", "tolerance", "hit"),
    [(2, 2, 0, 1), (1, 2, 0, 0), (1, 2, 1, 1), (1, 1, 1, 0), (1, 1, 2, 1), (8, 4, 2, 0), (8, 4, 3, 1)],
)
def test_pointing_counts_the_greatest_value_within_the_tolerance(
    row: int, column: int, tolerance: int, hit: float
) -> None:
    assert scoring.pointing(peaked(row, column), MASK, tolerance=tolerance) == [hit]


def test_pointing_at_several_equal_places_counts_their_share() -> None:
    maps = peaked(2, 2) + peaked(3, 3) + peaked(9, 9) + peaked(0, 9)
    assert scoring.pointing(maps, MASK, tolerance=0) == [0.5]


def test_widening_adds_what_a_distance_transform_says_is_near() -> None:
    masks = np.random.default_rng(0).random((3, 40, 40)) < 0.01
    for tolerance in (0, 1, 2, 5):
        near = [ndimage.distance_transform_edt(~mask) <= tolerance for mask in masks]
        np.testing.assert_array_equal(scoring.widened(masks, tolerance), near)


def test_overlap_takes_as_many_pixels_as_the_mask_has() -> None:
    full, shifted = MASK.astype(np.float32), np.roll(MASK, 2, axis=2).astype(np.float32)  # 12 of 20 pixels in common
    noise = np.random.default_rng(0).random((1, 10, 10), dtype=np.float32) / np.float32(10)
    assert scoring.overlap(full + noise, MASK) == [1]
    assert scoring.overlap(shifted + noise, MASK) == pytest.approx(12 / 28)
    assert scoring.overlap(np.float32(1) - full + noise, MASK) == [0]
    assert scoring.overlap_above(shifted + noise, MASK, 1.0) == pytest.approx(12 / 28)
    assert scoring.overlap_above(shifted + noise, MASK, 0.0) == pytest.approx(20 / 100)
    assert scoring.overlap_above(shifted + noise, MASK, 2.0) == [0]


def test_inside_is_the_share_of_the_sum() -> None:
    maps = 3 * peaked(3, 3) + peaked(0, 0)
    assert scoring.inside(maps, MASK) == [0.75]
    assert scoring.inside(0 * maps, MASK) == pytest.approx(0.2)


def test_maps_that_know_nothing_score_as_chance_in_closed_form() -> None:
    """For an area share of q: q in pointing and in energy, q / (2 − q) in overlap; with noise, on average."""
    share = 0.2
    flat = np.ones((1, 10, 10), np.float32)
    noise = np.random.default_rng(0).random((4000, 10, 10)).astype(np.float32)
    masks = np.repeat(MASK, len(noise), axis=0)
    assert scoring.area(MASK) == pytest.approx(share)
    for maps, mask, near in ((flat, MASK, 1e-9), (noise, masks, 0.02)):
        assert scoring.pointing(maps, mask, tolerance=0).mean() == pytest.approx(share, abs=near)
        assert scoring.inside(maps, mask).mean() == pytest.approx(share, abs=near)
        assert scoring.overlap(maps, mask).mean() == pytest.approx(share / (2 - share), abs=near)


def test_the_interval_of_independent_scans_is_the_normal_one_and_of_copies_is_as_wide_as_without_them() -> None:
    values = np.random.default_rng(0).normal(5, 2, 400)
    own = np.array([f"p{number}" for number in range(400)])
    found = scoring.interval(values, own)
    half = 1.96 * values.std() / 20
    assert found == pytest.approx((values.mean(), values.mean() - half, values.mean() + half), abs=0.03)
    copied = scoring.interval(np.tile(values, 5), np.tile(own, 5))
    assert copied == pytest.approx(found, abs=0.03)
