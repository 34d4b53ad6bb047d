import io

import cv2
import numpy as np
import pytest
from PIL import Image

from csam_lightning.data.colours import look_at
from csam_lightning.data.palette import (
    Palette,
    find_palette,
    merge_palettes,
    palette_names,
    parse_palette,
    to_grey,
)
from csam_lightning.errors import InputError
from tests.trays.drawing import SPECTRUM

LEVELS = np.random.default_rng(0).permutation(np.arange(90) % 9).reshape(9, 10)
PATCHES = LEVELS.repeat(24, axis=0).repeat(24, axis=1)
HOT: Palette = np.array(
    [(0, 0, 0), (96, 0, 0), (192, 0, 0), (255, 64, 0), (255, 160, 0), (255, 255, 0), (255, 255, 255)], dtype=np.uint8
)


@pytest.mark.parametrize("palette", [SPECTRUM, HOT], ids=["spectrum", "hot"])
def test_order_of_known_palettes_is_found(palette: Palette) -> None:
    levels = PATCHES % len(palette)
    scan = palette[levels]
    found = find_palette(scan, where="scan")
    assert found.tolist() == palette.tolist()
    grey = to_grey(scan, found)
    assert grey.tolist() == np.rint(levels * 255 / (len(palette) - 1)).tolist()


def test_blurred_and_compressed_scans_need_their_palette_named() -> None:
    scan = cv2.GaussianBlur(SPECTRUM[PATCHES], (5, 5), 1)
    file = io.BytesIO()
    Image.fromarray(scan.astype(np.uint8)).save(file, "JPEG", quality=95, subsampling=0)
    scan = np.array(Image.open(file))
    with pytest.raises(
        InputError,
        match=r"^tray\.jpg: holds \d+ colours, more than a palette has; export the scan anew, neither scaled",
    ):
        find_palette(scan, where="tray.jpg")
    inside = np.zeros(PATCHES.shape, bool)
    for shift in range(8, 16):
        inside[shift::24, 8::24] = True
    assert np.mean(to_grey(scan, SPECTRUM)[inside] == np.rint(PATCHES[inside] * 255 / 8)) > 0.99


def test_grey_scans_are_no_false_colour() -> None:
    grey = np.random.default_rng(0).integers(0, 256, (50, 50, 1), dtype=np.uint8).repeat(3, axis=2)
    assert look_at(grey).look == "grey"
    assert look_at(SPECTRUM[PATCHES]).look == "false colour"


def test_scans_share_one_palette() -> None:
    merged = merge_palettes([SPECTRUM[[0, 2, 8]], SPECTRUM[[8, 7, 0]]])
    assert merged is not None
    assert merged.tolist() == SPECTRUM[[0, 2, 7, 8]].tolist()
    assert merge_palettes([]) is None
    assert parse_palette(palette_names(merged)).tolist() == merged.tolist()


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["#000000", "red"], "palette: 'red' is no colour; name two or more different colours from low to high"),
        (["#000000"], "palette: 1 colours, not all different; name two or more"),
        (["#ff0000", "#FF0000"], "palette: 2 colours, not all different; name two or more"),
    ],
)
def test_named_palette_must_make_sense(names: list[str], message: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_palette(names)
    assert str(caught.value).startswith(message)
