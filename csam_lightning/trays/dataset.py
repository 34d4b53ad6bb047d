"""Trays on disk: scans in, a data set of their units out."""

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from csam_lightning.data.colour_rule import Overlay
from csam_lightning.data.colours import filled
from csam_lightning.data.images import read_colours
from csam_lightning.data.palette import (
    Palette,
    Pixels,
    find_palette,
    merge_palettes,
)
from csam_lightning.errors import InputError
from csam_lightning.files import folder_written_atomically
from csam_lightning.progress import track
from csam_lightning.trays.overview import paint_numbers
from csam_lightning.trays.tray import Tray, cut_tray

# A JEDEC tray, 136 by 316 mm, at 16 µm; just under the size from which Pillow takes a file for a decompression bomb.
MAX_PIXELS = 178_000_000
SUFFIXES = (".png", ".tif", ".tiff", ".bmp", ".jpg", ".jpeg")
COLOUR = 3  # dimensions of a scan that is not grey
COLUMNS = ("path", "scan", "row", "column", "x", "y", "width", "height", "angle")


def scan_files(source: Path) -> list[Path]:
    """Return the image files that a user names: the file itself, or those of a folder, sorted.

    Raises:
        InputError: There is no such file or folder, no image in it, or two that differ by their suffix alone.
    """
    if source.is_file():
        return [source]
    if not source.is_dir():
        raise InputError("no such file or folder", where=f"input {source}", mend="name a scan or a folder of scans")
    files = sorted(file for file in source.iterdir() if file.suffix.lower() in SUFFIXES and file.is_file())
    if not files:
        raise InputError(
            "holds no image", where=f"input {source}", mend=f"name a folder with files {', '.join(SUFFIXES)}"
        )
    by_name = {file.stem.casefold(): file for file in files}
    for file in files:
        other = by_name[file.stem.casefold()]
        if other != file:
            raise InputError(f"has the name of {other.name} but for the suffix", where=str(file), mend="rename it")
    return files


class TrayScan(NamedTuple):
    """A tray's scan: its pixels, and those of them that marks covered, bool of shape (height, width)."""

    pixels: Pixels
    marks: NDArray[np.bool_] | None


def read_tray(file: Path, overlay: Overlay, palette: Palette | None = None) -> TrayScan:
    """Read a tray's scan as :func:`csam_lightning.data.images.read_colours` does, up to ``MAX_PIXELS`` large.

    Args:
        file: The scan.
        overlay: What becomes of marks.
        palette: As :func:`csam_lightning.data.colours.look_at`.

    Raises:
        InputError: As :func:`csam_lightning.data.images.read_grey`, or there are marks and the scan is refused.
    """
    pixels, seen = read_colours(file, palette, max_pixels=MAX_PIXELS)
    if seen.marks is not None and overlay == Overlay.error:
        mend = "export it without them, or set overlay=inpaint to fill them from the grey around"
        raise InputError(f"has marks painted over {seen.marked:.1%} of it", where=str(file), mend=mend)
    if seen.marks is not None and overlay == Overlay.inpaint:
        pixels = filled(pixels, seen.marks)
    return TrayScan(pixels, seen.marks)


def common_palette(files: Sequence[Path]) -> Palette | None:
    """Return one palette for all scans that are in false colour; None where all are grey.

    Raises:
        InputError: A file cannot be read, or holds more colours than a palette has.
    """
    palettes = []
    for file in track(files, description="reading palettes", total=len(files)):
        pixels = read_tray(file, Overlay.keep).pixels
        if pixels.ndim == COLOUR:
            palettes.append(find_palette(pixels, where=str(file)))
    return merge_palettes(palettes)


def cut_trays(
    files: Sequence[Path],
    palette: Palette | None,
    output: Path,
    *,
    gap: int = 0,
    overlay: Overlay = Overlay.inpaint,
) -> Iterator[str]:
    """Cut scans into units and write the units as a data set: all of it, or nothing.

    ``output`` then holds ``<scan>/<row>_<column>.png``, 8-bit grey; ``manifest.csv`` with an empty label to fill in;
    ``units.csv`` with each unit's place on its scan; and ``<scan>.png``, an overview with boxes and numbers.

    Args:
        files: Scans; no two of a name.
        palette: Colours of scans in false colour, from low to high amplitude, uint8 of shape (colours, 3).
        output: Folder to make; may exist if it is empty.
        gap: As :func:`csam_lightning.trays.finding.find_units`.
        overlay: What becomes of marks painted over grey scans.

    Yields:
        What was found on each scan, in a line.

    Raises:
        InputError: A scan cannot be read or holds no unit, or ``output`` is in use.
    """
    if output.is_file() or (output.is_dir() and any(output.iterdir())):
        raise InputError("exists already", where=str(output), mend="name a new or an empty folder")
    with folder_written_atomically(output) as folder:
        rows: list[tuple[object, ...]] = []
        for file in track(files, description="cutting trays", total=len(files)):
            pixels, marks = read_tray(file, overlay, palette)
            tray = cut_tray(pixels, palette, where=str(file), gap=gap, marks=marks)
            rows += _write_tray(tray, file.stem, folder)
            yield told(file.name, tray, overlay)
        _write_table(folder / "units.csv", COLUMNS, rows)
        manifest = [(path, "", Path(str(path)).with_suffix("").as_posix()) for path, *_ in rows]
        _write_table(folder / "manifest.csv", ("path", "label", "package_id"), manifest)


def told(name: str, tray: Tray, overlay: Overlay) -> str:
    """Return in a line what was found on a scan.

    Args:
        name: What the scan is called.
        tray: What was found.
        overlay: What became of marks.
    """
    marked = sum(share > 0 for share in tray.marked())
    done = "filled from the grey around" if overlay == Overlay.inpaint else "read by luma"
    marks = f"; marks painted over it, {marked} units touched, are {done}" if tray.marks is not None else ""
    return (
        f"{name}: {len(tray.units)} units of {tray.shape[1]}x{tray.shape[0]} pixels; "
        f"left out: {len(tray.at_edge)} cut by the edge, {len(tray.pieces)} pieces{marks}"
    )


def _write_tray(tray: Tray, name: str, folder: Path) -> Iterator[tuple[object, ...]]:
    """Write a tray's images and its overview, and yield its rows of ``units.csv``."""
    (folder / name).mkdir()
    for unit, path, image in zip(tray.units, unit_paths(tray, name), tray.images(), strict=True):
        Image.fromarray(image).save(folder / path)
        box = unit.box
        places = [f"{value:.2f}" for value in (box.x, box.y, box.width, box.height, box.angle)]
        yield path, name, unit.row, unit.column, *places
    Image.fromarray(paint_numbers(tray)).save(folder / f"{name}.png")


def unit_paths(tray: Tray, name: str) -> list[str]:
    """Return what the image of each unit of a tray called ``name`` is called, ``<name>/<row>_<column>.png``."""
    digits = [max(2, len(str(max(numbers)))) for numbers in zip(*((u.row, u.column) for u in tray.units), strict=True)]
    return [f"{name}/{unit.row:0{digits[0]}}_{unit.column:0{digits[1]}}.png" for unit in tray.units]


def _write_table(file: Path, header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    with file.open("w", encoding="utf-8", newline="") as text:
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)
