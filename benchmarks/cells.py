"""Overhead of a cell in a sweep while the store fills: launcher, tracking, look-up of what is finished."""

import argparse
import json
import shlex
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path

from benchmarks.growth import draw_growth
from benchmarks.image_steps import SIDE
from benchmarks.images import write_data_set
from benchmarks.observer import Taken, observe
from benchmarks.options import at_least
from benchmarks.results import machine, publish
from csam_lightning.figures.style import styled
from csam_lightning.progress import console
from csam_lightning.reporting.tables import Entry, Table

SCANS = 120
SMALL = (
    "folds=[0]",
    "data.num_folds=2",
    "trainer.max_epochs=1",
    f"data.image_size={SIDE}",
    "data.batch_size=64",
    "data.size=null",
    "trainer.accelerator=cpu",
)

REST = "beside its epoch / s per cell"
FURTHER = "each further cell / s"

NOTES = (
    f"""Cells of one fold and one epoch over {SCANS} scans of {SIDE} px, one after the other against one SQLite store.
The first sweep trains them; the second is the same command again, which finds all of them finished. Beside its epoch:
its share of the sweep's start, start of a process, evaluation, files, figures, MLflow. Each further cell: the same of
the cells that the next smaller size had not, and so without the sweep's start.""",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what can be chosen."""
    parser.add_argument(
        "--cells",
        type=at_least(1),
        nargs="+",
        default=[10, 100, 1000],
        help="sizes to measure, each of which takes 45 MB of disk a cell while it runs (default: %(default)s)",
    )


def main(options: argparse.Namespace) -> None:
    """Measure, print and keep; interrupted, what was measured by then."""
    facts = machine()
    rows: list[list[Entry]] = []
    lines: dict[str, dict[int, float]] = {"trained": {}, "found finished": {}}
    try:
        for cells in sorted(set(options.cells)):
            for row in _measured(cells, lines):
                rows.append(row)  # noqa: PERF402 - what was measured is kept where something after it fails
    finally:
        if rows:
            _keep(rows, lines, facts)


def _measured(cells: int, lines: Mapping[str, dict[int, float]]) -> Iterator[list[Entry]]:
    """Yield a row for each of a number of cells' sweeps, and add what a cell takes beside its epoch to ``lines``."""
    console().print(f"{cells} cells")
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        write_data_set(folder / "scans", SCANS)
        for sweep, line in lines.items():
            taken = _sweep(folder, cells)
            epochs = _epochs(folder) if sweep == "trained" else 0.0
            line[cells] = (taken.wall - epochs) / cells
            *_, further = each_further(line)
            yield [cells, sweep, taken.wall, epochs / cells, line[cells], further, taken.memory / 1e6]


def _keep(rows: list[list[Entry]], lines: Mapping[str, Mapping[int, float]], facts: Sequence[str]) -> None:
    with styled():
        figure = draw_growth({REST: lines}, over="cells")
    header = ["cells", "sweep", "seconds", "epoch / s per cell", REST, FURTHER, "peak memory / MB"]
    table = Table("cells", "Cost per cell", header, rows)
    publish("cells", f"python -m benchmarks {shlex.join(sys.argv[1:])}", facts, [table], NOTES, figure=figure)


def each_further(per_cell: Mapping[int, float]) -> Iterator[float | None]:
    """Yield for each number of cells what those took that the number before it had not; None for the first.

    Args:
        per_cell: Number of cells, ascending → seconds of each.
    """
    yield None
    for (few, of_few), (many, of_many) in pairwise(per_cell.items()):
        yield (many * of_many - few * of_few) / (many - few)


def _sweep(folder: Path, cells: int) -> Taken:
    data = ["data=folder", "data.root=scans", "cache_dir=cache"]
    command = ["-m", "csam_lightning.train", "-m", *data, *SMALL, f"seed=range({cells})"]
    return observe([sys.executable, *command], folder=folder)


def _epochs(folder: Path) -> float:
    """Return the seconds that all epochs took together."""
    histories = folder.glob("outputs/cells/*/fold_0/history.json")
    return sum(float(json.loads(history.read_text())[0]["seconds"]) for history in histories)
