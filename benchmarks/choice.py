"""Rules that choose a cell, on synthetic cells whose true macro F1 is known: how much does each rule lose?"""

import argparse
import shlex
import sys
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from benchmarks.options import at_least
from benchmarks.populations import EPOCHS, Grid, Population, drawn, trivial_cells
from benchmarks.results import machine, publish
from csam_lightning.evaluation.clusters import macro_f1
from csam_lightning.progress import track
from csam_lightning.reporting.intervals import interval
from csam_lightning.reporting.picking import TOLERANCE, Picked, pick, scored, trivial_answers
from csam_lightning.reporting.tables import Entry, Table

if TYPE_CHECKING:
    from numpy.typing import NDArray

FOLDS = 5
POOR = 0.05
TARGET = 0.02
WEAK = Grid(sides=(50,), batches=(64,), epochs=EPOCHS)
"""Cells that are poor and yet better than guessing."""
GUESSING = ((175, 140), (4, 140), (4, 40))
"""Cells that only guess, and packages that validate."""
BANDS = (0.0, 0.25, 0.3, 0.35, 0.4, 0.6)
"""Of true macro F1; guessing has 0.25."""
GRIDS = {
    "175 cells": Grid(),
    "35 cells, 3 seeds": Grid(batches=(8,), seeds=3),
    "175 cells, 40 packages": Grid(packages=40),
    "2 × 2 cells": Grid(sides=(100, 200), batches=(8,), epochs=(10, 20)),
    "4 cells far apart": Grid(sides=(50, 350), batches=(16,), epochs=(5, 40)),
}
NOTES = (
    f"""Regret: true macro F1 of the best cell minus that of the chosen one; poor: a regret above {POOR}. Work: that of
the chosen cell over that of the truly best, median. `ours`: the rule of the report, tolerance {TOLERANCE}; `overlap`:
the rule before it, the fewest seconds among the cells whose Student's interval over {FOLDS} folds overlaps the
best's.""",
    """A cell's answer is right by a probit model with effects of package and scan that all cells share, and of the
cell's packages and the run that they do not; quality is a smooth function of image size, batch size and epochs whose
optimum differs from population to population (benchmarks/populations.py). No network is trained.""",
)


class Outcome(NamedTuple):
    """What a rule's choice costs: true macro F1 lost, and its work over that of the truly best cell."""

    regret: float
    work: float


@dataclass(frozen=True)
class Trial:
    """One population, and what the rules may know of it.

    Attributes:
        population: The cells.
        picked: What the report's rule takes.
        scores: Macro F1 of each cell over all scans, mean over the seeds, shape (cells,).
        folds: Macro F1 of each cell's first seed in each fold, shape (cells, folds).
    """

    population: Population
    picked: Picked
    scores: "NDArray[np.float64]"
    folds: "NDArray[np.float64]"


def ours(trial: Trial) -> int:
    """Choose by the rule of the report; the best score where none is usable."""
    return trial.picked.best if trial.picked.chosen is None else trial.picked.chosen


def best_score(trial: Trial) -> int:
    """Choose the best score."""
    return int(trial.scores.argmax())


def overlap(trial: Trial) -> int:
    """Choose the fewest seconds among the cells whose interval over the folds overlaps that of the best."""
    bounds = np.array([interval(scores) for scores in trial.folds])
    low, high = bounds[trial.folds.mean(axis=1).argmax()]
    near = np.flatnonzero((bounds[:, 1] >= low) & (bounds[:, 0] <= high))
    return int(near[trial.population.seconds[near].argmin()])


