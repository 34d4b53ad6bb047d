"""Cost per image of check, cache, folds and training while a data set grows; it should stay what it is."""

import argparse
import json
import shlex
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from operator import attrgetter
from pathlib import Path
from statistics import median
from typing import NamedTuple

import numpy as np
from PIL import Image

from benchmarks.growth import draw_growth
from benchmarks.image_steps import SIDE, STEPS, Step
from benchmarks.observer import observe
from benchmarks.options import at_least
from benchmarks.results import machine, publish
from csam_lightning.figures.style import styled
from csam_lightning.progress import console, track
from csam_lightning.reporting.tables import Table

SCANS_PER_PACKAGE = 6
FEW = 300
"""Images of a data set small enough that each step's fixed cost, told from it, is most of what it takes."""
LEAST = 1000
"""Images of a data set whose cost per image is not lost in noise."""
LABELS = "AABCDDDDDD"
"""Labels of ten packages one after the other: as unbalanced as real ones are."""

ROUNDS = 3
"""Runs of each size up to ``SHORT`` images; larger ones take so long that noise is lost in them."""
SHORT = 10_000

TRAINING = "training"
TRAINING_SHARE = 0.8
"""Of the images that one fold trains on."""

NOTES = (
    f"""Scans of {SIDE} px, {SCANS_PER_PACKAGE} of each package, in files of their own. Each step runs in a process of
its own, after it was done there once for {FEW} images, so that what it loads at its first use is not counted. Seconds:
of the whole step; microseconds per image: of each image beyond {FEW}, so that what does not grow is left out: what a
step took of {FEW} images, in the same run, is taken off. Medians of {ROUNDS} rounds in turns, above {SHORT} images of
one. training: an epoch of one fold, batch 64, per training image. Peak memory: the most that the step's process held;
of training all of its processes, looked at every second or two, shared pages counted once. Memory kept: what the step's
process still held when it was done, with what came of it, and what was freed had gone back to the system.""",
)


PER_IMAGE, MEMORY, KEPT = "µs per image", "peak memory / MB", "memory kept / MB"


class Cost(NamedTuple):
    """A row of the table: seconds of the whole step, microseconds of each image, megabytes."""

    images: int
    step: str
    seconds: float
    each: float
    memory: float
    kept: float | None


FIGURED: dict[str, Callable[[Cost], float]] = {
    PER_IMAGE: attrgetter("each"),
    MEMORY: attrgetter("memory"),
    KEPT: lambda cost: cost.kept or 0.0,
}
"""What the figure shows; a cost of nothing is left out."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what can be chosen."""
    parser.add_argument(
        "--images",
        type=at_least(LEAST),
        nargs="+",
        default=[1000, 10_000, 100_000],
        help="sizes to measure (default: %(default)s)",
    )


def main(options: argparse.Namespace) -> None:
    """Measure, print and keep."""
    facts = machine()
    runs: dict[int, list[dict[str, Step]]] = {images: [] for images in (FEW, *options.images)}
    with tempfile.TemporaryDirectory() as scratch:
        few = Path(scratch) / "few"
        write_data_set(few, FEW)
        roots = {images: Path(scratch) / str(images) for images in runs}
        for images, root in roots.items():  # all beforehand: small files just written lie in the processor's caches
            write_data_set(root, images)
        for number in range(ROUNDS):
            for images, done in runs.items():
                if number == 0 or images <= SHORT:
                    console().print(f"{images} images, round {number + 1}")
                    with tempfile.TemporaryDirectory() as folder:
                        done.append(_measure(Path(folder), roots[images], few))
    fixed = runs.pop(FEW)
    found = [cost for images, done in runs.items() for cost in costs(images, done, fixed)]
    with styled():
        figure = draw_growth({each: _lines(found, get) for each, get in FIGURED.items()}, over="images")
    table = Table("images", "Cost per image", ["images", "step", "seconds", PER_IMAGE, MEMORY, KEPT], found)
    publish("images", f"python -m benchmarks {shlex.join(sys.argv[1:])}", facts, [table], NOTES, figure=figure)


def costs(images: int, runs: list[dict[str, Step]], few: list[dict[str, Step]]) -> Iterator[Cost]:
    """Yield what each step costs for one size, from its runs and from those of ``FEW`` images."""
    for step in runs[0]:
        seconds, start = (median(run[step].seconds for run in of) for of in (runs, few))
        share = TRAINING_SHARE if step == TRAINING else 1.0
        each = 1e6 * (seconds - start) / (share * (images - FEW))
        memory, kept = (median(getattr(run[step], what) or 0 for run in runs) / 1e6 for what in ("memory", "kept"))
        yield Cost(images, step, seconds, each, memory, kept or None)


def _lines(found: Sequence[Cost], get: Callable[[Cost], float]) -> dict[str, dict[int, float]]:
    """Return step → images → what ``get`` takes of its cost."""
    lines: dict[str, dict[int, float]] = {}
    for one in found:
        lines.setdefault(one.step, {})[one.images] = get(one)
    return lines


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


def _measure(folder: Path, root: Path, few: Path) -> dict[str, Step]:
    found = {step: _step(step, root, few, folder) for step in STEPS}
    data = ["data=folder", f"data.root={root}", "cache_dir=cache"]
    small = ["folds=[0]", "trainer.max_epochs=1", f"data.image_size={SIDE}", "data.batch_size=64", "data.size=null"]
    command = ["-m", "csam_lightning.train", *data, *small, "trainer.accelerator=cpu"]
    trained = observe([sys.executable, *command], folder=folder)
    [history] = folder.glob("outputs/cells/*/fold_0/history.json")
    return found | {TRAINING: Step(float(json.loads(history.read_text())[0]["seconds"]), trained.memory)}


def _step(step: str, root: Path, few: Path, folder: Path) -> Step:
    told = folder / f"{step}.json"
    command = ["-m", "benchmarks.image_steps", step, *map(str, (root, few, folder, told))]
    observe([sys.executable, *command], folder=folder)
    return Step(**json.loads(told.read_text()))
