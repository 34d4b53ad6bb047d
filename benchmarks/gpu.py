"""The four targets of a GPU: a cell, the limit with as many folds at once as pays, the paper's sweeps, its grid."""

import argparse
import math
import shlex
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from hydra import compose, initialize_config_module
from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException

from benchmarks.cell import FOLDS, LATE, CellTask
from benchmarks.image_steps import SIDE
from benchmarks.images import write_data_set
from benchmarks.observer import CommandFailedError
from benchmarks.options import at_least, check_device
from benchmarks.results import CACHE, machine, publish
from benchmarks.sweeps import PAPER, Grid, Sweeps, ratio
from benchmarks.task import Task
from benchmarks.together import Point, Work, curve, limit, ours
from benchmarks.training import MEGABYTE, OURS, cell_table, measure_cell, precisions_for
from csam_lightning.cli import one_line, typed
from csam_lightning.config import TrainConfig, check_values
from csam_lightning.errors import InputError
from csam_lightning.machine.processes import usable_cores
from csam_lightning.progress import console
from csam_lightning.reporting.tables import Entry, Table

CELL_TARGET, LIMIT_TARGET, SWEEPS_MINUTES, GRID_MINUTES = 8.0, 0.8, 5.0, 45.0


@dataclass(frozen=True)
class Sizes:
    """How much work is done.

    Attributes:
        fold: What limit and ours train, several at once.
        cell: What ours and the usual way train.
        grid: The sweeps' cells.
        processes: Folds at once to try.
        epochs: Timed in each such process.
        scans: Scans of noise that the sweeps are trained on; None: the simulated data set.
    """

    fold: Task
    cell: CellTask
    grid: Grid
    processes: tuple[int, ...] = (1, 2, 4, 8, 16)
    epochs: int = 20
    scans: int | None = None


FULL = Sizes(Task(100, 8, 672), CellTask(840, 100, 8, epochs=5), PAPER)
"""A fold of the default cell, the cell itself, and the paper's grid."""

TINY = Sizes(
    Task(32, 8, 16),
    CellTask(140, 32, 64, epochs=1, simulation=LATE),
    Grid((60, 90, 120), (SIDE, 40), (32, 64), (120, SIDE, 64), folds=2, epochs=1),
    processes=(1, 2),
    epochs=1,
    scans=120,
)

