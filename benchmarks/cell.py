"""A five-fold cell by the product's command, against the same cell in the usual way; both as a user starts them."""

import json
import shutil
import sys
import tempfile
from collections import defaultdict
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from hydra import compose, initialize_config_module

from benchmarks.observer import Taken, observe
from csam_lightning.cells.cell import prepare_cell
from csam_lightning.cells.identity import read_data
from csam_lightning.cli import typed
from csam_lightning.config import TrainConfig

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from csam_lightning.cells.cell import Cell

FOLDS = 5


@dataclass(frozen=True)
class CellTask:
    """A cell to time.

    Attributes:
        size: The data size.
        image_size: Pixels of a side.
        batch_size: Images per step.
        epochs: Of each fold.
        accelerator: As ``trainer.accelerator``.
        simulation: Settings of the simulated data set that differ from the default ones.
    """

    size: int
    image_size: int
    batch_size: int
    epochs: int
    accelerator: str = "cpu"
    simulation: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """How tables call it."""
        return (
            f"{self.size} images, {self.image_size} px, batch {self.batch_size}, {FOLDS} folds of {self.epochs} epochs"
        )

    @property
    def overrides(self) -> list[str]:
        """What the product's command is told."""
        return [
            f"data.size={self.size}",
            f"data.num_folds={FOLDS}",
            f"data.image_size={self.image_size}",
            f"data.batch_size={self.batch_size}",
            f"trainer.max_epochs={self.epochs}",
            f"trainer.accelerator={self.accelerator}",
            *self.simulation,
        ]

    def prepared(self, cache: Path) -> "tuple[Cell, Path]":
        """Return the cell and its images' folder; they are made and decoded where that has not been done yet."""
        with initialize_config_module("csam_lightning.conf", version_base="1.3"):
            composed = compose("train", overrides=[*self.overrides, f"cache_dir={cache.absolute()}"])
        config = typed(composed, TrainConfig)
        manifest = read_data(config)
        return prepare_cell(config, manifest), manifest.root.absolute()


LATE = ("data.simulation.read_outs=[500]", "data.simulation.test_counts={A:4,B:4,C:4,D:4}")
"""A small data set in which every class has enough packages for five folds: one scan of each, at the last read-out."""

CELLS = {
    "100px": CellTask(420, 100, 8, epochs=20),
    "50px": CellTask(840, 50, 64, epochs=5),
    "350px": CellTask(140, 350, 4, epochs=2, simulation=LATE),
}
"""The default cell at half its data size, half an hour on two cores; and the published grid's ends, minutes each."""


@dataclass
class CellRounds:
    """What the commands took, one entry a round; ours by precision."""

    ours: "defaultdict[str, list[Taken]]" = field(default_factory=partial(defaultdict, list))
    usual: "list[Taken]" = field(default_factory=list)


class CellBench:
    """Runs the commands in a scratch folder; decoded scans and the simulated set stay in ``cache``."""

    def __init__(self, task: CellTask, *, cache: Path) -> None:
        """Make the data set where it is not there yet, decode it, and write down the folds for the usual way."""
        self._task = task
        self._cache = cache.absolute()
        self._folds = json.dumps(_described(*task.prepared(cache), task))

    def ours(self, *overrides: str) -> Taken:
        """Run the product's command; start-up, folds, figures and MLflow included."""
        command = [sys.executable, "-m", "csam_lightning.train", *self._task.overrides, *overrides]
        return self._run([*command, f"cache_dir={self._cache}"])

    def usual(self) -> Taken:
        """Run the usual way."""
        return self._run([sys.executable, "-m", "benchmarks.usual", "folds.json"])

    def _run(self, command: "Sequence[str]") -> Taken:
        folder = Path(tempfile.mkdtemp())
        try:
            (folder / "folds.json").write_text(self._folds)
            return observe(command, folder=folder)
        finally:
            shutil.rmtree(folder)


def _described(cell: "Cell", root: Path, task: CellTask) -> dict[str, object]:
    def listed(rows: "pd.DataFrame") -> list[tuple[str, int]]:
        codes = {name: code for code, name in enumerate(cell.classes)}
        return [(str(root / path), codes[label]) for path, label in zip(rows["path"], rows["label"], strict=True)]

    folds = [
        (listed(cell.table.iloc[fold.training.scan]), listed(cell.table.iloc[fold.validation.scans]))
        for fold in cell.folds
    ]
    return {
        "folds": folds,
        "num_classes": len(cell.classes),
        "image_size": task.image_size,
        "batch_size": task.batch_size,
        "epochs": task.epochs,
        "accelerator": task.accelerator,
    }
