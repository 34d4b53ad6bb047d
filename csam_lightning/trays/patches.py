"""Connected patches of what differs from a tray's background."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from csam_lightning.trays.boxes import Box, Size, alike, box_around

Mask = NDArray[np.uint8]

HOLE = 0.3  # share of a unit up to which a hole belongs to a unit, and beyond lies between units
COMPLETE = 0.7  # share of a unit that its two halves cover, but for a lost scan line
SPECK = 0.05  # share of a unit below which something is no part of one


@dataclass(frozen=True)
class Patch:
    """A connected patch.

    Attributes:
        outline: Pixels along its outer edge, int32 (x, y) of shape (points, 1, 2).
        box: The smallest box around it, the width being the longer side.
        holes: Pixels along the edges of its holes, each as ``outline``.
    """

    outline: NDArray[np.int32]
    box: Box
    holes: tuple[NDArray[np.int32], ...] = ()

    @property
    def area(self) -> float:
        """What its outer edge encloses, square pixels."""
        return float(cv2.contourArea(self.outline))

    @property
    def bounds_area(self) -> float:
        """That of the smallest upright rectangle around it, square pixels."""
        _, _, width, height = cv2.boundingRect(self.outline)
        return float(width * height)

    def mask(self, size: Size) -> tuple[Mask, tuple[int, int]]:
        """Return the patch, uint8 0 or 1, with the holes of its units filled, and the (x, y) of its first pixel."""
        left, top, width, height = cv2.boundingRect(self.outline)
        mask = np.zeros((height, width), dtype=np.uint8)
        cv2.drawContours(mask, [self.outline], -1, 1, cv2.FILLED, offset=(-left, -top))
        between = [hole for hole in self.holes if cv2.contourArea(hole) > HOLE * size.area]
        cv2.drawContours(mask, between, -1, 0, cv2.FILLED, offset=(-left, -top))
        return mask, (left, top)

    def opened(self, size: Size, width: int) -> list["Patch"]:
        """Return the patches it falls into when all that is narrower than ``width`` pixels is taken away."""
        mask, offset = self.mask(size)
        return patches_of(opened(mask, width), offset=offset)


def opened(mask: Mask, width: int) -> Mask:
    """Return a mask, uint8 0 or 1, without what is narrower than ``width`` pixels, an odd number."""
    shape = cv2.MORPH_RECT if width <= 3 else cv2.MORPH_ELLIPSE  # noqa: PLR2004 -- OpenCV's smallest ellipse is a cross
    padded = cv2.copyMakeBorder(mask, width, width, width, width, cv2.BORDER_REPLICATE)
    kept = cv2.morphologyEx(padded, cv2.MORPH_OPEN, cv2.getStructuringElement(shape, (width, width)))
    return kept[width:-width, width:-width].astype(np.uint8)


def closed(mask: Mask, gap: int) -> Mask:
    """Return a mask, uint8 0 or 1, in which gaps of up to so many pixels, along rows and columns, are filled."""
    padded = cv2.copyMakeBorder(mask, gap, gap, gap, gap, cv2.BORDER_CONSTANT, value=0)
    filled = cv2.morphologyEx(padded, cv2.MORPH_CLOSE, np.ones((gap + 1, gap + 1), np.uint8))
    height, width = mask.shape
    return filled[gap : gap + height, gap : gap + width].astype(np.uint8)


def patches_of(mask: Mask, least_side: int = 1, offset: tuple[int, int] = (0, 0)) -> list[Patch]:
    """Return the connected patches of a mask, also those inside of another one's hole.

    Args:
        mask: uint8 0 or 1 of shape (height, width).
        least_side: Pixels of width and height below which a patch is passed over.
        offset: The (x, y) of the mask's first pixel on the scan.
    """
    outlines, tree = cv2.findContours(mask, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE, offset=offset)
    found: dict[int, NDArray[np.int32]] = {}
    holes: dict[int, list[NDArray[np.int32]]] = {}
    for index, outline in enumerate(outlines):
        parent, points = int(tree[0][index][3]), outline.astype(np.int32)
        if parent >= 0:
            holes.setdefault(parent, []).append(points)
        elif min(cv2.boundingRect(points)[2:]) >= least_side:
            found[index] = points
    return [Patch(points, box_around(points), tuple(holes.get(index, ()))) for index, points in found.items()]


def join_pieces(patches: list[Patch], size: Size) -> tuple[list[Box], list[Patch]]:
    """Join pieces that together are as large as a unit: one that a lost scan line has cut in two.

    Returns:
        The boxes of the units, their width being the longer side, and the patches that are no part of one.
    """
    left = {index: patch for index, patch in enumerate(patches) if patch.area > SPECK * size.area}
    if not left:
        return [], []
    names = list(left)
    tree = cKDTree([(left[name].box.x, left[name].box.y) for name in names])
    units = []
    for first, second in sorted(tree.query_pairs(size.long)):
        pair = names[first], names[second]
        if not all(name in left for name in pair):
            continue
        both = box_around(np.concatenate([left[name].outline for name in pair]))
        if alike(both, size) and sum(left[name].area for name in pair) > COMPLETE * size.area:
            units.append(both)
            for name in pair:
                del left[name]
    return units, list(left.values())
