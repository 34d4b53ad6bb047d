"""What experiments/trays/README.md tells: ``python experiments/trays/run.py SCANS UNITS DATA``.

SCANS is the folder of the six scans, UNITS what crop wrote of them, DATA the simulated data set.
"""

import io
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from csam_lightning.data.palette import Pixels, find_palette, to_grey
from csam_lightning.trays.finding import find_units
from csam_lightning.trays.tray import cut_tray

WINDOW = (240, 180)
WINDOWS = {
    "CSAM_AI_1": (2615, 660),
    "CSAM_AI_2": (809, 1048),
    "CSAM_AI_3": (1617, 278),
    "CSAM_AI_4": (874, 1340),
    "CSAM_AI_5": (849, 1062),
    "server_1": (1183, 235),
}
"""The (x, y) of each scan's window, drawn at random: numpy's default_rng(20), until twelve units lie in it."""

CHANGED = "CSAM_AI_3"
EMPTY = 7


def in_window(units: pd.DataFrame, left: int, top: int) -> int:
    """Count the units whose centre lies in a window."""
    width, height = WINDOW
    return int((units["x"].between(left, left + width) & units["y"].between(top, top + height)).sum())


def changed(scan: Image.Image) -> Iterator[tuple[str, Pixels]]:
    """Yield a scan as other scanners and other hands could deliver it."""
    for angle in (17, 45, 100):
        turned = scan.rotate(angle, Image.Resampling.NEAREST, expand=True, fillcolor=scan.getpixel((0, 0)))
        yield f"turned by {angle} degrees", np.asarray(turned)
    yield "JPEG, quality 90", np.asarray(_as_jpeg(scan, 90))
    pixels = np.asarray(scan)
    grey = Image.fromarray(to_grey(pixels, find_palette(pixels, where=CHANGED)))
    yield "grey levels, JPEG, quality 85", np.asarray(_as_jpeg(grey, 85))
    yield "half as large", np.asarray(scan.resize((scan.width // 2, scan.height // 2), Image.Resampling.BILINEAR))


def packages_in_line(data: Path, angle: float) -> Pixels:
    """Return a tray of 19 simulated packages, 40 pixels apart, the third place of the second row empty, and noise."""
    files = (data / path for path in pd.read_csv(data / "manifest.csv")["path"][::40][:19])
    tray = Image.new("L", (2600, 2200), 2)
    for place, file in zip([place for place in range(20) if place != EMPTY], files, strict=True):
        tray.paste(Image.open(file), (220 + 440 * (place % 5), 240 + 440 * (place // 5)))
    turned = np.asarray(tray.rotate(angle, Image.Resampling.BICUBIC, expand=True, fillcolor=2), dtype=np.float64)
    noise = np.random.default_rng(0).normal(0, 1, turned.shape)
    return np.rint(turned + noise).clip(0, 255).astype(np.uint8)


def _as_jpeg(scan: Image.Image, quality: int) -> Image.Image:
    file = io.BytesIO()
    scan.save(file, "JPEG", quality=quality)
    return Image.open(file)


def main(scans: Path, units: Path, data: Path) -> None:
    """Print the counts in the windows, those of the changed scan, and those on trays of simulated packages."""
    table = pd.read_csv(units / "units.csv")
    for name, (left, top) in WINDOWS.items():
        mine = table[table["scan"] == name]
        print(f"{name}: {len(mine)} units, {in_window(mine, left, top)} in the window at {left}, {top}")
    for name, pixels in changed(Image.open(scans / f"{CHANGED}.png").convert("RGB")):
        found = find_units(pixels, where=name)
        print(f"{CHANGED} {name}: {len(found.units)} units, {len(found.pieces)} pieces")
    for angle, gap in ((0, 0), (0, 12), (0, 24), (0, 36), (3, 24), (12, 24)):
        tray = cut_tray(packages_in_line(data, angle), None, where="packages", gap=gap)
        numbers = [5 * (unit.row - 1) + unit.column - 1 for unit in tray.units]
        right = numbers == [place for place in range(20) if place != EMPTY]
        print(f"packages turned by {angle}, gap={gap}: {len(tray.units)} units, numbers are places: {right}")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
