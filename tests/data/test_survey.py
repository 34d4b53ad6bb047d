"""How marks and false colour are told of a data set, by check and by the cache alike."""

import logging
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from csam_lightning.data.colour_rule import LUMA, SPECTRUM, USUAL, ColourRule, Overlay
from csam_lightning.data.images import read_grey
from csam_lightning.data.inspection import inspect_images
from csam_lightning.data.plain import is_plain_grey
from csam_lightning.data.scans import Scans, cached_scans, identify
from csam_lightning.errors import InputError
from tests.data.test_colours import as_jpeg, luma, painted, scan
from tests.trays.drawing import SPECTRUM as COLOURS

if TYPE_CHECKING:
    from csam_lightning.data.manifest import Manifest
    from csam_lightning.data.palette import Pixels
    from tests.data.conftest import DataFolder

KEEP = ColourRule(Overlay.keep, LUMA)


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def data(folder: "DataFolder", **pictures: "Pixels") -> "Manifest":
    """Return a data set of a grey scan and of pictures."""
    names = ["plain", *pictures]
    folder.listed(*(f"{name}.png,{'AD'[at % 2]},p{at}" for at, name in enumerate(names)))
    for name, picture in pictures.items():
        Image.fromarray(picture).save(folder.root / f"{name}.png")
    manifest, _ = folder.read()
    assert manifest is not None
    return manifest


def told(manifest: "Manifest", rule: ColourRule) -> list[str]:
    return [str(problem) for problem in inspect_images(manifest, rule)[1] if "of different kinds" not in problem.what]


def logged(caplog: pytest.LogCaptureFixture, manifest: "Manifest", cache: Path, rule: ColourRule) -> tuple[Scans, str]:
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        scans = cached_scans(manifest, 160, cache, colours=rule)
    return scans, "\n".join(caplog.messages)


def test_marks_are_filled_and_told_in_one_line(
    folder: "DataFolder", cache: Path, caplog: pytest.LogCaptureFixture
) -> None:
    manifest = data(folder, a=painted((255, 0, 0)), b=painted((0, 0, 255))[::-1])
    scans, said = logged(caplog, manifest, cache, USUAL)
    assert said.startswith("manifest.csv: 2 of 3 scans have marks painted over, up to ")
    assert "for example 'a.png'; they are filled from the grey around; " in said
    assert len(said.splitlines()) == 1
    assert told(manifest, USUAL) == [f"warning: {said}"]
    assert inspect_images(manifest)[0].looks["marked"].scans == 2
    assert np.array_equal(scans.array[1], read_grey(folder.root / "a.png", colours=USUAL))
    assert scans.array[1, 72:78, 62:70].min() > luma(painted((255, 0, 0)))[72:78, 62:70].max()
    assert logged(caplog, manifest, cache, USUAL)[1] == said  # the cache tells it again


def test_marks_are_kept_or_refused_where_that_is_asked_for(
    folder: "DataFolder", cache: Path, caplog: pytest.LogCaptureFixture
) -> None:
    manifest = data(folder, a=painted((255, 0, 0)), b=painted((0, 0, 255))[::-1])
    scans, said = logged(caplog, manifest, cache, KEEP)
    assert said.endswith("read by luma, they are dark; set data.overlay=inpaint")
    assert np.array_equal(scans.array[1], luma(painted((255, 0, 0))))
    refuse = ColourRule(Overlay.error, None)
    message = (
        "manifest.csv row 3: 'a.png' has marks painted over it (and 1 more scans have); export without them, or set "
        "data.overlay=inpaint to fill them from the grey around"
    )
    with pytest.raises(InputError) as caught:
        cached_scans(manifest, 160, cache, colours=refuse)
    assert str(caught.value) == message
    assert told(manifest, refuse) == [f"error: {message}"]


def test_false_colour_is_refused_or_mapped(folder: "DataFolder", cache: Path, caplog: pytest.LogCaptureFixture) -> None:
    levels = luma(scan()) // 29
    manifest = data(folder, a=COLOURS[levels], b=COLOURS[levels[::-1]])
    with pytest.raises(InputError) as caught:
        cached_scans(manifest, 160, cache)
    assert str(caught.value).startswith(
        "manifest.csv row 3: 'a.png' is in false colour (and 1 more scans); set data.pal"
    )
    assert told(manifest, USUAL) == [f"error: {caught.value}"]
    scans, said = logged(caplog, manifest, cache, replace(USUAL, palette=SPECTRUM))
    assert said.startswith("data.palette: colours are taken from low to high amplitude as #000000,")
    assert isinstance(scans.colours.palette, tuple)
    assert told(manifest, replace(USUAL, palette=SPECTRUM)) == [f"warning: {said}"]
    named = cached_scans(manifest, 160, cache, colours=replace(USUAL, palette=scans.colours.palette))
    assert np.array_equal(named.array, scans.array)
    present = np.unique(levels)
    assert np.array_equal(np.unique(scans.array[1]), np.rint(np.linspace(0, 255, len(present))))
    _, said = logged(caplog, manifest, cache, KEEP)
    assert "2 of 3 scans are in false colour and read by luma, for example 'a.png'" in said


def test_a_compressed_palette_must_be_named(folder: "DataFolder", cache: Path) -> None:
    manifest = data(folder, a=as_jpeg(COLOURS[luma(scan()) // 29]))
    spectrum = replace(USUAL, palette=SPECTRUM)
    with pytest.raises(InputError) as caught:
        cached_scans(manifest, 160, cache, colours=spectrum)
    assert str(caught.value).startswith(
        "manifest.csv row 3: 'a.png' holds more colours than a palette has; name the colours in data.palette, or export"
    )
    assert told(manifest, spectrum) == [f"error: {caught.value}"]


def test_colour_pictures_are_read_by_luma_with_a_warning(
    folder: "DataFolder", cache: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tinted = (scan() * np.array([1, 0.8, 0.5])).astype(np.uint8)
    manifest = data(folder, a=tinted)
    scans, said = logged(caplog, manifest, cache, USUAL)
    assert said.startswith(
        "manifest.csv: 1 of 2 scans is in colour and read by luma, for example 'a.png'; if the colours"
    )
    assert np.array_equal(scans.array[1], luma(tinted))
    assert told(manifest, USUAL) == [f"warning: {said}"]


def test_only_grey_files_are_plain(folder: "DataFolder", cache: Path) -> None:
    grey = Image.fromarray(luma(scan()))
    for name, image, plain in (
        ("a.png", grey, True),
        ("a.jpg", grey, True),
        ("a.bmp", grey, True),
        ("a.tif", grey, False),
        ("b.png", grey.convert("RGB"), False),
        ("b.jpg", grey.convert("RGB"), False),
        ("b.bmp", grey.convert("RGB"), False),
        ("p.png", grey.quantize(16), False),
        ("p.bmp", grey.quantize(16), False),
    ):
        file = folder.root / name
        image.save(file)
        assert is_plain_grey(file.read_bytes()) == plain, name
    assert not is_plain_grey(b"\xff\xd8\xff")
    assert identify(data(folder))[1]
    manifest = data(folder, a=scan())
    assert not identify(manifest)[1]
    assert not cached_scans(manifest, 16, cache).plain