NOTES = {
    "limit": """limit: a bare loop whose whole step is one CUDA graph, and one forward pass over the validation scans;
on a CPU, for trials, without graphs. ours: the product's training of a fold. So many processes began together after an
epoch to warm up; images/s of all over the time in which all worked; more were tried as long as the last step up brought
5 %. Memory is what PyTorch held of the GPU in one of them, without CUDA's own; on a CPU all that its
process held. The target compares the best of each, whatever the number of processes, at equal precision.""",
    "cell": "The cell: whole commands in turns, start-up included; usual is benchmarks/usual.py, in fp32.",
    "sweeps": """The sweeps: the product's commands one after the other, cells side by side, from the first command's
start to the report's end, with decoding of scans that the cache does not hold. Cells that two sweeps share are trained
once.""",
    "grid": """The tenth: its i-th cell has the i-th data size, image size and batch size, each counted round and round.
Extrapolated by the greatest of three ratios of the whole grid to the tenth: of cells, of steps, of pixels. A cell's
time is made of what each cell costs, each step and each pixel, so no mixture of them makes the grid's time more.""",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what can be chosen."""
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS), help="default: all")
    parser.add_argument("--accelerator", choices=("cpu", "gpu"), default="gpu", help="default: %(default)s")
    parser.add_argument("--tiny", action="store_true", help="try every part on next to no work, minutes on a CPU")
    parser.add_argument(
        "--processes",
        type=at_least(1),
        nargs="+",
        help=f"folds at once to try (default: {_listed(FULL.processes)}; {_listed(TINY.processes)} with --tiny)",
    )
    parser.add_argument(
        "--epochs",
        type=at_least(1),
        help=f"timed in each such process (default: {FULL.epochs}; {TINY.epochs} with --tiny)",
    )
    parser.add_argument(
        "--cell-epochs",
        type=at_least(1),
        help=f"of the cell (default: {FULL.cell.epochs}; {TINY.cell.epochs} with --tiny)",
    )
    parser.add_argument("--cell-rounds", type=at_least(1), default=1, help="runs of the cell (default: %(default)s)")
    parser.add_argument(
        "--cells-at-once",
        type=at_least(1),
        default=max(1, usable_cores() // FOLDS),
        help="of the sweeps; the default has a core for each fold (default: %(default)s)",
    )
    parser.add_argument(
        "--settings",
        nargs="*",
        help="of the product's commands, such as trainer.precision=bf16-mixed "
        "(default: trainer.cuda_graphs=true on a GPU; --settings alone: none)",
    )
    parser.add_argument("--cache-dir", type=Path, default=CACHE, help="of the scans (default: %(default)s)")


def main(options: argparse.Namespace) -> None:
    """Measure, print and keep; a part that fails is told of in the table and ends no other.

    Interrupted it keeps the parts that are done.

    Raises:
        InputError: There is no such accelerator here, or a setting is none of the product's.
        CommandFailedError: A part has failed; the others are kept.
    """
    check_device(options.accelerator)
    if options.settings is None:
        options.settings = ["trainer.cuda_graphs=true"] if options.accelerator == "gpu" else []
    _check_settings(options.settings)
    facts = machine()
    sizes = TINY if options.tiny else FULL
    done: dict[str, Measured] = {}
    try:
        for part in options.parts:
            try:
                done[part] = PARTS[part](sizes, options)
            except CommandFailedError as error:
                console().print(f"{part}: {error}", markup=False)
                done[part] = [[f"{part}: failed, {str(error).splitlines()[-1]}", None, None, "no"]], None
    finally:
        if done:
            _keep(done, facts, trial=options.tiny or options.accelerator == "cpu")
    if failed := [part for part, (_, table) in done.items() if table is None]:
        raise CommandFailedError(f"failed: {', '.join(failed)}; see above")


def _keep(done: Mapping[str, "Measured"], facts: Sequence[str], *, trial: bool) -> None:
    """Print and keep what was measured of each part, be it all of them or those before an interruption."""
    title, targets = "Targets", [row for reached, _ in done.values() for row in reached]
    if trial:
        title += ", which only a GPU and work of full size are held to"
        targets = [[*row[:-1], None] for row in targets]
    table = Table("targets", title, ["target", "wanted", "measured", "reached"], targets)
    tables = [table, *(table for _, table in done.values() if table is not None)]
    publish("gpu", f"python -m benchmarks {shlex.join(sys.argv[1:])}", facts, tables, [NOTES[part] for part in done])


def _check_settings(settings: Sequence[str]) -> None:
    """Check what the product is told before anything is measured."""
    try:
        with initialize_config_module("csam_lightning.conf", version_base="1.3"):
            config = typed(compose("train", overrides=list(settings)), TrainConfig)
    except (HydraException, OmegaConfBaseException) as error:
        mend = "give settings of csam_lightning.train, such as trainer.precision=bf16-mixed"
        raise InputError(one_line(error), where="--settings", mend=mend) from error
    check_values(config)


def _listed(numbers: Sequence[int]) -> str:
    return " ".join(map(str, numbers))


Measured = tuple[list[list[Entry]], Table | None]
"""Rows of the table of targets, and a table of what they were made from; None of a part that failed."""


def verdict(target: str, *, measured: float, least: float | None = None, most: float | None = None) -> list[Entry]:
    """Return a row of the table of targets."""
    if least is not None:
        return [target, f"≥ {least:g}", measured, "yes" if measured >= least else "no"]
    return [target, f"≤ {most:g}", measured, "yes" if most is not None and measured <= most else "no"]


def _limit(sizes: Sizes, options: argparse.Namespace) -> Measured:
    rows: list[list[Entry]] = []
    targets = []
    for precision in precisions_for(options.accelerator):
        task = replace(sizes.fold, precision=precision, accelerator=options.accelerator)
        best = {}
        for who, points in _curves(task, options.epochs or sizes.epochs, options.processes or sizes.processes):
            rows += [[precision, who, str(at.processes), at.rate, at.memory / MEGABYTE] for at in points]
            best[who] = max((at.rate for at in points), default=math.nan)
        bound = best.pop("limit")
        reached = max((rate for rate in best.values() if rate > 0), default=math.nan) / bound
        if math.isnan(reached):
            raise CommandFailedError(f"{task.name}: limit or ours was not measured, see above")
        targets.append(verdict(f"ours / limit, {task.name}", measured=reached, least=LIMIT_TARGET))
    header = ["precision", "who", "folds at once", "images/s together", "memory of one / MB"]
    return targets, Table("limit", f"Folds at once, {sizes.fold.images} images an epoch", header, rows)


def _curves(task: Task, epochs: int, processes: Sequence[int]) -> Iterator[tuple[str, list[Point]]]:
    def measured(work: Work, task: Task) -> list[Point]:
        return curve(work, task, epochs=epochs, counts=processes)

    yield "limit", measured(limit, task)
    yield "ours", measured(ours, task)
    if task.accelerator == "gpu":
        yield "ours, CUDA graphs", measured(ours, replace(task, cuda_graphs=True))


def _cell(sizes: Sizes, options: argparse.Namespace) -> Measured:
    task = replace(sizes.cell, accelerator=options.accelerator, epochs=options.cell_epochs or sizes.cell.epochs)
    precisions = precisions_for(options.accelerator)
    cells = measure_cell(task, options.cell_rounds, options.cache_dir, options.settings, precisions=precisions)
    table = cell_table(task, cells)
    ratios = {str(row[0]): row[-1] for row in table.rows}
    return [
        verdict(f"usual / {who}, wall, {task.name}", measured=float(str(ratios[who])), least=CELL_TARGET)
        for who in (OURS[precision] for precision in precisions)
    ], table


def _sweeps(sizes: Sizes, options: argparse.Namespace) -> Measured:
    with tempfile.TemporaryDirectory() as scratch:
        taken = _sweeps_in(Path(scratch), sizes, options).one_factor_at_a_time()
    names = ["data_size", "image_size", "batch_size", "report"]
    rows: list[list[Entry]] = [
        [name, one.wall / 60, one.cpu / one.wall, one.memory / MEGABYTE] for name, one in zip(names, taken, strict=True)
    ]
    target = f"one-factor sweeps, {sizes.grid.epochs} epochs, start to report, minutes"
    table = Table("sweeps", _titled("One factor at a time", options), ["command", *SWEEP_HEADER], rows)
    return [verdict(target, measured=sum(one.wall for one in taken) / 60, most=SWEEPS_MINUTES)], table


def _grid(sizes: Sizes, options: argparse.Namespace) -> Measured:
    grid = sizes.grid
    with tempfile.TemporaryDirectory() as scratch:
        taken = _sweeps_in(Path(scratch), sizes, options).a_tenth()
    factor = ratio(grid.cells, grid.tenth)
    minutes = factor * taken.wall / 60
    cells = f"{len(grid.tenth)} cells"
    rows: list[list[Entry]] = [
        [cells, taken.wall / 60, taken.cpu / taken.wall, taken.memory / MEGABYTE],
        [f"{len(grid.cells)} cells, extrapolated ({factor:.2f} ×)", minutes, None, None],
    ]
    table = Table("grid", _titled("A tenth of the grid", options), ["what", *SWEEP_HEADER], rows)
    target = f"the grid of {len(grid.cells)} cells, extrapolated, minutes"
    return [verdict(target, measured=minutes, most=GRID_MINUTES)], table


SWEEP_HEADER = ("minutes", "cores used", "peak memory / MB")


def _titled(what: str, options: argparse.Namespace) -> str:
    return ", ".join([what, f"cells at once: {options.cells_at_once}", *options.settings])


def _sweeps_in(folder: Path, sizes: Sizes, options: argparse.Namespace) -> Sweeps:
    """Return what runs sweeps in ``folder``; the data set is there before they begin."""
    if sizes.scans is None:
        data = [f"cache_dir={options.cache_dir.absolute()}"]
        sizes.cell.prepared(options.cache_dir)
    else:
        write_data_set(folder / "scans", sizes.scans)
        data = ["data=folder", "data.root=scans", "cache_dir=cache"]
    console().print(_titled("sweeps", options))
    return Sweeps(sizes.grid, folder, options.accelerator, options.cells_at_once, (*data, *options.settings))


PARTS: dict[str, Callable[[Sizes, argparse.Namespace], Measured]] = {
    "limit": _limit,
    "cell": _cell,
    "sweeps": _sweeps,
    "grid": _grid,
}
