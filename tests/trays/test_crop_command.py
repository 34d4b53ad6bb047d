"""The command line, driven as a user drives it."""

import os
import struct
import subprocess
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from csam_lightning.data.manifest import load_manifest
from csam_lightning.errors import InputError
from csam_lightning.trays.dataset import common_palette, cut_trays, scan_files
from tests.trays.drawing import BACKGROUND, SPECTRUM, draw, grid, noisy_grey

Command = Callable[..., subprocess.CompletedProcess[str]]

REAL = os.environ.get("CSAM_REAL_IMAGES")


@pytest.fixture
def trays(tmp_path: Path) -> Path:
    """A folder with a tray in false colour, where a unit is missing, and a smaller one in 16-bit grey."""
    folder = tmp_path / "trays"
    folder.mkdir()
    levels = draw((360, 400), list(grid(4, 5, 5, missing=[(2, 3)]).values()), long=32)
    Image.fromarray(SPECTRUM[levels]).save(folder / "colour.png")
    few = noisy_grey(draw((360, 400), list(grid(2, 3, 0).values()), long=32))
    Image.fromarray(few.astype(np.uint16) * 257).save(folder / "grey.tif")
    (folder / "notes.txt").touch()
    return folder


def test_trays_become_a_data_set(command: Command, trays: Path) -> None:
    done = command("crop", f"input={trays}", "output=units")
    assert done.returncode == 0, done.stderr
    output = trays.parent / "work" / "units"
    sizes = [Image.open(output / scan / "01_01.png").size for scan in ("colour", "grey")]
    for width, height in sizes:  # of units that cover 33 by 25 pixels, with a margin of 5 % on every side
        assert width == pytest.approx(1.1 * 33, abs=1)
        assert height == pytest.approx(1.1 * 25, abs=1)
    assert done.stdout.splitlines() == [
        "palette from low to high amplitude: #000000,#00ff00,#ff0000,#c0c0c0",
        f"colour.png: 19 units of {sizes[0][0]}x{sizes[0][1]} pixels; left out: 0 cut by the edge, 0 pieces",
        f"grey.tif: 6 units of {sizes[1][0]}x{sizes[1][1]} pixels; left out: 0 cut by the edge, 0 pieces",
    ]
    assert "cutting trays: 2 of 2" in done.stderr
    manifest = load_manifest(output, classes=None, package_pattern=None, need_labels=False, need_packages=True)
    table = manifest.table
    assert len(table) == 25
    assert table["label"].isna().all()
    assert table["package_id"].is_unique
    assert not (output / "colour" / "02_03.png").exists()
    units = pd.read_csv(output / "units.csv")
    assert units["path"].tolist() == table["path"].tolist()
    there = grid(4, 5, 5, missing=[(2, 3)])
    for unit in units[units["scan"] == "colour"].itertuples():
        x, y, _ = there[unit.row, unit.column]  # type: ignore[index] # numbers, which the stubs do not know
        assert np.hypot(float(str(unit.x)) - x, float(str(unit.y)) - y) < 1
    image = np.array(Image.open(output / "colour" / "01_01.png"))
    assert image.dtype == np.uint8
    assert image[image.shape[0] // 2, image.shape[1] // 2] == 85  # the spot, green: second of four levels
    overview = np.array(Image.open(output / "colour.png")).astype(int)
    assert min(overview.shape[:2]) > 360
    green = (overview[..., 1] > overview[..., 0] + 60).nonzero()
    assert len(green[0]) > 19 * 100


def test_palette_of_the_user_decides(command: Command, trays: Path) -> None:
    palette = 'palette=["#c0c0c0","#ff0000","#00ff00","#0000ff","#000000"]'
    done = command("crop", f"input={trays / 'colour.png'}", "output=units", palette)
    assert done.returncode == 0, done.stderr
    image = np.array(Image.open(trays.parent / "work" / "units" / "colour" / "01_01.png"))
    assert set(np.unique(image)) == {0, 64, 128, 255}


def huge_png() -> bytes:
    """A PNG of a few bytes whose header promises 90 gigapixels."""
    header = struct.pack(">IIBBBBB", 300_000, 300_000, 8, 2, 0, 0, 0)
    chunk = b"IHDR" + header
    return (
        b"\x89PNG\r\n\x1a\n"
        + struct.pack(">I", 13)
        + chunk
        + struct.pack(">I", zlib.crc32(chunk))
        + bytes(4)
        + b"IDAT"
        + bytes(4)
    )


def test_bad_input_ends_with_one_line_and_writes_nothing(command: Command, trays: Path) -> None:
    empty = Image.fromarray(np.full((90, 90), BACKGROUND, dtype=np.uint8))
    empty.save(trays / "last.png")
    done = command("crop", f"input={trays}", "output=units")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert done.stderr.splitlines()[-1].startswith(f"error: {trays / 'last.png'}: no unit is found; a tray's units are")
    assert not list((trays.parent / "work").glob("*units*"))
    done = command("crop", f"input={trays}", "output=units", "gap=-1")
    assert done.stderr.splitlines()[-1] == "error: gap: -1 makes no sense here; give a whole number from 0"
    assert "output" in command("crop", f"input={trays}").stderr.splitlines()[-1]


def test_input_and_output_that_make_no_sense(trays: Path) -> None:
    bad = trays.parent / "bad"
    bad.mkdir()
    with pytest.raises(
        InputError, match=rf"^input {bad}/no: no such file or folder; name a scan or a folder of scans$"
    ):
        scan_files(bad / "no")
    with pytest.raises(InputError, match=rf"^input {bad}: holds no image; name a folder with files \.png, \.tif, "):
        scan_files(bad)
    file = bad / "a.png"
    file.write_bytes((trays / "colour.png").read_bytes()[:500])
    with pytest.raises(InputError, match=rf"^{file}: is a damaged image \("):
        common_palette(scan_files(bad))
    file.write_bytes(huge_png())
    with pytest.raises(InputError, match=rf"^{file}: is too large \(.*; cut or scale the image down$"):
        common_palette([file])
    (bad / "A.bmp").touch()
    with pytest.raises(InputError, match=rf"^{bad}/A\.bmp: has the name of a\.png but for the suffix; rename it$"):
        scan_files(bad)
    with pytest.raises(InputError, match=rf"^{bad}: exists already; name a new or an empty folder$"):
        list(cut_trays([], None, bad))


def test_help_shows_how_to_use_it(command: Command) -> None:
    done = command("crop", "--help")
    assert done.returncode == 0
    assert "usage: python -m csam_lightning.crop input=FILE|DIR output=DIR" in done.stdout


@pytest.mark.skipif(REAL is None, reason="CSAM_REAL_IMAGES names no folder with csam_trays/, six real scans")
def test_real_tray(command: Command, tmp_path: Path) -> None:
    done = command("crop", f"input={REAL}/csam_trays/CSAM_AI_3.png", "output=units")
    assert done.returncode == 0, done.stderr
    units = pd.read_csv(tmp_path / "work" / "units" / "units.csv")
    sample = units[units["x"].between(1617, 1857) & units["y"].between(278, 458)]
    assert len(sample) in {44, 45}  # counted by eye, one on the edge, experiments/trays
    assert len(units) == pytest.approx(2921, abs=3)


def test_a_mark_changes_no_other_unit(command: Command, tmp_path: Path) -> None:
    levels = draw((220, 300), [(70.0 + 80 * column, 60.0 + 90 * row, 0.0) for row in range(2) for column in range(3)])

    grey = noisy_grey(levels)
    marked = np.repeat(grey[..., np.newaxis], 3, axis=2)
    marked[56:62, 66:74] = (255, 0, 0)
    for name, pixels in (("plain", grey), ("marked", marked)):
        Image.fromarray(pixels).save(tmp_path / f"{name}.png")
        done = command("crop", f"input={tmp_path / name}.png", f"output={name}")
        assert done.returncode == 0, done.stderr
    assert "marks painted over it, 1 units touched, are filled from the grey around" in done.stdout
    folders = [tmp_path / "work" / name for name in ("plain", "marked")]
    units = [{file.name: np.array(Image.open(file)) for file in (one / one.name).iterdir()} for one in folders]
    assert units[0].keys() == units[1].keys()
    changed = [name for name, unit in units[0].items() if not np.array_equal(unit, units[1][name])]
    assert changed == ["01_01.png"]
    refused = command("crop", f"input={tmp_path / 'marked.png'}", "output=none", "overlay=error")
    assert refused.returncode == 2
    assert "marked.png: has marks painted over 0." in refused.stderr.splitlines()[-1]
