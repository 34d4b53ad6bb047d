"""What the colours of a scan mean: nothing, marks painted over grey, a palette of amplitudes, or a colour picture.

A pixel is coloured where its channels differ by more than ``TINT``, and strongly so from ``STRONG``. A picture is

- ``grey`` with fewer coloured pixels than ``FEW`` and none strongly coloured;
- ``marked`` where strongly coloured pixels lie on a grey scan: at most half of the picture is coloured, nearly
  all of the rest is truly grey (``GREY_REST`` of it within ``GREY_NOISE``, which no photograph is), and that rest is a
  scan: it holds many levels, see ``SCAN_LEVELS``, or the marks are few and of one hue;
- ``false colour`` where the levels of a palette are painted: the rest is truly grey as well but holds next to no
  levels; or most colours are strong and the picture holds as few as lie on a line through colour space;
- ``colour`` otherwise: a photograph, a tinted scan.

What lies beneath a mark is not known. It is filled from the grey around (Telea 2004, as OpenCV has it), or left as the
luma of the mark, which is dark for red and blue.
"""

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from csam_lightning.data.colour_rule import LUMA, ColourRule, Overlay
from csam_lightning.data.palette import TINT, Palette, Pixels, parse_palette, to_grey
from csam_lightning.errors import InputError

STRONG = 64  # difference of channels; paint of a quarter's opacity has it
FEW = 0.001  # share of the pixels
MOST_MARKED = 0.5  # share of the pixels
GREY_NOISE, GREY_REST = 8, 0.98  # difference of channels that JPEG leaves in grey, and the share of pixels within it
FAR = 16  # pixels from strongly coloured ones up to which JPEG, whose blocks of colours are so wide, spreads them
FEW_MARKED = 0.1  # share of the pixels
SCAN_LEVELS = 8.0, 24.0
"""Effective number of grey levels, the exponential of their entropy, of a scan with few marks and with many. A palette
has 1 to 3; scaled down or compressed as JPEG up to 11, and then more than ``FEW_MARKED`` is coloured."""
LINE = 150  # cells of colour space, 16 to a side, that a palette passes through at most
CELL_SHARE = 1 / 2000  # of the pixels, from which a cell counts
VIVID = 73  # median difference of channels of a palette's coloured pixels
AROUND = 2  # pixels around a mark that are filled besides: its edges are mixed with the scan
RADIUS = 3  # pixels around a filled one that it is computed from


Look: TypeAlias = Literal["grey", "marked", "false colour", "colour"]


@dataclass(frozen=True)
class Seen:
    """What a picture was seen to be.

    Attributes:
        look: See the module.
        marks: Pixels to fill, bool of shape (height, width), edges of marks included; None but for a marked picture.
    """

    look: Look
    marks: NDArray[np.bool_] | None = None

    @property
    def marked(self) -> float:
        """Share of the pixels that are to be filled."""
        return 0.0 if self.marks is None else float(self.marks.mean())


def look_at(pixels: Pixels, palette: Palette | None = None) -> Seen:
    """Return what a picture is.

    Args:
        pixels: uint8 of shape (height, width, 3), red, green and blue.
        palette: Colours known to stand for amplitudes, uint8 of shape (colours, 3): a picture of no others is in false
            colour, however few of them it holds.
    """
    if palette is not None and _holds_only(pixels, palette):
        return Seen("false colour")
    red, green, blue = (np.ascontiguousarray(pixels[..., channel]) for channel in range(3))
    spread = np.maximum(np.maximum(red, green), blue) - np.minimum(np.minimum(red, green), blue)
    counts = np.cumsum(np.bincount(spread.ravel(), minlength=256))
    coloured, strong = 1 - counts[TINT] / spread.size, counts[-1] - counts[STRONG - 1]
    if not strong:
        return Seen("colour" if coloured >= FEW else "grey")
    if coloured <= MOST_MARKED and _rest_is_grey(spread):
        if _is_scan(pixels, green, spread, float(coloured)):
            near = _grown(spread >= STRONG, FAR).astype(bool)
            return Seen("marked", _grown(near & (spread > TINT), AROUND).astype(bool))
        return Seen("false colour")
    vivid = coloured > FEW_MARKED and np.searchsorted(counts, (counts[-1] + counts[TINT]) / 2) >= VIVID
    return Seen("false colour" if vivid and _cells(red, green, blue) <= LINE else "colour")


