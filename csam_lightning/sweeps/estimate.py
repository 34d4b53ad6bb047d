"""How long a sweep takes: work counted from images, pixels, steps and epochs, speed from steps that were timed."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from csam_lightning.cells.identity import CellKey
from csam_lightning.config import Arch, TrainConfig

EVALUATED = 1 / 3
"""Cost of an image that is judged over that of one that is learnt from: a forward pass without its backward pass."""

CELL_SECONDS = 3.0
"""Time that a cell takes beside its training: processes that start, files, the store."""

FAITH = 0.02
"""Share of a sweep's work as which the timed steps count when finished work corrects the estimate."""


SEVERAL, FEWEST = 5, 2
"""Steps that are taken to time one of them, at least; images of such a step."""


class Step(NamedTuple):
    """A training step of one process: how many images of how many pixels a side."""

    batch: int
    side: int

    @property
    def images(self) -> float:
        """Its images as so many of 100×100 px: a convolution's cost grows with the number of pixels."""
        return self.batch * (self.side / 100) ** 2


class Kind(NamedTuple):
    """What decides on the speed of a step beside its images."""

    arch: Arch
    accelerator: str
    precision: str
    cuda_graphs: bool
    threads: int


@dataclass(frozen=True)
class TimedStep:
    """What steps took, on average.

    Attributes:
        step: Their size.
        seconds: Time of one of them.
        count: How many were timed.
    """

    step: Step
    seconds: float
    count: int


@dataclass(frozen=True)
class Speed:
    """Time of a step: a fixed part and a part that grows with its images.

    Attributes:
        per_step: Seconds.
        per_image: Seconds for each image of 100×100 px.
    """

    per_step: float
    per_image: float

    def seconds(self, step: Step) -> float:
        """Return the time of a step."""
        return self.per_step + self.per_image * step.images


USUAL = Speed(per_step=0.05, per_image=0.015)
"""A ResNet-18 in single precision on one CPU core, about."""


def kind_of(config: TrainConfig) -> Kind:
    """Return the kind of a cell's steps."""
    trainer = config.trainer
    return Kind(
        config.model.arch, trainer.accelerator, trainer.precision, trainer.cuda_graphs, trainer.threads_per_fold
    )


def step_of(config: TrainConfig) -> Step:
    """Return a cell's step as one of its devices sees it."""
    return Step(config.data.batch_size // config.trainer.devices, config.data.image_size)


def work(key: CellKey, speed: Speed = USUAL) -> float:
    """Return how much training a cell has left by now, in seconds of one process after the other.

    Counted are the steps, their images, the scans that are validated after each epoch, and the scans that are judged
    once a fold is trained.
    """
    folds, step = key.config.data.num_folds, step_of(key.config)
    done = [0 if key.config.force else len(key.fold_folder(fold).read_history()) for fold in key.unfinished_numbers]
    epochs = key.config.trainer.max_epochs * len(done) - sum(done)
    learnt = key.size * (folds - 1) / folds * epochs / key.config.trainer.devices
    judged = key.size / folds * epochs + key.size * len(done)
    pixels = step.images / step.batch
    return learnt / step.batch * speed.seconds(step) + judged * EVALUATED * speed.per_image * pixels


def steps_to_time(works: Mapping[Step, float]) -> list[Step]:
    """Return which steps of a plan tell its speed: the cheapest, the one in the middle of all work, the dearest.

    Args:
        works: How much work is done in steps of each size, in any unit.
    """
    steps = sorted(works, key=USUAL.seconds)
    shares = np.cumsum([works[step] for step in steps])
    middle = steps[int(np.searchsorted(shares, shares[-1] / 2))]
    return list(dict.fromkeys([steps[0], middle, steps[-1]]))


def affordable(asked: Step, before: TimedStep | None, *, seconds: float) -> Step | None:
    """Return a step to time: the one that is asked for, or one of fewer images that can be taken several times.

    Args:
        asked: The step.
        before: A step of the same kind that was timed; None where there is none: then some step is taken anyway.
        seconds: Time for it.

    Returns:
        None where not even two images can be afforded.
    """
    factor = before.seconds / USUAL.seconds(before.step) if before else 1.0
    batches = [asked.batch, *range(asked.batch - 1, FEWEST - 1, -1)]
    steps = (Step(batch, asked.side) for batch in batches)
    otherwise = None if before else Step(min(FEWEST, asked.batch), asked.side)
    return next((step for step in steps if SEVERAL * factor * USUAL.seconds(step) <= seconds), otherwise)


def fit_speed(timed: Sequence[TimedStep]) -> Speed:
    """Return the speed that fits timed steps: least squares of the relative errors, no part below zero.

    Steps of one size cannot tell the parts apart; these then stand to each other as usual.
    """
    if len({one.step.images for one in timed}) == 1:
        factor = sum(one.seconds for one in timed) / len(timed) / USUAL.seconds(timed[0].step)
        return Speed(USUAL.per_step * factor, USUAL.per_image * factor)
    from scipy.optimize import nnls

    rows = np.array([[1 / one.seconds, one.step.images / one.seconds] for one in timed])
    (per_step, per_image), _ = nnls(rows, np.ones(len(timed)))
    return Speed(float(per_step), float(per_image))


@dataclass(frozen=True)
class Pace:
    """How fast the cells of a sweep are trained.

    Attributes:
        speeds: Of each kind of step.
        folds_at_once: Of each cell, by its id, how many folds are trained side by side.
        cells_at_once: How many cells are trained side by side.
        steps: How many steps were timed to know that; 0 where the speeds are the usual ones.
    """

    speeds: Mapping[Kind, Speed]
    folds_at_once: Mapping[str, int]
    cells_at_once: int
    steps: int = 0

    def seconds(self, key: CellKey) -> float:
        """Return by how much what is left of a cell prolongs the sweep."""
        folds = len(key.unfinished_numbers)
        if not folds:
            return 0.0
        at_once = min(folds, self.folds_at_once[key.id])
        return (work(key, self.speeds[kind_of(key.config)]) / at_once + CELL_SECONDS) / self.cells_at_once

    def total(self, cells: Iterable[CellKey]) -> float:
        """Return how many seconds what is left of cells takes."""
        return sum(map(self.seconds, cells))


def seconds_to_go(*, left: float, trained: float, elapsed: float, faith: float) -> float:
    """Return how long a sweep still takes: the expected time, corrected by how long finished work really took.

    Args:
        left: Expected seconds of the work that is left.
        trained: Expected seconds of the work that is finished.
        elapsed: Seconds that this took; with ``faith``, at least one of the two is above zero.
        faith: Expected seconds of imagined work that took as long as expected; finished work soon outweighs it.
    """
    return left * (elapsed + faith) / (trained + faith)
