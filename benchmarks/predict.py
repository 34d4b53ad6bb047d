"""Scans judged per second, from files to verdicts, against the bare forward of the same networks."""

import argparse
import shlex
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from benchmarks.options import at_least
from benchmarks.results import machine, publish
from csam_lightning.model.classifier import ScanClassifier
from csam_lightning.model.ensemble import Ensemble, ModelFacts
from csam_lightning.model.held_out import HeldOut
from csam_lightning.model.novelty import NoveltyStatistics
from csam_lightning.predicting.judging import BATCH, judge_scans
from csam_lightning.predicting.output import Output, Wanted
from csam_lightning.predicting.review import ReviewRule
from csam_lightning.predicting.sources import scans_of
from csam_lightning.progress import track
from csam_lightning.reporting.tables import Table

CLASSES = ("A", "B", "C", "D")
FILE_SIDE = 400
"""Pixels of a scan as its scanner wrote it; the simulator's."""
FEATURES = 256 + 512
HELD_OUT = 840
BARE, PLAIN, EXPLAINED = "bare forward", "predict, overlays=none", "predict, overlays=all"

NOTES = (
    f"""A model of five untrained ResNet-18, whose arithmetic is that of trained ones. Bare forward: the networks'
mean of images that are in memory already, resized, in batches of {BATCH}. Predict: PNG files of {FILE_SIDE} px read,
resized, judged with sets of classes and novelty, and predictions.csv and page.html written. Both on all cores, in
turns; the share is the median of the rounds' own.""",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what can be chosen."""
    parser.add_argument("--scans", type=at_least(1), default=512, help="files to judge (default: %(default)s)")
    parser.add_argument(
        "--image-size", type=at_least(32), default=100, help="pixels that the model looks at (default: %(default)s)"
    )
    parser.add_argument(
        "--overlays", action="store_true", help="measure with overlays of all scans too, which takes longer"
    )
    parser.add_argument(
        "--rounds", type=at_least(1), default=5, help="how often each is measured (default: %(default)s)"
    )


def main(options: argparse.Namespace) -> None:
    """Measure, print and keep."""
    facts = machine()
    with tempfile.TemporaryDirectory() as scratch:
        seconds = _measure(options, Path(scratch))
    command = f"python -m benchmarks {shlex.join(sys.argv[1:])}"
    publish("predict", command, facts, [rate_table(seconds, options.scans)], NOTES)


def rate_table(seconds: dict[str, list[float]], scans: int) -> Table:
    """Return scans a second, and the share of the bare forward's, from the seconds of each round."""
    rows: list[list[str | float]] = []
    for name, taken in seconds.items():
        shares = [bare / mine for bare, mine in zip(seconds[BARE], taken, strict=True)]
        rows.append([name, scans / statistics.median(taken), statistics.median(shares), min(shares), max(shares)])
    header = ["what", "scans/s", "share of the bare forward", "least", "most"]
    return Table("predict", "Scans judged", header, rows)


def untrained(image_size: int, networks: int = 5) -> Ensemble:
    """Return a model that has all that a trained one has."""
    facts = ModelFacts(CLASSES, image_size, "resnet18", 1.0, "0" * 64, "benchmark", tuple(range(networks)), None)
    rng = np.random.default_rng(0)
    known = HeldOut(
        np.log(rng.dirichlet(np.ones(len(CLASSES)), HELD_OUT)),
        rng.integers(0, len(CLASSES), HELD_OUT),
        np.arange(HELD_OUT) % networks,
    )
    distances = rng.chisquare(4, HELD_OUT // networks).astype(np.float32)
    familiar = NoveltyStatistics(np.zeros(FEATURES, np.float32), np.eye(FEATURES, dtype=np.float32), distances)
    settings = {
        "pixel_mean": 100.0,
        "pixel_std": 50.0,
        "learning_rate": 1e-3,
        "weight_decay": 0.0,
        "warmup_epochs": 1.0,
    }
    made = [
        ScanClassifier(arch=facts.arch, weights=None, num_classes=len(CLASSES), **settings) for _ in range(networks)
    ]
    return Ensemble(made, facts, held_out=known, novelty=[familiar] * networks)


def _measure(options: argparse.Namespace, folder: Path) -> dict[str, list[float]]:
    rng = np.random.default_rng(0)
    source = folder / "scans"
    source.mkdir()
    for number in range(options.scans):
        Image.fromarray(rng.integers(0, 256, (FILE_SIDE, FILE_SIDE), dtype=np.uint8)).save(source / f"{number}.png")
    ensemble = untrained(options.image_size)
    images = torch.randint(0, 256, (options.scans, 1, options.image_size, options.image_size), dtype=torch.uint8)

    def bare() -> None:
        with torch.inference_mode():
            for start in range(0, len(images), BATCH):
                ensemble(images[start : start + BATCH])

    def predict(*, explained: bool) -> None:
        with tempfile.TemporaryDirectory(dir=folder) as made:
            output = Output(Path(made), ensemble, Wanted(review=explained, all=explained, arrays=False, page=200))
            output.write(judge_scans(ensemble, scans_of(source, None), ReviewRule()))
            output.write_page("", [], [])

    tasks: dict[str, Callable[[], None]] = {BARE: bare, PLAIN: lambda: predict(explained=False)}
    if options.overlays:
        tasks[EXPLAINED] = lambda: predict(explained=True)
    bare()
    seconds: dict[str, list[float]] = {name: [] for name in tasks}
    for _ in track(range(options.rounds), description="rounds", total=options.rounds):
        for name, task in tasks.items():
            seconds[name].append(_seconds(task))
    return seconds


def _seconds(task: Callable[[], None]) -> float:
    began = time.perf_counter()
    task()
    return time.perf_counter() - began
