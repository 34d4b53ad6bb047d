"""Where a unit lies on a tray: a rectangle of any direction."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

NEARLY_SQUARE = 1.1  # long side over short side below which the long side says nothing of the direction
ALIKE = 1 / 6  # relative difference of sides up to which two units are of one size


@dataclass(frozen=True)
class Box:
    """A rotated rectangle on a scan.

    Attributes:
        x: Its centre, pixels from the centre of the leftmost ones.
        y: Its centre, pixels from the centre of the topmost ones, downwards.
        width: The side that lies in the direction ``angle``, pixels.
        height: The other side, pixels.
        angle: Direction of the width, degrees clockwise from the right: the unit stands upright once it is turned
            counter-clockwise by so much.
    """

    x: float
    y: float
    width: float
    height: float
    angle: float

    def corners(self) -> NDArray[np.float64]:
        """Return the corners clockwise from the unit's top left, float64 (x, y) of shape (4, 2)."""
        along, down = axes(self.angle)
        half = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) / 2
        centre = np.array([self.x, self.y])
        corners: NDArray[np.float64] = centre + half[:, :1] * self.width * along + half[:, 1:] * self.height * down
        return corners

    def reaches_edge(self, shape: tuple[int, ...]) -> bool:
        """Tell whether it reaches the outermost pixels of a scan of ``shape`` (height, width), or beyond."""
        corners = self.corners()
        return bool((corners <= 0).any() or (corners >= np.array(shape[1::-1]) - 1).any())


@dataclass(frozen=True)
class Size:
    """Sides of a tray's typical unit, pixels, the longer first."""

    long: float
    short: float

    @property
    def area(self) -> float:
        """Square pixels."""
        return self.long * self.short

    @property
    def nearly_square(self) -> bool:
        """Whether the longer side says nothing of a unit's direction."""
        return self.long < NEARLY_SQUARE * self.short


def alike(box: Box, size: Size) -> bool:
    """Tell whether a box is a whole unit of a size; its width is the longer side."""
    return abs(box.width / size.long - 1) < ALIKE and abs(box.height / size.short - 1) < ALIKE


def larger(box: Box, size: Size) -> bool:
    """Tell whether a box is too long or too broad to be one unit of a size; its width is the longer side."""
    return box.width > (1 + ALIKE) * size.long or box.height > (1 + ALIKE) * size.short


def axes(angle: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the unit vectors (x, y) along and, clockwise from it, across a direction in degrees clockwise."""
    turn = np.deg2rad(angle)
    return np.array([np.cos(turn), np.sin(turn)]), np.array([-np.sin(turn), np.cos(turn)])


def box_around(points: NDArray[np.int32]) -> Box:
    """Return the smallest box around pixels, its width being the longer side.

    Args:
        points: Pixels, int32 (x, y) of shape (points, 1, 2), as OpenCV's contours are.
    """
    rectangle = cv2.minAreaRect(points)
    first, second, third, _ = cv2.boxPoints(rectangle).astype(np.float64)
    sides = sorted((second - first, third - second), key=np.linalg.norm)
    short, long = (float(np.linalg.norm(side)) + 1 for side in sides)  # from pixels' centres to their outer edges
    angle = float(np.rad2deg(np.arctan2(sides[1][1], sides[1][0])))
    return Box(float(rectangle[0][0]), float(rectangle[0][1]), long, short, fold(angle, 180))


def fold(angle: float, period: float) -> float:
    """Return the angle within half a ``period`` of zero that is equal to ``angle`` but for whole periods, degrees."""
    return period / 2 - (period / 2 - angle) % period


def upright(boxes: list[Box], size: Size) -> list[Box]:
    """Return the boxes turned so that units come out alike and as near to how they lie as can be.

    Oblong units all stand or all lie, as most of them do on the tray; nearly square ones turn by 45 degrees at most.
    Which of the two ends of a unit is up cannot be told from its outline.

    Args:
        boxes: Boxes whose width is the longer side, as :func:`box_around` returns them.
        size: The typical unit.
    """
    if size.nearly_square:
        return [_turned(box, quarter=abs(fold(box.angle, 180)) > 45) for box in boxes]  # noqa: PLR2004 -- degrees
    standing = 2 * sum(abs(box.angle) > 45 for box in boxes) > len(boxes)  # noqa: PLR2004 -- degrees
    return [_turned(box, quarter=standing) for box in boxes]


def _turned(box: Box, *, quarter: bool) -> Box:
    if not quarter:
        return box
    return Box(box.x, box.y, box.height, box.width, fold(box.angle - 90, 180))
