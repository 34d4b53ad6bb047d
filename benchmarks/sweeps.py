"""Whole sweeps by the product's commands: the paper's three, and a tenth of its grid."""

import math
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle, islice, product
from pathlib import Path

import yaml

from benchmarks.observer import Taken, observe

TENTH = 10
Cell = tuple[int, int, int]
"""Data size, image size, batch size."""


@dataclass(frozen=True)
class Grid:
    """A grid of cells, and how they are trained.

    Attributes:
        sizes: Data sizes.
        image_sizes: Pixels of a side.
        batch_sizes: Images per step.
        centre: The cell around which one factor is changed at a time.
        folds: Of each cell.
        epochs: Of each fold.
        settings: Further settings of all commands.
    """

    sizes: tuple[int, ...]
    image_sizes: tuple[int, ...]
    batch_sizes: tuple[int, ...]
    centre: Cell
    folds: int = 5
    epochs: int = 20
    settings: tuple[str, ...] = ()

    @property
    def cells(self) -> list[Cell]:
        """All cells."""
        return list(product(self.sizes, self.image_sizes, self.batch_sizes))

    @property
    def tenth(self) -> list[Cell]:
        """A tenth of the cells.

        The i-th has the i-th data size, the i-th image size and the i-th batch size, each counted round and round: so
        all values of a factor come equally often, but for one more or less, and no two cells are the same.
        """
        rounds = zip(cycle(self.sizes), cycle(self.image_sizes), cycle(self.batch_sizes), strict=True)
        return list(islice(rounds, math.ceil(len(self.cells) / TENTH)))


PAPER = Grid(
    sizes=(420, 560, 700, 840),
    image_sizes=(50, 100, 150, 200, 250, 300, 350),
    batch_sizes=(4, 8, 16, 32, 64),
    centre=(840, 100, 8),
)


def ratio(whole: Sequence[Cell], part: Sequence[Cell]) -> float:
    """Return how many times the time of ``part`` the time of ``whole`` is at most.

    A cell's time is taken for a sum of a part that each cell has, a part that goes with its steps and a part that goes
    with its pixels. Whichever counts most, the ratio of the sums cannot be more than the greatest of the three ratios.
    """

    def sums(cells: Sequence[Cell]) -> Iterator[float]:
        yield len(cells)
        yield sum(size / batch for size, _, batch in cells)
        yield sum(size * side**2 for size, side, _ in cells)

    return max(all_of / some for all_of, some in zip(sums(whole), sums(part), strict=True))


@dataclass(frozen=True)
class Sweeps:
    """Runs sweeps in a folder.

    Attributes:
        grid: What to train.
        folder: Where results and the store go.
        accelerator: As ``trainer.accelerator``.
        at_once: Cells side by side.
        settings: Further settings of the product; those that make the grid what it is win.
    """

    grid: Grid
    folder: Path
    accelerator: str
    at_once: int
    settings: tuple[str, ...]

    def one_factor_at_a_time(self) -> list[Taken]:
        """Run the paper's three sweeps and the report of all, and return what each command took."""
        report = [sys.executable, "-m", "csam_lightning.report", "runs=[data_size,image_size,batch_size]"]
        return [observe(command, folder=self.folder) for command in [*self.commands(), report]]

    def a_tenth(self) -> Taken:
        """Run a tenth of the grid as one sweep, and return what it took."""
        group = self.folder / "cells" / "tenth"
        group.mkdir(parents=True)
        names = [f"cell{number}" for number in range(len(self.grid.tenth))]
        for name, (size, side, batch) in zip(names, self.grid.tenth, strict=True):
            data = {"size": size, "image_size": side, "batch_size": batch}
            (group / f"{name}.yaml").write_text(f"# @package _global_\n{yaml.safe_dump({'data': data})}")
        command = self._train("--config-dir", str(group.parent.absolute()), f"+tenth={','.join(names)}")
        return observe(command, folder=self.folder)

    def commands(self) -> list[list[str]]:
        """Return the commands of the three sweeps."""
        factors = {
            "data_size": ("data.size", self.grid.sizes),
            "image_size": ("data.image_size", self.grid.image_sizes),
            "batch_size": ("data.batch_size", self.grid.batch_sizes),
        }
        centre = dict(zip((setting for setting, _ in factors.values()), map(str, self.grid.centre), strict=True))
        return [
            self._train(
                f"+experiment={name}",
                *(f"{key}={value}" for key, value in {**centre, setting: ",".join(map(str, values))}.items()),
            )
            for name, (setting, values) in factors.items()
        ]

    def _train(self, *arguments: str) -> list[str]:
        return [
            *(sys.executable, "-m", "csam_lightning.train", "-m", *arguments),
            *("hydra/launcher=joblib", f"hydra.launcher.n_jobs={self.at_once}"),
            *self.settings,
            f"data.num_folds={self.grid.folds}",
            f"trainer.max_epochs={self.grid.epochs}",
            f"trainer.accelerator={self.accelerator}",
            *self.grid.settings,
        ]