RULES: dict[str, Callable[[Trial], int]] = {"ours": ours, "overlap": overlap, "best score": best_score}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what can be chosen."""
    parser.add_argument("--populations", type=at_least(2), default=200, help="of each kind (default: %(default)s)")


def main(options: argparse.Namespace) -> None:
    """Draw, choose, print and keep."""
    facts = machine()
    regrets = Table(
        "regret",
        f"Regret over {options.populations} populations",
        ["cells", "rule", "mean", "95 % quantile", "poor", "work"],
        [row for name, grid in GRIDS.items() for row in regret_rows(name, grid, options.populations)],
    )
    usable = Table(
        "usable",
        f"How often none is called usable, over {options.populations} populations",
        ["cells", "none is usable", "true macro F1 of the best"],
        usable_rows(options.populations),
    )
    mean = regrets.rows[0][2]
    reached = isinstance(mean, float) and mean <= TARGET
    note = f"Target: a mean regret of at most {TARGET} over 175 cells; {'reached' if reached else 'missed'}."
    publish("choice", f"python -m benchmarks {shlex.join(sys.argv[1:])}", facts, [regrets, usable], [note, *NOTES])


def regret_rows(name: str, grid: Grid, populations: int) -> list[list[Entry]]:
    """Return a row for each rule: mean and 95 % quantile of the regret, share of poor choices and median work."""
    outcomes: dict[str, list[Outcome]] = {rule: [] for rule in RULES}
    for seed in track(range(populations), description=name, total=populations):
        trial = tried(drawn(grid, np.random.default_rng(seed)), np.random.default_rng([seed, 1]))
        truth, work = trial.population.truth, trial.population.work
        for rule, choose in RULES.items():
            chosen = choose(trial)
            outcomes[rule].append(Outcome(truth.max() - truth[chosen], work[chosen] / work[truth.argmax()]))
    rows: list[list[Entry]] = []
    for rule, found in outcomes.items():
        regret, share = np.array(found).T
        poor = float((regret > POOR).mean())
        rows.append([name, rule, float(regret.mean()), float(np.quantile(regret, 0.95)), poor, float(np.median(share))])
    return rows


def usable_rows(populations: int) -> list[list[Entry]]:
    """Return how often none is called usable where cells only guess, and where they are poor but better."""
    rows: list[list[Entry]] = []
    for cells, packages in GUESSING:
        title = f"{cells} cells that guess, {packages} packages"
        none = []
        for seed in track(range(populations), description=title, total=populations):
            guesses = trivial_cells(cells, packages, np.random.default_rng(seed))
            none.append(picked_of(guesses, np.ones(cells)).chosen is None)
        rows.append([title, float(np.mean(none)), None])
    found = []
    for seed in track(range(populations), description="poor cells", total=populations):
        poor = drawn(WEAK, np.random.default_rng(seed))
        found.append((float(poor.truth.max()), picked_of(poor.confusions, poor.work).chosen is None))
    truth, unusable = (np.array(column) for column in zip(*found, strict=True))
    for low, high in pairwise(BANDS):
        among = (truth >= low) & (truth < high)
        if among.any():
            title = f"{len(EPOCHS)} cells, the best truly from {low} to {high}"
            rows.append([title, float(unusable[among].mean()), float(truth[among].mean())])
    return rows


def picked_of(confusions: "NDArray[np.int64]", work: "NDArray[np.float64]") -> Picked:
    """Return what the report's rule takes of cells with confusion matrices as :class:`Population` has them."""
    cells, seeds = confusions.shape[:2]
    each = scored(list(confusions.reshape(cells * seeds, *confusions.shape[2:])))
    pooled = each.pooled([range(seeds * place, seeds * (place + 1)) for place in range(cells)])
    trivial = scored(trivial_answers(confusions[0, 0].sum(axis=-1)))
    return pick(pooled, work, trivial)


def tried(population: Population, rng: np.random.Generator) -> Trial:
    """Return a population with what the rules may know; packages are dealt to folds at random."""
    confusions = population.confusions
    fold = rng.permutation(np.arange(confusions.shape[2]) % FOLDS)
    by_fold = [macro_f1(confusions[:, 0, fold == number].sum(axis=1)) for number in range(FOLDS)]
    scores = macro_f1(confusions.sum(axis=2)).mean(axis=1)
    return Trial(population, picked_of(confusions, population.work), scores, np.stack(by_fold, axis=1))
