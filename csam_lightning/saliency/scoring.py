"""How well saliency maps find what is known to be there.

Maps are float of shape (scans, side, side), masks bool of the same shape, each with at least one pixel. Scores are
float64 of shape (scans,). Where values tie, so that a score depends on which of the equal pixels is taken, it is the
mean over all ways to take them: a map that is the same everywhere scores as chance does.
"""

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

Maps = NDArray[np.float32]
Masks = NDArray[np.bool_]
Values = NDArray[np.float64]

RESAMPLES = 2000


def pointing(maps: Maps, masks: Masks, *, tolerance: int) -> Values:
    """Play the pointing game: 1 where the map's greatest value lies in the mask, else 0.

    Zhang et al., Top-down Neural Attention by Excitation Backprop, ECCV 2016.

    Args:
        maps: The maps.
        masks: What is to be found.
        tolerance: Pixels from the mask that still count as a hit.
    """
    greatest = maps == maps.max(axis=(1, 2), keepdims=True)
    return _share(greatest & widened(masks, tolerance), greatest)


def widened(masks: Masks, tolerance: int) -> Masks:
    """Return the masks with all pixels that are at most ``tolerance`` pixels away."""
    axis = np.arange(-tolerance, tolerance + 1)
    disc = (axis[:, None] ** 2 + axis[None, :] ** 2 <= tolerance**2).astype(np.uint8)
    return np.stack([np.asarray(cv2.dilate(mask.astype(np.uint8), disc)) > 0 for mask in masks])


def overlap(maps: Maps, masks: Masks) -> Values:
    """Return intersection over union of the mask and as many of the map's greatest pixels as the mask has."""
    return np.array([_overlap(one, mask) for one, mask in zip(maps, masks, strict=True)], dtype=np.float64)


def _overlap(one: NDArray[np.float32], mask: NDArray[np.bool_]) -> float:
    size = int(mask.sum())
    least = np.partition(one, one.size - size, axis=None)[one.size - size]
    above, tied = one > least, one == least
    common = (above & mask).sum() + (tied & mask).sum() * (size - above.sum()) / tied.sum()
    return float(common / (2 * size - common))


def overlap_above(maps: Maps, masks: Masks, threshold: float) -> Values:
    """Return intersection over union of the mask and the map's pixels that are not below ``threshold``."""
    chosen = maps >= threshold
    return _share(chosen & masks, chosen | masks)


def inside(maps: Maps, masks: Masks) -> Values:
    """Return the share of the map's sum that lies in the mask; for a map without any, the mask's share of the area."""
    total = maps.sum(axis=(1, 2), dtype=np.float64)
    within = (maps * masks).sum(axis=(1, 2), dtype=np.float64)
    return np.where(total > 0, within / np.where(total > 0, total, 1), area(masks))


def area(masks: Masks) -> Values:
    """Return the masks' shares of the image: what chance reaches in :func:`inside`.

    Chance reaches ``area(widened(masks, tolerance))`` in :func:`pointing`, and q / (2 − q) in :func:`overlap` for a
    share of q: of the q chosen, a share of q lies in the mask.
    """
    return np.asarray(masks.mean(axis=(1, 2)), dtype=np.float64)


class Interval(NamedTuple):
    """A mean and the ends of its interval."""

    mean: float
    low: float
    high: float


def interval(values: Values, packages: NDArray[np.str_], *, level: float = 0.95) -> Interval:
    """Return the mean of scores and its percentile bootstrap interval, resampling packages with all their scans.

    Args:
        values: Shape (scans,), at least one.
        packages: Package of each scan: scans of one are alike and count as one draw.
        level: Share of the resampled means within the interval.
    """
    _, owner = np.unique(packages, return_inverse=True)
    sums, counts = np.bincount(owner, weights=values), np.bincount(owner)
    drawn = np.random.default_rng(0).integers(len(sums), size=(RESAMPLES, len(sums)))
    means = sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(values.mean()), float(low), float(high))


def _share(part: Masks, whole: Masks) -> Values:
    return np.asarray(part.sum(axis=(1, 2)) / whole.sum(axis=(1, 2)), dtype=np.float64)
