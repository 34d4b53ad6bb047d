"""Training speed and memory: a fold against the limit and split into parts, a cell against what is usual."""

import argparse
import shlex
import statistics
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks.cell import FOLDS, CellBench, CellRounds, CellTask
from benchmarks.fold import FoldFigures, measure_fold
from benchmarks.observer import Taken
from benchmarks.results import CACHE, machine, publish
from benchmarks.task import SIZES
from csam_lightning.progress import console
from csam_lightning.reporting.tables import Table
from csam_lightning.training.devices import check_accelerator

MEGABYTE = 1e6

NOTES = (
    """limit: a bare PyTorch loop with the same network, optimiser, precision and threads, its tensors in memory: the
training steps, and one forward pass over the validation scans. ours: an epoch of a fold with input, augmentation,
metrics, validation, checkpoint and history. Both run in turns in one process; shares are medians of rounds.""",
    """Parts are CPU seconds of one thread an epoch, each piece run alone; the rest is what remains of ours: metrics,
Lightning's loop, logging.""",
    """usual: benchmarks/usual.py, the same images, epochs and batches. Whole commands in turns, start-up included;
ratios are medians of rounds.""",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what can be chosen."""
    parser.add_argument(
        "--rounds", type=int, default=5, help="epochs of each fold that are timed; 0: none (default: %(default)s)"
    )
    parser.add_argument("--cell-rounds", type=int, default=3, help="runs of each cell; 0: none (default: %(default)s)")
    parser.add_argument("--cell-epochs", type=int, default=5, help="epochs of each cell's folds (default: %(default)s)")
    parser.add_argument("--accelerator", choices=("cpu", "gpu"), default="cpu", help="default: %(default)s")
    parser.add_argument("--cache-dir", type=Path, default=CACHE, help="of the scans (default: %(default)s)")


def main(options: argparse.Namespace) -> None:
    """Measure, print and keep."""
    check_accelerator(options.accelerator, 1)
    facts = machine()
    tables = []
    if options.rounds:
        folds = list(_folds(options.accelerator, options.rounds))
        tables = [speed_table(folds), parts_table(folds)]
    if options.cell_rounds:
        task = CellTask(epochs=options.cell_epochs, accelerator=options.accelerator)
        tables.append(_cell_table(task, _cells(task, options.cell_rounds, options.cache_dir)))
    publish("training", f"python -m benchmarks {shlex.join(sys.argv[1:])}", facts, tables, NOTES)


def _folds(accelerator: str, rounds: int) -> Iterator[FoldFigures]:
    tasks = [
        replace(size, precision=precision, accelerator=accelerator)
        for size in SIZES
        for precision in ("32-true", "bf16-mixed")
    ]
    for task in tasks:
        console().print(f"a fold of {task.name}: {rounds} rounds")
        yield measure_fold(task, rounds=rounds)


def speed_table(folds: Sequence[FoldFigures]) -> Table:
    """Return images per second, CPU time and memory of the limit and of ours, two rows a fold."""
    header = ["fold", "who", "images/s", "ms CPU per image", "peak memory / MB", "of the limit"]
    rows: list[list[str | float]] = []
    for fold in folds:
        images = fold.task.images
        for who, parts, memory, share in (
            ("limit", ("steps", "validation"), fold.limit_bytes, 1.0),
            ("ours", ("ours",), fold.ours_bytes, fold.share_of_limit),
        ):
            wall, cpu = (sum(fold.seconds(part, clock) for part in parts) for clock in ("wall", "cpu"))
            rows.append([fold.task.name, who, images / wall, 1000 * cpu / images, memory / MEGABYTE, share])
    return Table("speed", "One fold, an epoch with its validation", header, rows)


def parts_table(folds: Sequence[FoldFigures]) -> Table:
    """Return where the CPU time of an epoch goes, a row a fold."""
    parts = ("steps", "validation", "input", "checkpoint")
    header = ["fold", "ours / s", *parts, "the rest", "input, share of CPU time"]
    rows: list[list[str | float]] = []
    for fold in folds:
        whole = fold.seconds("ours", "cpu")
        each = [fold.seconds(part, "cpu") for part in parts]
        rows.append([fold.task.name, whole, *each, whole - sum(each), fold.seconds("input", "cpu") / whole])
    return Table("parts", "Where an epoch's CPU time goes, in seconds", header, rows)


def _cells(task: CellTask, rounds: int, cache: Path) -> CellRounds:
    bench, found = CellBench(task, cache=cache), CellRounds()
    for number in range(1, rounds + 1):
        console().print(f"cells, round {number} of {rounds}")
        found.ours.append(bench.ours())
        found.ours_bf16.append(bench.ours("trainer.precision=bf16-mixed"))
        found.usual.append(bench.usual())
    return found


def _cell_table(task: CellTask, cells: CellRounds) -> Table:
    images = task.size * task.epochs * FOLDS
    header = ["who", "wall / s", "images/s", "CPU / s", "cores used", "peak memory / MB", "usual's wall / this"]
    rows: list[list[str | float]] = []
    for who, taken in (("usual", cells.usual), ("ours", cells.ours), ("ours, bf16", cells.ours_bf16)):
        ratios = [usual.wall / mine.wall for usual, mine in zip(cells.usual, taken, strict=True)]
        wall, cpu = _median(taken, "wall"), _median(taken, "cpu")
        memory = _median(taken, "memory") / MEGABYTE
        rows.append([who, wall, images / wall, cpu, cpu / wall, memory, statistics.median(ratios)])
    return Table("cell", f"A cell of {task.name}", header, rows)


def _median(taken: Sequence[Taken], what: str) -> float:
    return float(statistics.median(getattr(one, what) for one in taken))