def filled(grey: Pixels, marks: NDArray[np.bool_]) -> Pixels:
    """Return grey values, uint8 of shape (height, width), whose marked pixels are filled from those around.

    Only the surroundings of the marks are worked on, so that a small one on a large tray costs little.
    """
    import cv2

    result, joined = grey.copy(), _grown(marks, 2 * RADIUS)
    count, _, places, _ = cv2.connectedComponentsWithStats(joined)
    for left, top, width, height, _ in places[1:count].tolist():
        box = slice(top, top + height), slice(left, left + width)
        inside = cv2.inpaint(result[box], marks[box].astype(np.uint8), RADIUS, cv2.INPAINT_TELEA)
        result[box][marks[box]] = inside[marks[box]]
    return result


def grey_of(pixels: Pixels, luma: Pixels, rule: ColourRule, *, where: str) -> tuple[Pixels, Seen]:
    """Return grey values, uint8 of shape (height, width), by a rule, and what the picture is.

    Args:
        pixels: uint8 of shape (height, width, 3).
        luma: Its luma, uint8 of shape (height, width).
        rule: Its palette must not be ``spectrum``, which is a choice for many scans.
        where: Name of the scan, for messages.

    Raises:
        InputError: It has marks or is in false colour, and the rule refuses it.
    """
    colours = parse_palette(rule.palette) if isinstance(rule.palette, tuple) else None
    seen = look_at(pixels, colours)
    if colours is not None and seen.look in {"false colour", "colour"}:
        return to_grey(pixels, colours), Seen("false colour")
    if seen.look == "false colour" and rule.palette != LUMA:
        raise InputError("is in false colour", where=where, mend="export it in grey")
    if seen.marks is not None and rule.overlay == Overlay.error:
        raise InputError(f"has marks painted over {seen.marked:.1%} of it", where=where, mend="export it without them")
    if seen.marks is not None and rule.overlay == Overlay.inpaint:
        return filled(luma, seen.marks), seen
    return luma, seen


def _rest_is_grey(spread: NDArray[np.uint8]) -> bool:
    rest = spread[_grown(spread >= STRONG, FAR) == 0]
    return not rest.size or bool((rest <= GREY_NOISE).mean() >= GREY_REST)


def _is_scan(pixels: Pixels, green: Pixels, spread: NDArray[np.uint8], coloured: float) -> bool:
    """Return whether the grey part of a picture is a scan rather than the greys of a palette."""
    counts = np.bincount(green[spread <= TINT], minlength=256)
    shares = counts[counts > 0] / counts.sum()
    if np.exp(-(shares * np.log(shares)).sum()) >= SCAN_LEVELS[coloured > FEW_MARKED]:
        return True
    import cv2

    strong = pixels[spread >= STRONG][np.newaxis]
    hues = np.bincount((cv2.cvtColor(strong, cv2.COLOR_RGB2HSV)[0, :, 0].astype(int) + 15) % 180 // 30, minlength=6)
    return coloured <= FEW_MARKED and int((hues > 0).sum()) == 1


def _grown(mask: NDArray[np.bool_], reach: int) -> NDArray[np.uint8]:
    """Return 1 within so many pixels of a mask, along rows and columns, and 0 elsewhere, uint8 of its shape."""
    import cv2  # slow to load, and most data sets are grey

    return np.asarray(cv2.dilate(mask.astype(np.uint8), np.ones((2 * reach + 1,) * 2, np.uint8)), dtype=np.uint8)


def _cells(red: Pixels, green: Pixels, blue: Pixels) -> int:
    """Return how many cells of colour space, 16 to a side, a picture fills."""
    codes = ((red >> 4).astype(np.int32) << 8) | (green & 0xF0).astype(np.int32) | (blue >> 4)
    return int((np.bincount(codes.ravel(), minlength=4096) >= max(1, CELL_SHARE * red.size)).sum())


def _holds_only(pixels: Pixels, colours: Pixels) -> bool:
    """Return whether nearly all pixels have colours of a palette."""
    far = np.full(pixels.shape[:2], 255, dtype=np.uint8)
    for colour in colours:
        apart = np.abs(pixels.astype(np.int16) - colour).max(axis=2).astype(np.uint8)
        np.minimum(far, apart, out=far)
    return bool((far <= TINT).mean() >= GREY_REST)
