"""Scores of networks trained in the product's layout and in PyTorch's own, over several seeds: what does speed cost?"""

import argparse
import shlex
import statistics
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import NamedTuple
from unittest.mock import patch

from benchmarks.cell import CellTask
from benchmarks.options import at_least
from benchmarks.pool import worker_pool
from benchmarks.results import CACHE, machine, publish
from benchmarks.training import add_precisions, precisions_for
from csam_lightning.errors import InputError
from csam_lightning.evaluation.clusters import LEVEL
from csam_lightning.machine.processes import usable_cores
from csam_lightning.progress import track
from csam_lightning.reporting.intervals import half_width
from csam_lightning.reporting.tables import Entry, Table

CELL = CellTask(840, 50, 16, epochs=20)
"""The default cell at half its image size, so that several seeds take minutes."""

PLAIN, OURS = "PyTorch's own", "ours"

NOTES = (
    f"""One fold of the cell for each seed, which decides the folds, the first weights and the augmentation; scores are
of its validation scans. {PLAIN}: all convolutions PyTorch's, channel by channel; {OURS}: as
csam_lightning/acceleration/layout.py has it. The same seed's scores are set against each other: mean difference, with
its {LEVEL:.0%} confidence interval (Student's).""",
)


@dataclass(frozen=True)
class Way:
    """One way of training: a precision as ``trainer.precision``, and whether the layout is the product's."""

    precision: str
    layout: str

    @property
    def name(self) -> str:
        """How tables call it."""
        return f"{self.layout}, {self.precision}"


class Scores(NamedTuple):
    """Of a fold's validation scans as scanned; the loss in nats."""

    loss: float
    accuracy: float
    macro_recall: float


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what can be chosen."""
    parser.add_argument("--seeds", type=at_least(2), default=5, help="how many (default: %(default)s)")
    parser.add_argument("--epochs", type=at_least(1), default=CELL.epochs, help="default: %(default)s")
    add_precisions(parser)
    parser.add_argument("--cache-dir", type=Path, default=CACHE, help="of the scans (default: %(default)s)")


def main(options: argparse.Namespace) -> None:
    """Train, print and keep.

    Raises:
        InputError: Both layouts are the same here.
    """
    import torch

    from csam_lightning.acceleration.layout import by_products

    precisions = options.precisions or precisions_for("cpu")
    for precision in precisions:
        if not by_products(torch.device("cpu"), precision):
            raise InputError(
                "this CPU trains in PyTorch's own layout",
                where=precision,
                mend="compare where products are known to pay",
            )
    facts = machine()
    task = replace(CELL, epochs=options.epochs)
    scores = measure(task, options.seeds, precisions, options.cache_dir)
    header = ["score", *(way.name for way in scores)]
    means = Table("scores", f"Means of {options.seeds} seeds, {_titled(task)}", header, mean_rows(scores))
    header = ["score", "difference", *(f"seed {seed}" for seed in range(options.seeds)), "mean", "interval ±"]
    pairs = Table("differences", "Differences, seed by seed", header, difference_rows(scores))
    publish("scores", f"python -m benchmarks {shlex.join(sys.argv[1:])}", facts, [means, pairs], NOTES)


def _titled(task: CellTask) -> str:
    return f"{task.size} images, {task.image_size} px, batch {task.batch_size}, {task.epochs} epochs"


def measure(task: CellTask, seeds: int, precisions: Sequence[str], cache: Path) -> dict[Way, list[Scores]]:
    """Return each way's scores, seed by seed; as many folds are trained side by side as there are cores."""
    task.prepared(cache)
    ways = [Way(precision, layout) for precision, layout in product(precisions, (PLAIN, OURS))]
    works = list(product(ways, range(seeds)))
    with worker_pool(usable_cores()) as pool:
        trained = [pool.submit(train, task, way, seed, cache) for way, seed in works]
        scores = [future.result() for future in track(trained, description="folds", total=len(trained))]
    return {way: scores[seeds * number : seeds * (number + 1)] for number, way in enumerate(ways)}


def train(task: CellTask, way: Way, seed: int, cache: Path) -> Scores:
    """Train the first fold of the task's cell with this seed."""
    import numpy as np
    from sklearn.metrics import accuracy_score, balanced_accuracy_score

    from csam_lightning.acceleration import layout
    from csam_lightning.training.fold import train_fold
    from csam_lightning.training.fold_files import FoldFolder, FoldOutcome, FoldPredictions

    settings = (*task.simulation, f"seed={seed}", f"trainer.precision={way.precision}")
    cell, _ = replace(task, simulation=settings).prepared(cache)
    by_products = layout.by_products
    with tempfile.TemporaryDirectory() as scratch:
        job = replace(cell.job(cell.folds[0]), folder=Path(scratch) / "fold")
        with patch.object(layout, "by_products", lambda *now: way.layout == OURS and by_products(*now)):
            train_fold(job, lambda _: None)
        folder = FoldFolder(job.folder)
        outcome, predictions = FoldOutcome.read(folder.outcome), FoldPredictions.read(folder.predictions)
    as_scanned = job.fold.validation.copy == 0
    codes = job.codes[job.fold.validation.scan[as_scanned]]
    said = np.argmax(predictions.validation[as_scanned], axis=1)
    return Scores(outcome.val_loss, accuracy_score(codes, said), balanced_accuracy_score(codes, said))


def mean_rows(scores: Mapping[Way, list[Scores]]) -> list[list[Entry]]:
    """Return a row for each score: the mean of each way's seeds."""
    return [
        [name.replace("_", " "), *(statistics.mean(getattr(one, name) for one in each) for each in scores.values())]
        for name in Scores._fields
    ]


def difference_rows(scores: Mapping[Way, list[Scores]]) -> list[list[Entry]]:
    """Return rows of paired differences: ours and PyTorch's own way at each precision, then ours at both precisions."""
    ours = [way for way in scores if way.layout == OURS]
    pairs = [(way, replace(way, layout=PLAIN)) for way in ours] + [(way, ours[0]) for way in ours[1:]]
    rows: list[list[Entry]] = []
    for (way, other), name in product(pairs, Scores._fields):
        found = [getattr(one, name) - getattr(two, name) for one, two in zip(scores[way], scores[other], strict=True)]
        title = f"{way.name} − {other.name}"
        rows.append([name.replace("_", " "), title, *found, statistics.mean(found), half_interval(found)])
    return rows


def half_interval(differences: list[float]) -> float:
    """Return half of Student's confidence interval of the mean."""
    return half_width(len(differences)) * statistics.stdev(differences)
