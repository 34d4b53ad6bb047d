"""Taking apart units that touch.

All units of a tray are of one size, so a heap of them is a set of rectangles of that size. They are taken off the heap
one by one: the next is where a rectangle, tried at every place and in every direction, is filled best while a narrow
rim around it is least so. Its free sides give it away: a rectangle that straddles two units has none where they touch.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from csam_lightning.trays.boxes import Box, Size
from csam_lightning.trays.patches import Patch, opened, patches_of

SHORT_SIDE = 20  # pixels that a unit's short side is scaled down to: enough to tell directions, and quick
STEP = 3  # degrees between the directions tried
RIM = 2  # pixels around the rectangle that should be empty
FILLED = 0.8  # share of a rectangle that is covered where a unit lies


def separate(patch: Patch, size: Size) -> tuple[list[Box], list[Patch]]:
    """Return the units that a patch is made of, their width being the longer side, and what is left of it.

    Args:
        patch: Units that touch.
        size: The typical unit, a little smaller than which each of them is taken to be.
    """
    mask, (left, top) = patch.mask(size)
    scale = min(1.0, SHORT_SIDE / size.short)
    small = cv2.resize(mask, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) if scale < 1 else mask
    boxes, rest = _peel(small.astype(np.float32), Size(size.long * scale, size.short * scale))
    units = [
        Box(
            (box.x + 0.5) / scale - 0.5 + left,
            (box.y + 0.5) / scale - 0.5 + top,
            size.long,
            size.short,
            box.angle,
        )
        for box in boxes
    ]
    rest = cv2.resize(rest, (mask.shape[1], mask.shape[0]), interpolation=cv2.INTER_NEAREST).astype(np.float32)
    return units, patches_of(opened((rest > 0.5).astype(np.uint8), 3), offset=(left, top))  # noqa: PLR2004 -- half


@dataclass(frozen=True)
class _Template:
    """A unit in one direction, float32 of shape (side, side): what should be filled, and what should be empty."""

    angle: float
    unit: NDArray[np.float32]
    rim: NDArray[np.float32]

    @property
    def reach(self) -> int:
        """Pixels from its centre to its edge."""
        return len(self.unit) // 2


def _templates(size: Size) -> list[_Template]:
    reach = int(np.ceil(np.hypot(size.long, size.short) / 2)) + RIM + 1
    down, right = np.mgrid[-reach : reach + 1, -reach : reach + 1].astype(np.float64)
    templates = []
    for angle in np.arange(0, 180, STEP).tolist():
        cosine, sine = np.cos(np.deg2rad(angle)), np.sin(np.deg2rad(angle))
        beyond_long = np.abs(right * cosine + down * sine) - size.long / 2
        beyond_short = np.abs(down * cosine - right * sine) - size.short / 2
        beyond = np.maximum(beyond_long, beyond_short)
        unit, grown = np.clip(0.5 - beyond, 0, 1), np.clip(0.5 + RIM - beyond, 0, 1)
        templates.append(_Template(float(angle), unit.astype(np.float32), (grown - unit).astype(np.float32)))
    return templates


def _peel(mask: NDArray[np.float32], size: Size) -> tuple[list[Box], NDArray[np.float32]]:
    """Take units off a heap until none is left; return them, and what is left of the heap."""
    templates = _templates(size)
    reach = templates[0].reach
    left = cv2.copyMakeBorder(mask, reach, reach, reach, reach, cv2.BORDER_CONSTANT, value=0).astype(np.float32)
    scores = _scores(left, templates)
    found = []
    while True:
        turn, y, x = (int(index) for index in np.unravel_index(int(scores.argmax()), scores.shape))
        if scores[turn, y, x] == -np.inf:
            break
        template = templates[turn]
        found.append(Box(float(x - reach), float(y - reach), size.long, size.short, template.angle))
        here = left[y - reach : y + reach + 1, x - reach : x + reach + 1]
        here *= 1 - np.minimum(1, template.unit + template.rim / RIM)
        rows, columns = (slice(max(0, at - 2 * reach), at + 2 * reach + 1) for at in (y, x))
        scores[:, rows, columns] = _scores(left, templates, rows, columns)
    return found, left[reach:-reach, reach:-reach]


def _scores(
    heap: NDArray[np.float32],
    templates: list[_Template],
    rows: slice = slice(None),
    columns: slice = slice(None),
) -> NDArray[np.float32]:
    """Return how well a unit fits, float32 of shape (templates, rows, columns); -inf where it does not."""
    reach = templates[0].reach
    height, width = heap.shape
    top, bottom, _ = rows.indices(height)
    first, last, _ = columns.indices(width)
    above, before = min(reach, top), min(reach, first)
    around = heap[top - above : bottom + reach, first - before : last + reach]
    inner = slice(above, above + bottom - top), slice(before, before + last - first)
    scores = np.empty((len(templates), bottom - top, last - first), dtype=np.float32)
    for score, template in zip(scores, templates, strict=True):
        filled, rim = (
            cv2.filter2D(around, cv2.CV_32F, kernel / kernel.sum(), borderType=cv2.BORDER_CONSTANT)[inner]
            for kernel in (template.unit, template.rim)
        )
        score[...] = np.where(filled >= FILLED, filled - rim / 2, -np.inf)
    return scores
