"""Random streams that depend on what is drawn, never on the order in which it is drawn."""

from zlib import crc32

import cv2
import numpy as np
from numpy.typing import NDArray


def stream(seed: int, *key: str | int) -> np.random.Generator:
    """Return the generator of ``key``, for example ``stream(0, "scan", "Ag-001", 100)``."""
    words = [crc32(part.encode()) if isinstance(part, str) else part for part in key]
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=words))


def between(rng: np.random.Generator, pair: list[float]) -> float:
    """Draw one number uniformly from ``[least, greatest]``."""
    return float(rng.uniform(pair[0], pair[1]))


def smooth_field(rng: np.random.Generator, side: int, grain_px: float) -> NDArray[np.float32]:
    """Return a (side, side) random field of zero mean and unit variance whose bumps are ``grain_px`` pixels wide.

    Noise on a coarse grid, smoothed there and enlarged: as quick for wide grains as for narrow ones.
    """
    step = max(1.0, grain_px / 3)
    coarse = int(np.ceil(side / step)) + 4
    noise = cv2.GaussianBlur(rng.standard_normal((coarse, coarse), dtype=np.float32), (0, 0), grain_px / step / 2.355)
    noise = (noise - noise.mean()) / max(float(noise.std()), 1e-6)
    enlarged = cv2.resize(noise, None, fx=step, fy=step, interpolation=cv2.INTER_CUBIC)
    return np.asarray(enlarged[:side, :side], dtype=np.float32)
