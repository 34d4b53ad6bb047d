import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import maximum_filter, minimum_filter

from csam_lightning.errors import InputError
from csam_lightning.trays.boxes import Box, fold
from csam_lightning.trays.finding import Found, find_units
from csam_lightning.trays.tray import Tray, cut_tray
from tests.trays.drawing import BACKGROUND, BODY, SPECTRUM, Place, draw, grid, noisy_grey

MISSING = ((1, 3), (2, 1), (4, 4), (4, 6))


def found_in(places: list[Place], shape: tuple[int, int] = (360, 400)) -> Found:
    return find_units(SPECTRUM[draw(shape, places)], where="tray")


def assert_lies(box: Box, place: Place, degrees: float = 1.5, pixels: float = 1) -> None:
    x, y, angle = place
    assert np.hypot(box.x - x, box.y - y) < pixels
    assert abs(fold((box.angle if box.width > box.height else box.angle + 90) - angle, 180)) < degrees


@pytest.mark.parametrize(("tilt", "colour"), [(0, True), (3, False), (-8, True), (25, False), (-40, True), (90, False)])
def test_tray_in_line_keeps_its_places_whatever_is_missing(tilt: float, *, colour: bool) -> None:
    places = grid(6, 6, fold(tilt, 90), missing=MISSING)
    levels = draw((360, 400), [(x, y, tilt) for x, y, _ in places.values()], long=30, short=24)
    tray = cut_tray(SPECTRUM[levels] if colour else noisy_grey(levels), SPECTRUM if colour else None, where="tray")
    assert [(unit.row, unit.column) for unit in tray.units] == sorted(places)
    for unit in tray.units:
        x, y, _ = places[unit.row, unit.column]
        assert_lies(unit.box, (x, y, tilt))
    assert tray.pieces == tray.at_edge == ()


def upright_unit(shape: tuple[int, int]) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    height, width = shape
    return draw(shape, [((width - 1) / 2, (height - 1) / 2, 0)], long=36, short=24)


