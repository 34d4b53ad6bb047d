"""False colour back to grey.

A scanner paints each pixel's amplitude with the colour of its level, so a scan in false colour holds few colours and
each stands for one level. Which colours those are is read from the image; in which order they stand is not written
anywhere, so it is inferred:

- Colours of which one is cold (from green to violet) stand in the order of the spectrum, from violet and blue over
  cyan, green and yellow to red, as in nearly every palette that scanners offer. Greys have no hue: dark ones stand
  below blue, where such palettes begin at no echo, light ones above red, where they end at saturation.
- Colours that are all warm, as in ``hot`` and ``copper``, stand in the order of brightness.
- Levels are spread evenly over 0 … 255 in that order.

An inferred order can be wrong: a scanner that shows the sign of the echo uses two palettes in one. A scan that was
scaled, blurred or compressed holds mixtures of its colours besides, which look like levels. Whoever knows the
palette names its colours from low to high amplitude, which is used as it is: each pixel takes the nearest.
"""

import colorsys
from collections.abc import Iterator, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from csam_lightning.errors import InputError

Pixels: TypeAlias = NDArray[np.uint8]
Palette: TypeAlias = NDArray[np.uint8]

MAX_COLOURS = 256  # levels of 8 bits
TINT = 16  # difference of channels from which a pixel is coloured rather than grey with noise
WARM = 70  # degrees of hue up to which a colour is warm: red to yellow
PINK = 325  # degrees of hue from which a colour is red again
LIGHT = 128  # luma from which a grey stands above the spectrum
SLAB = 4_000_000  # pixels worked on at a time


def find_palette(pixels: Pixels, *, where: str) -> Palette:
    """Return the colours of a scan from low to high amplitude, see the module's rules.

    Args:
        pixels: Scan in false colour, uint8 of shape (height, width, 3).
        where: Name of the scan, for messages.

    Returns:
        uint8 of shape (colours, 3).

    Raises:
        InputError: The scan holds more colours than a palette has.
    """
    present = _present(pixels)
    if len(present) > MAX_COLOURS:
        raise InputError(
            f"holds {len(present)} colours, more than a palette has",
            where=where,
            mend="export the scan anew, neither scaled nor compressed as JPEG, or name the colours from low to high: "
            "'palette=[\"#000000\",…]'",
        )
    return sort_colours(_colours(present).astype(np.uint8))


def sort_colours(colours: Palette) -> Palette:
    """Return colours, uint8 of shape (colours, 3), from low to high amplitude by the module's rules."""
    hue = _hue(colours)
    order = np.argsort(_luma(colours), kind="stable") if (hue <= WARM).all() else _by_hue(colours, hue)
    return colours[order]


def merge_palettes(palettes: Sequence[Palette]) -> Palette | None:
    """Return one palette for several scans, so that a colour is one grey value in all of them; None for no scan."""
    return sort_colours(np.unique(np.concatenate(palettes), axis=0)) if palettes else None


def parse_palette(names: Sequence[str], *, where: str = "palette") -> Palette:
    """Return colours, uint8 of shape (colours, 3), that a user named as ``#RRGGBB`` from low to high amplitude.

    Args:
        names: The colours.
        where: The setting, for messages.

    Raises:
        InputError: A name is no colour, a colour stands twice, or there are less than two.
    """
    mend = 'name two or more different colours from low to high, for example \'palette=["#000000","#ff0000"]\''
    digits = [name.removeprefix("#") for name in names]
    for name, text in zip(names, digits, strict=True):
        if len(text) != len("RRGGBB") or not set(text.lower()) <= set("0123456789abcdef"):
            raise InputError(f"'{name}' is no colour", where=where, mend=mend)
    colours = np.array([list(bytes.fromhex(text)) for text in digits], dtype=np.uint8).reshape(-1, 3)
    if not 1 < len(colours) <= MAX_COLOURS or len(np.unique(colours, axis=0)) < len(colours):
        raise InputError(f"{len(colours)} colours, not all different", where=where, mend=mend)
    return colours


def palette_names(palette: Palette) -> list[str]:
    """Return the colours as :func:`parse_palette` reads them."""
    return [f"#{bytes(colour.tolist()).hex()}" for colour in palette]


def to_grey(pixels: Pixels, palette: Palette) -> Pixels:
    """Return grey values, uint8 of shape (height, width): each pixel the level of the colour it is nearest to.

    Args:
        pixels: Scan in false colour, uint8 of shape (height, width, 3).
        palette: Colours from low to high amplitude, uint8 of shape (colours, 3).
    """
    present = _present(pixels)
    levels = np.rint(np.linspace(0, 255, len(palette))).astype(np.uint8)
    table = np.zeros(1 << 24, dtype=np.uint8)
    for chunk in np.array_split(present, 1 + len(present) // 100_000):
        far = [((_colours(chunk) - colour.astype(np.int64)) ** 2).sum(axis=1) for colour in palette]
        table[chunk] = levels[np.argmin(far, axis=0)]
    return np.concatenate([table[codes] for codes in _codes(pixels)])


def _codes(pixels: Pixels) -> Iterator[NDArray[np.int32]]:
    """Yield the colours as numbers 0xRRGGBB, some rows at a time, since a tray is large."""
    rows = 1 + SLAB // max(1, pixels.shape[1])
    for top in range(0, max(1, len(pixels)), rows):
        red, green, blue = (pixels[top : top + rows, ..., channel].astype(np.int32) for channel in range(3))
        yield (red << 16) | (green << 8) | blue


def _colours(codes: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.stack([codes >> 16, (codes >> 8) & 255, codes & 255], axis=-1)


def _present(pixels: Pixels) -> NDArray[np.int64]:
    """Return the distinct colours as numbers 0xRRGGBB."""
    return np.unique(np.concatenate([np.unique(codes) for codes in _codes(pixels)])).astype(np.int64)


def _hue(colours: Palette) -> NDArray[np.float64]:
    """Return hues in degrees from red, 0, over yellow, 60, to violet, 270; red as well for greys and for pink."""
    spread = np.ptp(colours.astype(np.int16), axis=1)
    hue = 360 * np.array([colorsys.rgb_to_hsv(*(colour / 255))[0] for colour in colours])
    return np.where((hue > PINK) | (spread <= TINT), 0, hue)


def _by_hue(colours: Palette, hue: NDArray[np.float64]) -> NDArray[np.int64]:
    luma = _luma(colours)
    grey = np.ptp(colours.astype(np.int16), axis=1) <= TINT
    rank = np.where(~grey, 1, np.where(luma < LIGHT, 0, 2))
    order: NDArray[np.int64] = np.lexsort((luma, -hue, rank))
    return order


def _luma(colours: Palette) -> NDArray[np.float64]:
    luma: NDArray[np.float64] = colours @ np.array([0.299, 0.587, 0.114])
    return luma
