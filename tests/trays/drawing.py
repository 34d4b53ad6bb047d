"""Trays drawn from known places: every pixel is asked which unit it lies in."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

SPECTRUM = np.array(
    [
        (0, 0, 0), (0, 0, 255), (0, 255, 255), (0, 255, 0), (192, 255, 0), (255, 255, 0), (255, 191, 0), (255, 0, 0),
        (192, 192, 192),
    ],
    dtype=np.uint8,
)  # fmt: skip
"""Colours of a real scanner from low to high amplitude."""

BACKGROUND, BODY, END, SPOT = 8, 7, 0, 3
"""Levels of the palette."""

Place = tuple[float, float, float]
"""Centre x and y in pixels, and direction in degrees clockwise."""


def draw(shape: tuple[int, int], places: Sequence[Place], *, long: float = 36, short: float = 24) -> NDArray[np.uint8]:
    """Return levels of the palette, uint8 of ``shape``: bodies with dark ends along the long side, and a spot."""
    levels = np.full(shape, BACKGROUND, dtype=np.uint8)
    down, right = np.mgrid[: shape[0], : shape[1]]
    for x, y, angle in places:
        turn = np.deg2rad(angle)
        along = (right - x) * np.cos(turn) + (down - y) * np.sin(turn)
        across = (down - y) * np.cos(turn) - (right - x) * np.sin(turn)
        inside = (np.abs(along) <= long / 2) & (np.abs(across) <= short / 2)
        levels[inside] = BODY
        levels[inside & (np.abs(along) > long / 2 - 6)] = END
        levels[inside & (np.hypot(along, across) < 4)] = SPOT
    return levels


def grid(
    rows: int,
    columns: int,
    tilt: float,
    *,
    pitch: tuple[float, float] = (34, 44),
    missing: Sequence[tuple[int, int]] = (),
) -> dict[tuple[int, int], Place]:
    """Return the places of a tray in line, turned by ``tilt`` degrees clockwise, by row and column from 1."""
    turn = np.deg2rad(tilt)
    across, depth = (np.arange(columns) - (columns - 1) / 2) * pitch[1], (np.arange(rows) - (rows - 1) / 2) * pitch[0]
    return {
        (row + 1, column + 1): (
            200 + across[column] * np.cos(turn) - depth[row] * np.sin(turn),
            180 + across[column] * np.sin(turn) + depth[row] * np.cos(turn),
            tilt,
        )
        for row in range(rows)
        for column in range(columns)
        if (row + 1, column + 1) not in missing
    }


def noisy_grey(levels: NDArray[np.uint8], seed: int = 0) -> NDArray[np.uint8]:
    """Return levels as a grey scan: dark background, unit sides by brightness, noise of 4 grey levels."""
    bright = np.array([90, 0, 0, 200, 0, 0, 0, 150, 30], dtype=np.float64)[levels]
    noise = np.random.default_rng(seed).normal(0, 4, levels.shape)
    return np.rint(bright + noise).clip(0, 255).astype(np.uint8)
