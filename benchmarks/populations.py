"""Synthetic cells whose true macro F1 is known, validated on scans that come in packages."""

from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtr

from csam_lightning.evaluation.clusters import macro_f1

if TYPE_CHECKING:
    from numpy.typing import NDArray

SIDES = (50, 100, 150, 200, 250, 300, 350)
BATCHES = (4, 8, 16, 32, 64)
EPOCHS = (5, 10, 20, 40, 80)
READ_OUTS = 6
CLASSES = 4
FAILING = (0.35, 0.35, 0.3)
"""Share of A, B and C among the packages that fail."""
LASTING = 0.4
"""Share of packages that stay sound (D) to the last read-out."""
WRONG = np.array([[0, 0.2, 0.5, 0.3], [0.2, 0, 0.4, 0.4], [0.6, 0.4, 0, 0], [0.4, 0.4, 0.2, 0]])
"""What a wrong answer is, actual × predicted."""
EASE = np.array([-0.2, -0.4, -0.3, 0.7])
"""By how much scans of a class are easier than others, in probits."""
BY_PACKAGE, BY_SCAN, BY_CELL, BY_RUN = 0.8, 0.7, 0.4, 0.1
"""Standard deviations in probits: of packages and scans, alike for all cells; of a cell's packages; of a seed."""


@dataclass(frozen=True)
class Population:
    """Trained cells and what they predict.

    Attributes:
        confusions: Counts, shape (cells, seeds, packages, classes, classes).
        truth: Macro F1 of each cell on all scans there could be, mean over its seeds, shape (cells,).
        work: Of each cell, shape (cells,).
        seconds: As a loaded machine would measure them, shape (cells,).
    """

    confusions: "NDArray[np.int64]"
    truth: "NDArray[np.float64]"
    work: "NDArray[np.float64]"
    seconds: "NDArray[np.float64]"


@dataclass(frozen=True)
class Grid:
    """Which cells a population has.

    Attributes:
        sides: Image sizes.
        batches: Batch sizes.
        epochs: Lengths of training.
        packages: Packages that validate.
        seeds: Seeds of each cell.
    """

    sides: tuple[int, ...] = SIDES
    batches: tuple[int, ...] = BATCHES
    epochs: tuple[int, ...] = EPOCHS
    packages: int = 140
    seeds: int = 1

    @property
    def cells(self) -> "NDArray[np.float64]":
        """Image size, batch size and epochs of each cell, shape (cells, 3)."""
        return np.array(list(product(self.sides, self.batches, self.epochs)), dtype=np.float64)


def drawn(grid: Grid, rng: np.random.Generator) -> Population:
    """Draw packages, cells and seeds.

    A cell's answer is right where the sum of its quality, the class's ease and normal effects of the package, the
    scan, the cell's packages and the run is above 0; so its share of right answers is known (probit model).
    """
    sides, batches, epochs = grid.cells.T
    run = rng.normal(0, BY_RUN, (len(sides), grid.seeds))
    quality = _quality(sides, batches, epochs, rng)[:, None] + run
    work = 840.0 * 4 * sides**2 * epochs
    seconds = work * (1 + 4 / batches) * np.exp(rng.normal(0, 0.25, len(work)))
    labels = _labels(grid.packages, rng)
    return Population(_answers(labels, quality, rng), true_scores(quality).mean(axis=1), work, seconds)


def _quality(
    sides: "NDArray[np.float64]",
    batches: "NDArray[np.float64]",
    epochs: "NDArray[np.float64]",
    rng: np.random.Generator,
) -> "NDArray[np.float64]":
    """Return a smooth function of the three factors whose optimum differs from population to population."""
    top = rng.uniform(1.2, 2.4)
    side = np.log2(sides / rng.uniform(120, 300))
    batch = np.log2(batches / rng.uniform(4, 24))
    length = np.log2(epochs / rng.uniform(15, 50))
    loss = rng.uniform(0.3, 0.8) * np.minimum(side, 0) ** 2 + rng.uniform(0, 0.2) * np.maximum(side, 0) ** 2
    loss += rng.uniform(0.05, 0.2) * batch**2
    loss += rng.uniform(0.2, 0.5) * np.minimum(length, 0) ** 2 + rng.uniform(0, 0.15) * np.maximum(length, 0) ** 2
    return np.asarray(top - loss)


def true_scores(quality: "NDArray[np.float64]") -> "NDArray[np.float64]":
    """Return macro F1 on all scans there could be, of cells of some quality in probits."""
    deviation = np.sqrt(1 + BY_PACKAGE**2 + BY_SCAN**2 + BY_CELL**2)
    right = ndtr((quality[..., None] + EASE) / deviation)
    rates = right[..., None] * np.eye(CLASSES) + (1 - right)[..., None] * WRONG
    return macro_f1(shares()[:, None] * rates)


def shares() -> "NDArray[np.float64]":
    """Return each class's share of all scans there could be: a package fails at each read-out alike likely."""
    failed = (1 - LASTING) * (READ_OUTS - 1) / 2 / READ_OUTS
    return np.array([*(failed * share for share in FAILING), 1 - failed])


def _labels(packages: int, rng: np.random.Generator) -> "NDArray[np.int64]":
    """Return each scan's class, shape (packages, read-outs): sound until its package fails, and failed from then on."""
    kind = rng.choice(CLASSES - 1, size=packages, p=FAILING)
    onset = np.where(rng.random(packages) < LASTING, READ_OUTS, rng.integers(1, READ_OUTS + 1, packages))
    return np.asarray(np.where(np.arange(READ_OUTS) < onset[:, None], CLASSES - 1, kind[:, None]), dtype=np.int64)


def _answers(
    labels: "NDArray[np.int64]", quality: "NDArray[np.float64]", rng: np.random.Generator
) -> "NDArray[np.int64]":
    """Return confusion matrices of what cells of some quality (cells, seeds) predict of scans."""
    cells, packages = (*quality.shape, 1, 1), len(labels)
    shared = EASE[labels] + rng.normal(0, BY_PACKAGE, (packages, 1)) + rng.normal(0, BY_SCAN, labels.shape)
    own = rng.normal(0, BY_CELL, (*quality.shape, packages, 1)) + rng.normal(0, 1, (*quality.shape, *labels.shape))
    right = quality.reshape(cells) + shared + own > 0
    wrong = (rng.random(right.shape)[..., None] > WRONG.cumsum(axis=1)[labels]).sum(axis=-1)
    return _counted(labels, np.where(right, labels, wrong))


def _counted(labels: "NDArray[np.int64]", predicted: "NDArray[np.int64]") -> "NDArray[np.int64]":
    """Return confusion matrices by package, shape (cells, seeds, packages, classes, classes)."""
    pairs = labels * CLASSES + predicted
    counts = (pairs[..., None] == np.arange(CLASSES**2)).sum(axis=-2)
    return np.asarray(counts.reshape(*counts.shape[:-1], CLASSES, CLASSES), dtype=np.int64)


def trivial_cells(cells: int, packages: int, rng: np.random.Generator) -> "NDArray[np.int64]":
    """Return confusion matrices of cells that answer by the package and not by the label: no better than guessing."""
    labels = _labels(packages, rng)
    favourite = rng.choice(CLASSES, size=(cells, 1, packages, 1), p=shares())
    answers = rng.choice(CLASSES, size=(cells, 1, *labels.shape), p=shares())
    stays = rng.random(answers.shape) < 0.5  # noqa: PLR2004 - half of the answers go by the package
    return _counted(labels, np.where(stays, favourite, answers))
