"""A scan of many units, cut into them."""

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from csam_lightning.data.palette import Palette, Pixels, to_grey
from csam_lightning.trays.boxes import Box, axes
from csam_lightning.trays.finding import find_units
from csam_lightning.trays.numbering import number

MARGIN = 0.05  # of the sides, added on every side: an edge at the very rim of an image is easily lost


@dataclass(frozen=True)
class Unit:
    """A unit of a tray: its number, from 1 at the top left, and where it lies."""

    row: int
    column: int
    box: Box


@dataclass(frozen=True)
class Tray:
    """A tray's scan and what was found on it.

    Attributes:
        grey: The scan, uint8 of shape (height, width).
        false_colour: Whether its grey values are levels of a palette.
        units: The whole units, row by row.
        at_edge: Boxes of what the edge of the scan cuts off.
        pieces: Boxes of what is no whole unit.
        shape: Height and width of a unit's image, pixels.
        marks: Pixels that marks covered, bool of shape (height, width); None without.
    """

    grey: Pixels
    false_colour: bool
    units: tuple[Unit, ...]
    at_edge: tuple[Box, ...]
    pieces: tuple[Box, ...]
    shape: tuple[int, int]
    marks: NDArray[np.bool_] | None = None

    def marked(self) -> list[float]:
        """Return the share of each unit's pixels that marks covered, in the order of :attr:`units`."""
        if self.marks is None:
            return [0.0] * len(self.units)
        covered = self.marks.astype(np.uint8)
        return [float(straighten(covered, unit.box, self.shape, mix=False).mean()) for unit in self.units]

    def images(self) -> Iterator[Pixels]:
        """Yield each unit straightened, uint8 of shape :attr:`shape`, in the order of :attr:`units`."""
        for unit in self.units:
            yield straighten(self.grey, unit.box, self.shape, mix=not self.false_colour)


def cut_tray(
    pixels: Pixels,
    palette: Palette | None,
    *,
    where: str,
    gap: int = 0,
    marks: NDArray[np.bool_] | None = None,
) -> Tray:
    """Find and number the units of a tray.

    Args:
        pixels: The scan, uint8 of shape (height, width), or (height, width, 3) in colour.
        palette: Colours of scans in false colour from low to high amplitude, uint8 of shape (colours, 3); not used for
            a grey one.
        where: Name of the scan, for messages.
        gap: As :func:`csam_lightning.trays.finding.find_units`.
        marks: Pixels that marks covered, bool of shape (height, width); None without.

    Raises:
        InputError: There is no unit.
    """
    found = find_units(pixels, where=where, gap=gap)
    numbers = number(found.units)
    units = sorted(map(Unit, *zip(*numbers, strict=True), found.units), key=lambda unit: (unit.row, unit.column))
    box = found.units[0]
    width, height = found.size.long, found.size.short
    if found.size.nearly_square:
        height = width
    elif box.height > box.width:
        width, height = height, width
    false_colour = palette is not None and pixels.ndim > 2  # noqa: PLR2004 -- height and width
    if palette is not None and false_colour:
        grey = to_grey(pixels, palette)
    else:
        grey = pixels if pixels.ndim == 2 else cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY).astype(np.uint8)  # noqa: PLR2004
    shape = round(height * (1 + 2 * MARGIN)), round(width * (1 + 2 * MARGIN))
    return Tray(grey, false_colour, tuple(units), found.at_edge, found.pieces, shape, marks)


def straighten(grey: Pixels, box: Box, shape: tuple[int, int], *, mix: bool) -> Pixels:
    """Return the image of a unit turned upright, uint8 of ``shape``, at the scale of the scan.

    What reaches beyond the scan repeats its edge.

    Args:
        grey: The scan, uint8 of shape (height, width).
        box: Where the unit lies.
        shape: Height and width of the image, pixels; its centre is the box's.
        mix: Mix neighbouring pixels linearly, which overshoots nowhere. Otherwise each pixel is one of the scan's:
            levels of a palette have none in between, and a mixture of two would be a third.
    """
    height, width = shape
    along, down = axes(box.angle)
    reach = int(np.ceil(np.hypot(height, width) / 2)) + 2
    left, top = round(box.x) - reach, round(box.y) - reach
    rows = np.clip(np.arange(top, top + 2 * reach + 1), 0, grey.shape[0] - 1)
    columns = np.clip(np.arange(left, left + 2 * reach + 1), 0, grey.shape[1] - 1)
    around = grey[np.ix_(rows, columns)]
    turn = np.column_stack([along, down])
    start = np.array([box.x - left, box.y - top]) - turn @ np.array([(width - 1) / 2, (height - 1) / 2])
    flags = (cv2.INTER_LINEAR if mix else cv2.INTER_NEAREST) | cv2.WARP_INVERSE_MAP
    upright = cv2.warpAffine(around, np.column_stack([turn, start]), (width, height), flags=flags)
    return upright.astype(np.uint8, copy=False)
