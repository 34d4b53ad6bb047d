"""Maps that know no network: what a saliency map must beat to be worth looking at."""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Maps = NDArray[np.float32]

LEAST = 1.0
"""Contrast, in grey levels, below which a map is not stretched to 1: what a blank scan has is rounding errors."""


def edges(scans: NDArray[np.uint8], *, blur: float = 1.0, smooth: float = 2.0) -> Maps:
    """Return the magnitude of the Sobel gradient, smoothed so that the densest edges stand out, 0 to 1.

    Args:
        scans: uint8 of shape (scans, side, side).
        blur: Standard deviation of the Gaussian before the gradient, pixels: against speckle.
        smooth: The same after it.
    """
    return _scaled([cv2.GaussianBlur(_gradient(blurred), (0, 0), smooth) for blurred in _blurred(scans, blur)])


def brightness(scans: NDArray[np.uint8], *, blur: float = 1.0) -> Maps:
    """Return the grey values, blurred against speckle, 0 to 1: delaminated metal echoes more than bonded metal."""
    return _scaled(_blurred(scans, blur))


def _blurred(scans: NDArray[np.uint8], blur: float) -> list[Maps]:
    return [np.asarray(cv2.GaussianBlur(scan.astype(np.float32), (0, 0), blur)) for scan in scans]


def _gradient(scan: Maps) -> Maps:
    across, down = cv2.Sobel(scan, cv2.CV_32F, 1, 0), cv2.Sobel(scan, cv2.CV_32F, 0, 1)
    return np.asarray(np.hypot(across, down), dtype=np.float32)


def _scaled(maps: list[NDArray[Any]]) -> Maps:
    stack = np.stack(maps).astype(np.float32)
    stack -= stack.min(axis=(1, 2), keepdims=True)
    stack /= np.maximum(stack.max(axis=(1, 2), keepdims=True), LEAST)
    return stack
