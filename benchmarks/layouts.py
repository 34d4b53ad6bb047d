"""Training steps of one network laid out in memory in several ways, and with products for convolutions, in turns."""

import argparse
import shlex
import statistics
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.clock import timed
from benchmarks.options import at_least, check_device
from benchmarks.pool import in_process
from benchmarks.results import machine, publish
from benchmarks.task import Task, fold_job
from benchmarks.training import add_precisions, precisions_for
from csam_lightning.config import Arch
from csam_lightning.machine.memory import keep_freed_memory
from csam_lightning.progress import console
from csam_lightning.reporting.tables import Entry, Table

if TYPE_CHECKING:
    from torch import nn

SIZES = (Task(50, 8, 48), Task(50, 64, 128), Task(100, 8, 32), Task(150, 8, 24), Task(200, 8, 16), Task(350, 4, 12))
"""Images are so many that a turn takes a few seconds."""

NOTES = (
    """A turn is some training steps of benchmarks/limit.py's bare loop, tensors in memory; all ways take
turns in one process. Ratios are medians of the rounds, with the least and the most. plain is PyTorch's own, channel by
channel. products from N: channels last, and convolutions with N channels or more as
csam_lightning/acceleration/products.py does them. csam_lightning/acceleration/layout.py decides which way the product
trains.""",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what can be chosen."""
    parser.add_argument("--rounds", type=at_least(1), default=5, help="turns of each way (default: %(default)s)")
    add_precisions(parser)
    parser.add_argument("--threads", type=at_least(1), default=1, help="CPU threads (default: %(default)s)")
    parser.add_argument("--arch", choices=[arch.name for arch in Arch], default="resnet18", help="default: %(default)s")
    parser.add_argument("--accelerator", choices=("cpu", "gpu"), default="cpu", help="default: %(default)s")


def main(options: argparse.Namespace) -> None:
    """Measure, print and keep."""
    check_device(options.accelerator)
    facts = machine()
    rows: list[list[Entry]] = []
    for precision in options.precisions or precisions_for(options.accelerator):
        for size in SIZES:
            task = replace(
                size,
                precision=precision,
                accelerator=options.accelerator,
                threads=options.threads,
                arch=Arch[options.arch],
            )
            console().print(f"steps of {task.name}: {options.rounds} rounds")
            rows += in_process(rows_of, task, options.rounds)
    header = ["steps", "way", "ms CPU per image", "plain's CPU / this", "least", "most"]
    if clock_of(options.accelerator, options.threads) == "wall":
        header = [column.replace("CPU", "wall") for column in header]
    table = Table("layouts", f"Training steps of {options.arch}, threads: {options.threads}", header, rows)
    publish("layouts", f"python -m benchmarks {shlex.join(sys.argv[1:])}", facts, [table], NOTES)


def clock_of(accelerator: str, threads: int) -> str:
    """Return the clock that tells ways apart: CPU time, unless others than one CPU thread work or wait."""
    return "cpu" if accelerator == "cpu" and threads == 1 else "wall"


def rows_of(task: Task, rounds: int) -> list[list[Entry]]:
    """Return a row for each way: what steps of ``task`` take, and the ratio to the plain way's."""
    clock = clock_of(task.accelerator, task.threads)
    turns: defaultdict[str, list[float]] = defaultdict(list)
    for way, taken in _turns(task, rounds, clock):
        turns[way].append(taken)
    rows: list[list[Entry]] = []
    for way, seconds in turns.items():
        ratios = [plain / mine for plain, mine in zip(turns["plain"], seconds, strict=True)]
        each = 1000 * statistics.median(seconds) / task.images
        rows.append([task.name, way, each, statistics.median(ratios), min(ratios), max(ratios)])
    return rows


def _turns(task: Task, rounds: int, clock: str) -> Iterator[tuple[str, float]]:
    """Yield each way's seconds, round by round; the first round warms up and is left out."""
    import torch

    from benchmarks.limit import BareLoop

    keep_freed_memory()  # as the product does
    torch.set_num_threads(task.threads)
    with tempfile.TemporaryDirectory() as scratch:
        job = fold_job(task, Path(scratch), epochs=1)
        loops = {way: BareLoop(task, job, arrange) for way, arrange in _ways(task).items()}
        for number in range(rounds + 1):
            for way, loop in loops.items():
                spent = timed(loop.train)
                if number:
                    yield way, float(getattr(spent, clock))


def _ways(task: Task) -> "dict[str, Callable[[nn.Module], object]]":
    import torch

    from csam_lightning.acceleration.products import convolve_by_products

    def plain(_: "nn.Module") -> None:
        """Leave the network as PyTorch builds it."""

    def channels_last(network: "nn.Module") -> None:
        network.to(memory_format=torch.channels_last)

    def products(network: "nn.Module", least_channels: int) -> None:
        channels_last(network)
        convolve_by_products(network, least_channels=least_channels)

    ways: dict[str, Callable[[nn.Module], object]] = {"plain": plain, "channels last": channels_last}
    if task.accelerator == "gpu":
        return ways
    for least in (512, 256):
        ways[f"products from {least}"] = partial(products, least_channels=least)
    return ways
