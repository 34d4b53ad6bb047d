"""A saliency map laid over its scan, to look at."""

import cv2
import numpy as np
from numpy.typing import NDArray

COLOURS = cv2.applyColorMap(np.arange(256, dtype=np.uint8)[None], cv2.COLORMAP_PLASMA)[0, :, ::-1]
"""Red, green and blue of each level: a perceptually uniform scale that also rises in lightness, told apart by
colour-blind readers, and without the greys of a scan."""

MOST_SIDE = 1024
"""Pixels of an overlay's longer side: larger scans are reduced, so that no picture takes more than a few MB."""


def overlay(scan: NDArray[np.uint8], saliency: NDArray[np.float32], *, opacity: float = 0.65) -> NDArray[np.uint8]:
    """Paint a map over a scan: the more salient a place, the less the scan shines through.

    Args:
        scan: Grey values, uint8 of shape (height, width), of any size and proportions.
        saliency: float32 of shape (side, side), 0 to 1, of the scan stretched to a square.
        opacity: Of the colour where the map is 1.

    Returns:
        uint8 of shape (height, width, 3), red, green and blue, reduced to ``MOST_SIDE``.
    """
    grey = reduced(scan)
    layer = heat(saliency, (grey.shape[0], grey.shape[1]))
    share = layer[..., 3:].astype(np.float32) * np.float32(opacity / 255)
    base = grey[..., None].astype(np.float32)
    return np.rint(base + (layer[..., :3] - base) * share).astype(np.uint8)


def heat(saliency: NDArray[np.float32], shape: tuple[int, int]) -> NDArray[np.uint8]:
    """Return a map as a layer of its own, uint8 of shape (*shape, 4): colours, and the same level as their opacity.

    The level is the map's square root: most of what a map shows is far below its peak and would not be seen.

    Args:
        saliency: float32 of shape (side, side), 0 to 1.
        shape: Height and width wanted.
    """
    stretched = cv2.resize(saliency, shape[::-1], interpolation=cv2.INTER_LINEAR)
    levels = np.rint(np.sqrt(np.clip(stretched, 0, 1)) * 255).astype(np.uint8)
    return np.dstack([COLOURS[levels], levels])


def reduced(scan: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return a scan no larger than ``MOST_SIDE`` on its longer side."""
    scale = MOST_SIDE / max(scan.shape)
    if scale >= 1:
        return scan
    small = cv2.resize(scan, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return np.asarray(small, dtype=np.uint8)
