"""Finding the units of a tray.

What differs from the background is taken for units; the background is the colour most frequent along the edge of the
scan. Most units lie apart, so the size in which most of what was found comes is the size of a unit. Whatever is
larger is several units that touch: narrow bridges between them are cut, and what still holds together is taken apart
(:mod:`csam_lightning.trays.separation`). Two pieces that together are as large as a unit are one that a lost scan line
has cut in two; any other piece is left out, and so is what the edge of the scan cuts off. Where nothing lies, nothing
is found.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from csam_lightning.data.palette import Pixels
from csam_lightning.errors import InputError
from csam_lightning.trays.boxes import ALIKE, Box, Size, alike, larger, upright
from csam_lightning.trays.patches import Patch, closed, join_pieces, patches_of
from csam_lightning.trays.separation import separate

FRAME = 0.02  # of the shorter side: the edge of the scan, where the background is looked for
CONTRAST = 24  # least difference from the background, of 255
NOISE = 6  # standard deviations of the background that a unit differs from it by
MIN_SIDE = 8  # pixels, as of every scan: below, nothing of a unit is left to see
BRIDGE = 5  # pixels: whatever is narrower, such as a scratch, holds no units together
PIECE = 0.25  # share of a unit below which something is a speck
MOST = 200  # units that would fill a heap's upright bounds, at most; anything larger is a frame or a clamp


@dataclass(frozen=True)
class Found:
    """What lies on a tray.

    Attributes:
        units: Boxes of the whole units, in no order.
        size: The typical unit.
        at_edge: Boxes of what the edge of the scan cuts off.
        pieces: Boxes of what is no whole unit: broken ones, and what could not be taken apart.
    """

    units: tuple[Box, ...]
    size: Size
    at_edge: tuple[Box, ...]
    pieces: tuple[Box, ...]


def find_units(pixels: Pixels, *, where: str, gap: int = 0) -> Found:
    """Find the units of a tray, whatever their directions.

    Args:
        pixels: The scan, uint8 of shape (height, width), or (height, width, 3) in colour.
        where: Name of the scan, for messages.
        gap: Pixels of background up to which two things are parts of one unit, as a package's leads are.

    Raises:
        InputError: There is no unit.
    """
    patches = patches_of(closed(_foreground(pixels), gap), MIN_SIDE // 2)
    size = _typical([patch.box for patch in patches])
    if size is None:
        raise InputError(
            "no unit is found",
            where=where,
            mend=f"a tray's units are {MIN_SIDE} pixels wide or more and apart from the background along its edge",
        )
    units: list[Box] = []
    left: list[Patch] = []
    for patch in patches:
        boxes, rest = _whole_units(patch, size)
        units += boxes
        left += rest
    joined, left = join_pieces(left, size)
    units += joined
    shape = pixels.shape[:2]
    pieces = [patch.box for patch in left if patch.area > PIECE * size.area]
    return Found(
        tuple(upright([box for box in units if not box.reaches_edge(shape)], size)),
        size,
        tuple(box for box in (*units, *pieces) if box.reaches_edge(shape)),
        tuple(box for box in pieces if not box.reaches_edge(shape)),
    )


def _foreground(pixels: Pixels) -> NDArray[np.uint8]:
    """Return what differs from the background, uint8 0 or 1 of shape (height, width), without specks and bridges."""
    channels = pixels[..., np.newaxis] if pixels.ndim == 2 else pixels  # noqa: PLR2004 -- height and width
    depth = max(1, round(FRAME * min(channels.shape[:2])))
    strips = channels[:depth], channels[-depth:], channels[:, :depth], channels[:, -depth:]
    frame = np.concatenate([strip.reshape(-1, channels.shape[2]) for strip in strips])
    background = _mode(frame)
    far = np.zeros(channels.shape[:2], dtype=np.uint8)
    for channel, level in enumerate(background.tolist()):
        np.maximum(far, cv2.absdiff(channels[..., channel], np.full_like(far, level)), out=far)
    spread = np.abs(frame.astype(np.int16) - background).max(axis=1)
    deviation = 1.4826 * float(np.median(spread))  # of a normal distribution, from its median deviation
    different = (far >= max(CONTRAST, NOISE * deviation)).astype(np.uint8)
    return cv2.morphologyEx(different, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8)).astype(np.uint8)


def _mode(colours: NDArray[np.uint8]) -> NDArray[np.int16]:
    """Return the most frequent of colours of shape (pixels, channels): the middle of the fullest of coarse bins."""
    codes = (colours >> 5).astype(np.int64) @ (8 ** np.arange(colours.shape[1]))
    fullest = np.bincount(codes).argmax()
    most: NDArray[np.int16] = np.median(colours[codes == fullest], axis=0).astype(np.int16)
    return most


def _typical(boxes: Sequence[Box]) -> Size | None:
    """Return the size in which most comes, measured by length; None without boxes that are large enough.

    What comes but once, as a frame around a few units does, is the typical size only where nothing comes twice.
    """
    sides = np.array([(box.width, box.height) for box in boxes if box.height >= MIN_SIDE]).reshape(-1, 2)
    if not len(sides):
        return None
    kins = [(np.abs(sides / one - 1) < ALIKE).all(axis=1) for one in sides[:: 1 + len(sides) // 500]]
    kin = max(kins, key=lambda kin: (kin.sum() > 1, float(sides[kin, 0].sum())))
    long, short = np.median(sides[kin], axis=0).tolist()
    return Size(long, short)


def _whole_units(patch: Patch, size: Size) -> tuple[list[Box], list[Patch]]:
    """Return the whole units of a patch, and what is left of it."""
    units: list[Box] = []
    left: list[Patch] = []
    for part in patch.opened(size, BRIDGE) if larger(patch.box, size) else [patch]:
        heap = larger(part.box, size) and part.bounds_area <= MOST * size.area
        boxes, rest = separate(part, size) if heap else ([], [part])
        units += [*boxes, *(other.box for other in rest if alike(other.box, size))]
        left += [other for other in rest if not alike(other.box, size)]
    return units, left
