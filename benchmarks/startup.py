"""Start-up: commands that need no network, and a cell from the command to its first step, against bare imports."""

import argparse
import json
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.images import FEW, write_data_set
from benchmarks.observer import LAST_WORDS, CommandFailedError, environment
from benchmarks.options import at_least
from benchmarks.results import CACHE, machine, publish
from csam_lightning.progress import track
from csam_lightning.reporting.tables import Table

BARE = "import torch, lightning"
SMALL = ("folds=[0]", "trainer.max_epochs=1", "data.image_size=32", "trainer.accelerator=cpu")

NOTES = (
    """First step: from the start of `python -m csam_lightning.train` until its first epoch begins, for a cell of one
fold, 32 px, whose scans are decoded already. All in turns; ratios are medians of rounds.""",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what can be chosen."""
    parser.add_argument(
        "--rounds", type=at_least(1), default=5, help="how often each is measured (default: %(default)s)"
    )
    parser.add_argument("--cache-dir", type=Path, default=CACHE, help="of the scans (default: %(default)s)")


def main(options: argparse.Namespace) -> None:
    """Measure, print and keep."""
    facts = machine()
    table = measure(options.rounds, options.cache_dir)
    publish("startup", f"python -m benchmarks {shlex.join(sys.argv[1:])}", facts, [table], NOTES)


def measure(rounds: int, cache_dir: Path) -> Table:
    """Return how long commands take to start: medians of ``rounds``."""
    with tempfile.TemporaryDirectory() as scratch:
        scans = Path(scratch) / "scans"
        write_data_set(scans, FEW)
        return _measure(rounds, f"cache_dir={cache_dir.absolute()}", scans)


def _measure(rounds: int, cache: str, scans: Path) -> Table:
    train, check = ([sys.executable, "-m", f"csam_lightning.{name}"] for name in ("train", "check"))
    commands = {
        BARE: [sys.executable, "-c", BARE],
        "train --help": [*train, "--help"],
        "check --help": [*check, "--help"],
        f"check, {FEW} scans of 32 px": [*check, f"data.root={scans}"],
        "check, 926 scans of 400 px": [*check, "data=simulated", cache],
    }
    first_step = [*train, *SMALL, cache]
    _first_step(first_step)  # decodes the scans
    seconds: dict[str, list[float]] = {name: [] for name in [*commands, "first step"]}
    for _ in track(range(rounds), description="start-up, rounds", total=rounds):
        for name, command in commands.items():
            seconds[name].append(_seconds(command))
        seconds["first step"].append(_first_step(first_step))
    torch = {name: "yes" if _imports_torch(command) else "no" for name, command in commands.items()}
    rows: list[list[str | float]] = [
        [
            name,
            statistics.median(values),
            statistics.median(value / bare for value, bare in zip(values, seconds[BARE], strict=True)),
            torch.get(name, "yes"),
        ]
        for name, values in seconds.items()
    ]
    return Table("startup", "Start-up", ["what", "seconds", "of the bare imports", "imports torch"], rows)


def _run(command: Sequence[str], *, folder: str | None = None) -> str:
    """Run ``command``, in ``folder`` with the environment of :func:`environment`; return what it said.

    Raises:
        CommandFailedError: Its exit status is not 0; the message holds the end of what it said.
    """
    done = subprocess.run(  # noqa: S603 - the benchmark's own commands
        command,
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        cwd=folder,
        env=environment() if folder else None,
    )
    if done.returncode:
        raise CommandFailedError(f"{shlex.join(command)} failed:\n{done.stdout[-LAST_WORDS:]}")
    return done.stdout


def _seconds(command: Sequence[str]) -> float:
    began = time.perf_counter()
    _run(command)
    return time.perf_counter() - began


def _first_step(command: Sequence[str]) -> float:
    """Return the seconds until the first epoch of a new cell began, by the clock that its history keeps."""
    with tempfile.TemporaryDirectory() as folder:
        began = time.time()
        _run(command, folder=folder)
        [history] = Path(folder).glob("outputs/cells/*/fold_0/history.json")
        first = json.loads(history.read_text())[0]
        return float(first["ended"] - first["seconds"] - began)


def _imports_torch(command: Sequence[str]) -> bool:
    said = _run([command[0], "-X", "importtime", *command[1:]])
    return any(line.rpartition("|")[2].strip() == "torch" for line in said.splitlines())
