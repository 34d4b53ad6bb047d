"""A picture of a tray with a box and a caption on every unit."""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from csam_lightning.data.palette import Pixels
from csam_lightning.trays.boxes import Box
from csam_lightning.trays.tray import Tray

Colour = tuple[int, int, int]

GREEN: Colour = (0, 110, 40)
ORANGE: Colour = (230, 90, 0)
SHORT_SIDE = 48  # pixels of a unit's short side in the picture: room for two lines of three digits
MOST_PIXELS = 100_000_000  # of a picture; larger trays get smaller captions
PALE = 0.45  # share of the scan's contrast that is left beneath the captions
FONT = cv2.FONT_HERSHEY_SIMPLEX
DIGIT_HEIGHT = 22  # pixels of the font's digits at scale 1


def paint_numbers(tray: Tray) -> Pixels:
    """Paint boxes with row above column on the units, and orange boxes without on what is left out.

    Returns:
        uint8 of shape (height, width, 3), red, green and blue.
    """
    captions = [f"{unit.row}\n{unit.column}" for unit in tray.units]
    left_out = (*tray.at_edge, *tray.pieces)
    return paint(
        tray,
        [*(unit.box for unit in tray.units), *left_out],
        [*captions, *("" for _ in left_out)],
        [*(GREEN for _ in captions), *(ORANGE for _ in left_out)],
    )


def paint(tray: Tray, boxes: Sequence[Box], captions: Sequence[str], colours: Sequence[Colour]) -> Pixels:
    """Paint boxes with captions on a tray's scan, made pale.

    Args:
        tray: The tray.
        boxes: Where to paint.
        captions: Of one or two lines, centred in their boxes.
        colours: Red, green and blue of each box and its caption.

    Returns:
        uint8 of shape (height, width, 3), red, green and blue, scaled so that captions can be read.
    """
    scale = min(SHORT_SIDE / min(tray.shape), float(np.sqrt(MOST_PIXELS / tray.grey.size)))
    interpolation = cv2.INTER_AREA if scale < 1 else cv2.INTER_NEAREST
    small = cv2.resize(tray.grey, None, fx=scale, fy=scale, interpolation=interpolation)
    pale = np.rint(255 - PALE * (255 - np.arange(256))).astype(np.uint8)
    picture = cv2.cvtColor(cv2.LUT(small, pale), cv2.COLOR_GRAY2RGB).astype(np.uint8)
    size = scale * min(tray.shape)
    for box, caption, colour in zip(boxes, captions, colours, strict=True):
        corners = np.rint((box.corners() + 0.5) * scale - 0.5).astype(np.int32)
        cv2.polylines(picture, [corners], isClosed=True, color=colour, thickness=max(1, round(size / 24)))
        _write(picture, caption, (np.array([box.x, box.y]) + 0.5) * scale, size, colour)
    return picture


def _write(picture: Pixels, caption: str, centre: NDArray[np.float64], size: float, colour: Colour) -> None:
    """Write the lines of a caption around ``centre`` (x, y), each a third of ``size`` pixels high."""
    lines = caption.split("\n")
    font_scale = size / 3 / DIGIT_HEIGHT
    for index, line in enumerate(lines):
        (width, height), _ = cv2.getTextSize(line, FONT, font_scale, 1)
        x = round(centre[0] - width / 2)
        y = round(centre[1] + height / 2 + (index - (len(lines) - 1) / 2) * size * 0.42)
        cv2.putText(picture, line, (x, y), FONT, font_scale, colour, 1, cv2.LINE_AA)