@pytest.mark.parametrize("colour", [True, False])
def test_straightened_unit_is_the_one_that_lay_straight(*, colour: bool) -> None:
    rng = np.random.default_rng(3)
    places = [(60.0 + 65 * (i % 5), 50.0 + 60 * (i // 5), float(rng.uniform(-80, 80))) for i in range(25)]
    levels = draw((360, 400), places)
    grey = np.array([90, 0, 0, 200, 0, 0, 0, 150, 30], dtype=np.uint8)
    tray = cut_tray(SPECTRUM[levels] if colour else grey[levels], SPECTRUM if colour else None, where="tray")
    assert len(tray.units) == 25
    images = list(tray.images())
    assert {image.shape for image in images} == {tray.shape}
    height, width = tray.shape
    expected = np.rint(np.linspace(0, 255, 9)).astype(np.uint8) if colour else grey
    standing = height > width
    wanted = expected[upright_unit((width, height) if standing else (height, width))]
    wanted = wanted.T if standing else wanted
    # Half a pixel is all that a turn may shift: every value is one of those that should lie around its place.
    low, high = minimum_filter(wanted, 3).astype(int) - 1, maximum_filter(wanted, 3).astype(int) + 1
    right = [np.mean((low <= image) & (image <= high)) for image in images]
    assert min(right) > 0.97
    assert np.mean(right) > 0.99
    if colour:
        assert set(np.unique(np.stack(images))) <= set(expected.tolist())


@settings(max_examples=10)
@given(turn=st.floats(0, 360), seed=st.integers(0, 1000))
def test_units_are_found_whatever_way_they_lie(turn: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    steps = [(58.0 * i, 58.0 * j) for i in range(-2, 3) for j in range(-2, 3)]
    cosine, sine = np.cos(np.deg2rad(turn)), np.sin(np.deg2rad(turn))
    places = [(220 + x * cosine - y * sine, 220 + x * sine + y * cosine, float(rng.uniform(-90, 90))) for x, y in steps]
    found = found_in(places, (440, 440))
    assert len(found.units) == len(places)
    for place in places:
        assert_lies(min(found.units, key=lambda box: np.hypot(box.x - place[0], box.y - place[1])), place, degrees=4)


def test_units_that_touch_are_taken_apart() -> None:
    alone = [(40.0 + 60 * i, 40.0, 10.0 * i) for i in range(6)]
    flush = [(40.0, 100.0, 0.0), (40.0, 124.0, 0.0), (40.0, 148.0, 0.0)]  # three in a stack
    block = [(x, y, 0.0) for x in (130.0, 166.0) for y in (100.0, 124.0)]
    turn = np.deg2rad(30)
    askew = [(280.0, 120.0, 30.0), (280.0 - 24 * np.sin(turn), 120.0 + 24 * np.cos(turn), 30.0)]
    corner = [(80.0, 250.0, 0.0), (80.0 + 35, 250.0 + 23, 0.0)]
    tee = [(220.0, 250.0, 0.0), (220.0 + 30, 250.0, 90.0)]
    places = [*alone, *flush, *block, *askew, *corner, *tee]
    found = found_in(places)
    assert len(found.units) == len(places)
    assert found.pieces == ()
    for place in places:
        box = min(found.units, key=lambda box: np.hypot(box.x - place[0], box.y - place[1]))
        assert_lies(box, place, degrees=4, pixels=2)


def test_only_whole_units_count() -> None:
    whole = [(60.0 + 60 * i, 60.0 + 60 * j, 20.0 * i) for i in range(4) for j in range(3)]
    cut = [(200.0, 2.0, 0.0), (399.0, 180.0, 90.0), (3.0, 150.0, 40.0)]
    levels = draw((360, 400), [*whole, *cut])
    levels[300:324, 100:118] = BODY  # half a unit
    levels[300:303, 200:203] = BODY  # a speck
    levels[300:324, 240:252] = levels[300:324, 264:276] = BODY  # two fragments as far apart as a unit's ends
    levels[60, :] = BACKGROUND  # a lost scan line through the first row of units
    found = find_units(SPECTRUM[levels], where="tray")
    assert sorted((round(box.x / 60), round(box.y / 60)) for box in found.units) == [
        (i, j) for i in range(1, 5) for j in range(1, 4)
    ]
    assert len(found.at_edge) == len(cut)
    assert sorted((round(box.x), round(box.y)) for box in found.pieces) == [(108, 312), (246, 312), (270, 312)]


def test_parts_up_to_a_gap_apart_are_one_unit() -> None:
    centres = [(60.0 + 90 * i, 60.0 + 80 * j) for i in range(4) for j in range(3)]
    parts = [(x + side, y, 90.0) for x, y in centres for side in (-17, 17)]  # 24 wide, 10 apart: together 58 by 36
    found = find_units(SPECTRUM[draw((300, 400), parts)], where="tray", gap=12)
    assert sorted((round(box.x), round(box.y)) for box in found.units) == sorted(centres)
    assert (found.size.long, found.size.short) == pytest.approx((58, 36), abs=1.1)
    assert len(find_units(SPECTRUM[draw((300, 400), parts)], where="tray", gap=6).units) == len(parts)


@pytest.mark.parametrize("side", [300, 640])  # such as a heap of units could be, and larger
def test_frame_around_units_is_none(side: int) -> None:
    places = [(100.0 + 60 * i, 100.0 + 60 * j, 20.0 * i) for i in range(4) for j in range(4)]
    levels = draw((700, 700), places)
    levels[30 : 30 + side, 30 : 30 + side][np.pad(np.zeros((side - 12, side - 12), bool), 6, constant_values=True)] = 0
    found = find_units(SPECTRUM[levels], where="tray")
    assert len(found.units) == len(places)
    assert [(round(box.width), round(box.height)) for box in found.pieces] == [(side, side)]


def test_nothing_is_found_where_nothing_lies() -> None:
    empty = np.random.default_rng(0).normal(100, 6, (200, 200)).astype(np.uint8)
    with pytest.raises(InputError, match=r"^tray\.png: no unit is found; a tray's units are 8 pixels wide or more and"):
        find_units(empty, where="tray.png")


def test_scattered_units_are_numbered_from_the_top_without_gaps() -> None:
    rng = np.random.default_rng(1)
    places = [(60.0 + 60 * i, 60.0 + 60 * j, float(rng.uniform(-90, 90))) for i in range(5) for j in range(4)]
    tray: Tray = cut_tray(SPECTRUM[draw((360, 400), places)], SPECTRUM, where="tray")
    assert [(unit.row, unit.column) for unit in tray.units] == [(j, i) for j in range(1, 5) for i in range(1, 6)]
    assert [(round(unit.box.x / 60), round(unit.box.y / 60)) for unit in tray.units] == [
        (i, j) for j in range(1, 5) for i in range(1, 6)
    ]
