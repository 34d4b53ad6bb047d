"""Training speed and memory: folds and cells against the limit and what is usual, split into parts; and start-up."""

import argparse
import shlex
import statistics
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path

from benchmarks import startup
from benchmarks.cell import CELLS, FOLDS, CellBench, CellRounds, CellTask
from benchmarks.fold import FoldFigures, measure_fold
from benchmarks.observer import Taken
from benchmarks.options import at_least, check_device
from benchmarks.results import CACHE, machine, publish
from benchmarks.task import SIZES, Task
from benchmarks.usual_fold import FILE_SIDE
from csam_lightning.config import PRECISIONS
from csam_lightning.errors import InputError
from csam_lightning.machine.cpu import lacks_bf16
from csam_lightning.machine.processes import usable_cores
from csam_lightning.progress import console
from csam_lightning.reporting.tables import Entry, Table

MEGABYTE = 1e6
OURS = {"32-true": "ours", "bf16-mixed": "ours, bf16"}
"""How a cell's table calls the product's command, by its precision."""

NOTES = (
    """limit: a bare PyTorch loop with the same network, optimiser, precision and threads, its tensors in memory: the
training steps, and one forward pass over the validation scans, its network laid out as the product does (`python -m
benchmarks layouts` compares that with PyTorch's own way). ours: an epoch of a fold with input, augmentation,
metrics, validation, checkpoint and history, and with sending its metrics to MLflow, which in a cell the watching
process does. Both run in turns in one process, with one thread; shares are medians of rounds. Checkpoints are read
before an epoch of ours: in training no pause comes in which the system could put them out of memory.""",
    f"""usual: benchmarks/usual.py, the same images, epochs and batches, fp32. Of a fold: in turns with the others, in a
process that sleeps meanwhile, over PNG files of {FILE_SIDE} px, with as many threads as PyTorch chooses; so the CPU
time of an image tells, not images/s. Of a cell: whole commands in turns, start-up included. Ratios are medians of
rounds. Of a fold images are those that it learns from; of a cell those of its data size, a fifth of which each fold
keeps for validation. The limit of a cell is reckoned from that of a fold: its bare loops on every core, nothing
else. bf16 is left out where a processor has no instructions for it, unless --precisions asks for it.""",
    """Parts are CPU seconds of an epoch, each piece run alone: steps and validation are the limit's, logging is
MLflow's. The rest is what remains of ours: Lightning's loop, the history file, and noise, which may leave less than
nothing. The input's share is that of input and augmentation together. Start-up is a table of its own.""",
    *startup.NOTES,
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what can be chosen."""
    parser.add_argument(
        "--rounds",
        type=at_least(0),
        default=3,
        help="epochs of each fold that are timed; 0: none (default: %(default)s)",
    )
    parser.add_argument("--folds", nargs="+", choices=SIZES, default=list(SIZES), help="default: all")
    add_precisions(parser)
    parser.add_argument("--cells", nargs="+", choices=CELLS, default=list(CELLS), help="default: all")
    parser.add_argument(
        "--cell-rounds", type=at_least(0), default=1, help="runs of each cell; 0: none (default: %(default)s)"
    )
    epochs = ", ".join(f"{name} {task.epochs}" for name, task in CELLS.items())
    parser.add_argument("--cell-epochs", type=at_least(1), help=f"epochs of each cell's folds (default: {epochs})")
    parser.add_argument(
        "--startup-rounds",
        type=at_least(0),
        default=3,
        help="how often start-up is timed; 0: not (default: %(default)s)",
    )
    parser.add_argument("--accelerator", choices=("cpu", "gpu"), default="cpu", help="default: %(default)s")
    parser.add_argument("--cache-dir", type=Path, default=CACHE, help="of the scans (default: %(default)s)")


def add_precisions(parser: argparse.ArgumentParser) -> None:
    """Say that precisions can be chosen."""
    parser.add_argument(
        "--precisions",
        nargs="+",
        choices=PRECISIONS,
        help="default: all, but 32-true alone on a CPU without instructions for bf16",
    )


def main(options: argparse.Namespace) -> None:
    """Measure, print and keep.

    Raises:
        InputError: Nothing is to be measured.
    """
    if not (options.rounds or options.cell_rounds or options.startup_rounds):
        raise InputError(
            "nothing is to be measured", where="--rounds, --cell-rounds, --startup-rounds", mend="give one"
        )
    check_device(options.accelerator)
    facts = machine()
    precisions = options.precisions or precisions_for(options.accelerator)
    folds: list[FoldFigures] = []
    tables: list[Table] = []
    try:  # what was measured is kept where something after it fails
        if options.rounds:
            for fold in _folds([SIZES[name] for name in options.folds], options, precisions):
                folds.append(fold)  # noqa: PERF402
        for table in _commands(options, precisions, folds):
            tables.append(table)  # noqa: PERF402
    finally:
        if folds:
            tables = [speed_table(folds), parts_table(folds), *tables]
        if tables:
            publish("training", f"python -m benchmarks {shlex.join(sys.argv[1:])}", facts, tables, NOTES)


def _commands(options: argparse.Namespace, precisions: Sequence[str], folds: Sequence[FoldFigures]) -> Iterator[Table]:
    """Yield the table of each cell, and of start-up, as soon as it is measured."""
    if options.cell_rounds:
        for task in _chosen_cells(options):
            cells = measure_cell(task, options.cell_rounds, options.cache_dir, precisions=precisions)
            yield cell_table(task, cells, folds)
    if options.startup_rounds:
        yield startup.measure(options.startup_rounds, options.cache_dir)


def _chosen_cells(options: argparse.Namespace) -> Iterator[CellTask]:
    for name in options.cells:
        task = CELLS[name]
        yield replace(task, epochs=options.cell_epochs or task.epochs, accelerator=options.accelerator)


def precisions_for(accelerator: str) -> Sequence[str]:
    """Return what is measured unless told otherwise: bf16 takes hours on a CPU without instructions for it."""
    return PRECISIONS[:1] if accelerator == "cpu" and lacks_bf16() else PRECISIONS


def _folds(sizes: Sequence[Task], options: argparse.Namespace, precisions: Sequence[str]) -> Iterator[FoldFigures]:
    for size, precision in product(sizes, precisions):
        task = replace(size, precision=precision, accelerator=options.accelerator)
        console().print(f"a fold of {task.name}")
        yield measure_fold(task, rounds=options.rounds)


def speed_table(folds: Sequence[FoldFigures]) -> Table:
    """Return images per second, CPU time and memory of the limit, of ours and of the usual way, a row each a fold."""
    header = ["fold", "who", "images/s", "ms CPU per image", "peak memory / MB", "of the limit", "usual's CPU / this"]
    rows: list[list[Entry]] = []
    for fold in folds:
        images, limit = fold.task.images, ("steps", "validation")
        each: list[tuple[str, tuple[str, ...], int, float | None]] = [
            ("limit", limit, fold.limit_bytes, 1.0),
            ("ours", ("ours",), fold.ours_bytes, fold.share_of_limit),
        ]
        if fold.rounds.usual:
            each.append(("usual", ("usual",), fold.rounds.usual_bytes[-1], None))
        for who, parts, memory, share in each:
            wall, cpu = (sum(fold.seconds(part, clock) for part in parts) for clock in ("wall", "cpu"))
            speed = [images / wall, 1000 * cpu / images, memory / MEGABYTE]
            rows.append([fold.task.name, who, *speed, share, fold.usual_over(*parts)])
    return Table("speed", "One fold, an epoch with its validation", header, rows)


def parts_table(folds: Sequence[FoldFigures]) -> Table:
    """Return where the CPU time of an epoch goes, a column a fold."""
    parts = ("steps", "validation", "input", "augmentation", "metrics", "logging", "checkpoint")
    columns: list[list[Entry]] = [["ours", *parts, "the rest", "input's share"]]
    for fold in folds:
        whole = fold.seconds("ours", "cpu")
        each = {part: fold.seconds(part, "cpu") for part in parts}
        share = (each["input"] + each["augmentation"]) / whole
        columns.append([whole, *each.values(), whole - sum(each.values()), share])
    header = ["part", *(fold.task.name for fold in folds)]
    return Table("parts", "Where an epoch's CPU time goes, in seconds", header, list(zip(*columns, strict=True)))


def measure_cell(
    task: CellTask, rounds: int, cache: Path, settings: Sequence[str] = (), *, precisions: Sequence[str] = PRECISIONS
) -> CellRounds:
    """Run a cell by ours with further ``settings``, in each of ``precisions``, and in the usual way, in turns."""
    bench, found = CellBench(task, cache=cache), CellRounds()
    for number in range(1, rounds + 1):
        console().print(f"a cell of {task.name}: round {number} of {rounds}")
        for precision in precisions:
            found.ours[precision].append(bench.ours(*settings, f"trainer.precision={precision}"))
        found.usual.append(bench.usual())
    return found


def cell_table(task: CellTask, cells: CellRounds, folds: Sequence[FoldFigures] = ()) -> Table:
    """Return what the commands took, a row each; on a CPU also what the limit would, where ``folds`` have it."""
    images = task.size * task.epochs * FOLDS
    header = ["who", "wall / s", "images/s", "CPU / s", "ms CPU per image", "cores used", "peak memory / MB"]
    limits = {
        OURS[fold.task.precision].replace("ours", "limit"): [_limit(task, fold)] * len(cells.usual)
        for fold in folds
        if task.accelerator == "cpu"
        and (fold.task.image_size, fold.task.batch_size) == (task.image_size, task.batch_size)
    }
    ours = {OURS[precision]: taken for precision, taken in cells.ours.items()}
    rows: list[list[Entry]] = []
    for who, taken in ({"usual": cells.usual} | limits | ours).items():
        ratios = [usual.wall / mine.wall for usual, mine in zip(cells.usual, taken, strict=True)]
        wall, cpu = _median(taken, "wall"), _median(taken, "cpu")
        memory = _median(taken, "memory") / MEGABYTE
        speed = [wall, images / wall, cpu, 1000 * cpu / images, cpu / wall]
        rows.append([who, *speed, memory, statistics.median(ratios)])
    return Table("cell", f"A cell of {task.name}", [*header, "usual's wall / this"], rows)


def _limit(task: CellTask, fold: FoldFigures) -> Taken:
    """Return what a cell of nothing but bare loops would take, one on every core.

    Args:
        task: The cell; of five folds each learns from four fifths of the images.
        fold: A fold of such images, measured.
    """
    validated = task.size / FOLDS
    epoch = [
        fold.seconds("steps", clock) * (task.size - validated) / fold.task.images
        + fold.seconds("validation", clock) * validated / fold.task.validation_scans
        for clock in ("wall", "cpu")
    ]
    wall, cpu = (seconds * task.epochs * FOLDS for seconds in epoch)
    cores = usable_cores()
    return Taken(wall / cores, cpu, fold.limit_bytes * cores)


def _median(taken: Sequence[Taken], what: str) -> float:
    return float(statistics.median(getattr(one, what) for one in taken))
