"""What the colours of a scan mean, on painted scans, palettes and photographs."""

import io

import cv2
import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_sample_images

from csam_lightning.data.colour_rule import LUMA, ColourRule, Overlay
from csam_lightning.data.colours import filled, grey_of, look_at
from csam_lightning.data.palette import Pixels
from csam_lightning.errors import InputError
from tests.trays.drawing import SPECTRUM

COLOURS = {
    "red": (255, 0, 0),
    "green": (0, 255, 0),
    "blue": (0, 0, 255),
    "yellow": (255, 255, 0),
    "magenta": (255, 0, 255),
    "cyan": (0, 255, 255),
}
FILL = ColourRule(Overlay.inpaint, None)


def scan(side: int = 160) -> Pixels:
    """A textured grey scan: a dark background and a bright package, smooth noise on both."""
    noise = cv2.GaussianBlur(np.random.default_rng(0).normal(0, 60, (side, side)), (0, 0), 2)
    base = np.full((side, side), 50.0)
    base[side // 4 : -side // 4, side // 4 : -side // 4] = 150
    grey = (base + noise).clip(0, 255).astype(np.uint8)
    return np.repeat(grey[..., np.newaxis], 3, axis=2)


def painted(colour: tuple[int, int, int]) -> Pixels:
    """The scan with a thin circle, text, and a filled patch of 12 by 10 pixels painted on it."""
    picture = scan()
    cv2.circle(picture, (110, 50), 14, colour, 2, cv2.LINE_AA)
    cv2.putText(picture, "DEL", (20, 145), cv2.FONT_HERSHEY_SIMPLEX, 0.6, colour, 1, cv2.LINE_AA)
    picture[70:80, 60:72] = colour
    return picture


def as_jpeg(pixels: Pixels, quality: int = 80) -> Pixels:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=quality)
    return np.array(Image.open(file))


def luma(pixels: Pixels) -> Pixels:
    return np.array(Image.fromarray(pixels).convert("L"))


@pytest.mark.parametrize("quality", [None, 95, 60])
@pytest.mark.parametrize("colour", COLOURS.values(), ids=COLOURS)
def test_marks_of_every_colour_are_filled_from_around(colour: tuple[int, int, int], quality: int | None) -> None:
    plain = luma(scan()).astype(int)
    picture = painted(colour) if quality is None else as_jpeg(painted(colour), quality)
    grey, seen = grey_of(picture, luma(picture), FILL, where="scan")
    assert seen.look == "marked"
    assert seen.marks is not None
    assert seen.marks[70:80, 60:72].all()
    assert 0.02 < seen.marked < 0.15
    far = ~cv2.dilate(seen.marks.astype(np.uint8), np.ones((3, 3))).astype(bool)
    assert np.abs(grey - plain)[far].max() <= (0 if quality is None else 30)
    around = plain[66:84, 56:76]
    assert grey[70:80, 60:72].min() >= around.min() - 15
    assert grey[70:80, 60:72].max() <= around.max() + 15


def test_a_mark_changes_no_pixel_elsewhere() -> None:
    grey = luma(scan())
    marks = np.zeros(grey.shape, dtype=bool)
    marks[0:5, 150:160] = marks[80:90, 80:90] = True
    result = filled(grey, marks)
    assert np.array_equal(result[~marks], grey[~marks])
    assert (grey[80:90, 80:90] != result[80:90, 80:90]).any()
    assert np.ptp(filled(np.where(marks, 0, 90).astype(np.uint8), marks)) <= 4


def test_translucent_marks_and_flat_scans() -> None:
    picture = scan()
    picture[40:100, 40:100] = (0.6 * picture[40:100, 40:100] + 0.4 * np.array((255, 0, 0))).astype(np.uint8)
    assert look_at(picture).look == "marked"
    flat = np.full((64, 64, 3), 60, dtype=np.uint8)
    flat[16:48, 16:48], flat[20:26, 20:26] = 150, (255, 0, 0)
    assert look_at(flat).look == "marked"


@pytest.mark.parametrize("form", ["png", "jpeg", "reduced"])
@pytest.mark.parametrize("name", ["jet", "turbo", "viridis", "hot", "inferno", "rainbow", "coolwarm", "nine colours"])
def test_palettes_are_false_colour(name: str, form: str) -> None:
    from matplotlib import colormaps

    grey = luma(scan())
    levels = SPECTRUM[grey // 29]
    picture = levels if name == "nine colours" else (colormaps[name](grey)[..., :3] * 255).astype(np.uint8)
    if form == "reduced":
        picture = cv2.resize(picture, None, fx=0.6, fy=0.6, interpolation=cv2.INTER_AREA).astype(np.uint8)
    assert look_at(as_jpeg(picture) if form == "jpeg" else picture).look == "false colour"


def test_photographs_and_tinted_scans_are_colour() -> None:
    for photograph in load_sample_images().images:
        assert look_at(photograph).look == "colour"
        assert look_at(np.array(Image.fromarray(photograph).quantize(256).convert("RGB"))).look == "colour"
    assert look_at((scan() * np.array([1, 0.85, 0.6])).astype(np.uint8)).look == "colour"
    rusty = (scan() * np.array([1, 0.97, 0.9])).astype(np.uint8)
    rusty[40:70, 40:80] = (150, 75, 40)
    assert look_at(rusty).look == "colour"


def test_grey_that_is_stored_in_colour_is_grey() -> None:
    assert look_at(scan()).look == "grey"
    assert look_at(as_jpeg(scan())).look == "grey"
    assert look_at(np.zeros((20, 20, 3), dtype=np.uint8)).look == "grey"


def test_rules() -> None:
    marked, false = painted((255, 0, 0)), SPECTRUM[luma(scan()) // 29]
    for picture in (marked, false):
        grey, _ = grey_of(picture, luma(picture), ColourRule(Overlay.keep, LUMA), where="scan")
        assert np.array_equal(grey, luma(picture))
    with pytest.raises(InputError, match=r"^scan: has marks painted over \d\.\d% of it; export it without them$"):
        grey_of(marked, luma(marked), ColourRule(Overlay.error, None), where="scan")
    with pytest.raises(InputError, match=r"^scan: is in false colour; export it in grey$"):
        grey_of(false, luma(false), FILL, where="scan")
    names = tuple(f"#{bytes(colour.tolist()).hex()}" for colour in SPECTRUM)
    grey, seen = grey_of(false, luma(false), ColourRule(Overlay.inpaint, names), where="scan")
    assert seen.look == "false colour"
    assert np.array_equal(grey, np.rint(luma(scan()).astype(int) // 29 * 255 / 8))


def test_colours_of_a_known_palette_are_no_marks() -> None:
    levels = np.zeros((40, 40), dtype=np.uint8)
    levels[10:14, 10:14] = 7
    assert look_at(SPECTRUM[levels]).look == "marked"
    assert look_at(SPECTRUM[levels], SPECTRUM).look == "false colour"
    assert look_at(scan(), SPECTRUM).look == "grey"
