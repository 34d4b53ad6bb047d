"""One fold in the usual way, in a process of its own that waits at the end of every epoch to be asked for the next."""

import os
from collections.abc import Mapping
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self
from unittest.mock import patch

import numpy as np
from PIL import Image

from benchmarks.clock import Spent
from benchmarks.observer import LAST_WORDS, CommandFailedError
from csam_lightning.machine.memory import LARGE_PAGES, TUNABLES

if TYPE_CHECKING:
    from benchmarks.task import Task
    from csam_lightning.training.job import FoldJob

FILE_SIDE = 400
"""Pixels of a scan as its scanner wrote it; the simulator's."""


class UsualFold:
    """Trains the images of a fold by benchmarks/usual.py, an epoch each time that :meth:`epoch` is called.

    Whatever the libraries leave open is left to them: it takes as many threads as PyTorch chooses.

    Attributes:
        memory: Most bytes that its process has held so far.
    """

    def __init__(self, task: "Task", job: "FoldJob", folder: Path) -> None:
        """Write the images to ``folder`` as the files of a user, and start the process."""
        self.memory = 0
        self._said = folder / "usual.txt"
        context = get_context("spawn")
        self._pipe, theirs = context.Pipe()
        described = described_fold(task, job, folder / "scans", epochs=-1)
        self._process = context.Process(target=_train, args=(theirs, described, folder, self._said), daemon=True)
        tunables = os.environ.get(TUNABLES, "").removeprefix(LARGE_PAGES).removeprefix(":")
        with patch.dict(os.environ, {TUNABLES: tunables}):  # large pages are the product's, not the usual way's
            self._process.start()
        theirs.close()

    def __enter__(self) -> Self:
        """Wait until it is ready for its first epoch."""
        self._receive()
        return self

    def __exit__(self, *_: object) -> None:
        """End the process."""
        self._process.kill()
        self._process.join()

    def epoch(self) -> Spent:
        """Train one epoch with all that belongs to it, and return what it took.

        Raises:
            CommandFailedError: The process has ended; the message holds the end of what it said.
        """
        self._pipe.send("go")
        spent, self.memory = self._receive()
        return spent

    def _receive(self) -> tuple[Spent, int]:
        try:
            told: tuple[Spent, int] = self._pipe.recv()
        except EOFError:
            said = self._said.read_text(errors="replace")[-LAST_WORDS:]
            raise CommandFailedError(f"benchmarks/usual.py failed:\n{said}") from None
        return told


def described_fold(task: "Task", job: "FoldJob", folder: Path, *, epochs: int) -> dict[str, Any]:
    """Write the images of ``job`` to ``folder`` and return what benchmarks/usual.py is told; epochs -1: without end."""
    paths = _write_files(job, folder)
    parts = (job.fold.training.scan, job.fold.validation.scans)
    fold = [[(paths[scan], int(job.codes[scan])) for scan in part.tolist()] for part in parts]
    return {
        "folds": [fold],
        "num_classes": job.num_classes,
        "image_size": task.image_size,
        "batch_size": task.batch_size,
        "epochs": epochs,
        "accelerator": task.accelerator,
    }


def _write_files(job: "FoldJob", folder: Path) -> list[str]:
    """Write the images of ``job`` as PNG files of the size of scans, each pixel repeated, and return their paths."""
    folder.mkdir()
    pixels = np.load(job.pixels, mmap_mode="r", allow_pickle=False)
    paths = []
    for number, image in enumerate(pixels):
        paths.append(str(folder / f"{number}.png"))
        enlarged = Image.fromarray(image).resize((FILE_SIDE, FILE_SIDE), Image.Resampling.NEAREST)
        enlarged.save(paths[-1], compress_level=1)
    return paths


def _train(pipe: Connection, described: Mapping[str, Any], folder: Path, said: Path) -> None:
    """Train until the process is ended; the body of the process."""
    with said.open("w") as file:
        for stream in (1, 2):
            os.dup2(file.fileno(), stream)
    os.chdir(folder)
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    from benchmarks.turn_taker import TurnTaker
    from benchmarks.usual import train_fold

    train_fold(described, 0, [TurnTaker(pipe)])
