"""Cost per image of check, cache, folds and training while a data set grows; it should stay what it is."""

import argparse
import json
import shlex
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.observer import Taken, observe
from benchmarks.results import machine, publish
from csam_lightning.progress import console, track
from csam_lightning.reporting.tables import Table

SIDE = 32
SCANS_PER_PACKAGE = 6
FEW = 300
"""Images of a data set of which ``check`` spends next to all its time on starting."""
LABELS = "AABCDDDDDD"
"""Labels of ten packages one after the other: as unbalanced as real ones are."""

STEPS = {
    "start": "import csam_lightning.data.manifest, csam_lightning.data.scans, csam_lightning.data.folds",
    "manifest": "from csam_lightning.data.manifest import load_manifest\n"
    "manifest = load_manifest(root, classes=None, package_pattern=None, need_labels=True, need_packages=True)",
    "cache": "from csam_lightning.data.scans import cached_scans\n"
    "from pathlib import Path\n"
    f"cached_scans(manifest, {SIDE}, Path('cache'))",
    "folds": "from csam_lightning.data.folds import make_folds\n"
    "make_folds(manifest.table, classes=manifest.classes, size=None, protocol='grouped', num_folds=5, seed=0)",
}
"""What a cell does before it trains, each step building on the ones before."""

NOTES = (
    f"""Scans of {SIDE} px, {SCANS_PER_PACKAGE} of each package, in files of their own; microseconds per image, what a
command takes before its first image (Python's imports) taken off. training: an epoch of one fold, batch 64, per
training image. Memory: the most that all processes of the step held, shared pages counted once.""",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what can be chosen."""
    parser.add_argument(
        "--images", type=int, nargs="+", default=[1000, 10_000, 100_000], help="sizes to measure (default: %(default)s)"
    )


def main(options: argparse.Namespace) -> None:
    """Measure, print and keep."""
    facts = machine()
    rows: list[list[str | float]] = []
    for images in options.images:
        console().print(f"{images} images")
        with tempfile.TemporaryDirectory() as scratch:
            rows += _measure(Path(scratch), images)
    header = ["images", "step", "seconds", "µs per image", "peak memory / MB"]
    table = Table("images", "Cost per image", header, rows)
    publish("images", f"python -m benchmarks {shlex.join(sys.argv[1:])}", facts, [table], NOTES)


def write_data_set(root: Path, images: int) -> None:
    """Write ``images`` scans of noise and their manifest to ``root``."""
    rng = np.random.default_rng(0)
    root.mkdir()
    lines = ["path,label,package_id,cycles"]
    for number in track(range(images), description="writing scans", total=images):
        package, read_out = divmod(number, SCANS_PER_PACKAGE)
        path = f"{package // 1000}/{number}.png"
        (root / path).parent.mkdir(exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (SIDE, SIDE), dtype=np.uint8)).save(root / path, compress_level=1)
        lines.append(f"{path},{LABELS[package % len(LABELS)]},{package},{100 * read_out}")
    (root / "manifest.csv").write_text("\n".join(lines) + "\n")


def _measure(folder: Path, images: int) -> list[list[str | float]]:
    root = folder / "scans"
    write_data_set(root, images)

    def run(*command: str) -> Taken:
        return observe([sys.executable, *command], folder=folder)

    def row(step: str, seconds: float, of: int, memory: int) -> list[str | float]:
        return [str(images), step, seconds, 1e6 * seconds / of, memory / 1e6]

    data = ["data=folder", f"data.root={root}", "cache_dir=cache"]
    write_data_set(folder / "few", FEW)
    start = run("-m", "csam_lightning.check", f"data.root={folder / 'few'}").wall
    check = run("-m", "csam_lightning.check", *data)
    rows = [row("check", check.wall - start, images - FEW, check.memory)]
    program, before = f"root = __import__('pathlib').Path({str(root)!r})", 0.0
    for step, code in STEPS.items():
        program += f"\n{code}"
        taken = run("-c", program)
        if step != "start":
            rows.append(row(step, taken.wall - before, images, taken.memory))
            shutil.rmtree(folder / "cache", ignore_errors=step != "cache")
        before = taken.wall
    small = ["folds=[0]", "trainer.max_epochs=1", f"data.image_size={SIDE}", "data.batch_size=64", "data.size=null"]
    trained = run("-m", "csam_lightning.train", *data, *small, "trainer.accelerator=cpu")
    [history] = folder.glob("outputs/cells/*/fold_0/history.json")
    seconds = float(json.loads(history.read_text())[0]["seconds"])
    rows.append(row("training", seconds, images * 4 // 5, trained.memory))
    return rows
