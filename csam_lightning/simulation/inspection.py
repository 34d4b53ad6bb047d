"""Packages as they are found: truth and judgement per read-out, and the choice of the test split's scans."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np

from csam_lightning.errors import InputError
from csam_lightning.simulation.config import SimulationConfig
from csam_lightning.simulation.observer import class_of, judged
from csam_lightning.simulation.package import PackageId
from csam_lightning.simulation.specimen import make_specimen
from csam_lightning.simulation.streams import stream
from csam_lightning.simulation.workers import Pool

_BATCH = 32


@dataclass(frozen=True)
class Inspection:
    """One package at one read-out: truth and judgement. ``read_out`` is an index into the config's read-outs."""

    package: PackageId
    read_out: int
    die_pad_share: float
    bond_pad_share: float
    true_label: str
    label: str


def inspect(config: SimulationConfig, package: PackageId) -> list[Inspection]:
    """Return what the inspector finds in one package at each read-out."""
    observer, found = config.observer, []
    history = make_specimen(config, package).history
    for index, cycles in enumerate(config.read_outs):
        rng = stream(config.seed, "observer", package.name, cycles)
        shares = float(history.die_pad_share[index]), float(history.bond_pad_share[index])
        seen = [judged(share, observer, rng) for share in shares]
        truth = class_of(*shares, observer.threshold)
        found.append(Inspection(package, index, *shares, truth, class_of(seen[0], seen[1], observer.threshold)))
    return found


def inspect_all(config: SimulationConfig, pool: Pool) -> list[Inspection]:
    """Return every package of the population at every read-out."""
    everyone = [
        PackageId(name, number, test=False) for name, count in config.packages.items() for number in range(count)
    ]
    return [one for found in pool.map(partial(inspect, config), everyone) for one in found]


def choose_test_scans(config: SimulationConfig, pool: Pool) -> list[Inspection]:
    """Inspect further packages until every class of the test split has exactly its count of scans.

    Packages come at random in the proportions of ``config.packages``; of each, at most ``test_scans_per_package``
    read-outs are taken, at random among those whose class still lacks scans.

    Raises:
        InputError: ``test_package_limit`` packages did not suffice.
    """
    lacking = {name: count for name, count in config.test_counts.items() if count > 0}
    chosen: list[Inspection] = []
    further = _further_packages(config)
    looked_at = 0
    while lacking and looked_at < config.test_package_limit:
        some = [next(further) for _ in range(min(_BATCH, config.test_package_limit - looked_at))]
        looked_at += len(some)
        for found in pool.map(partial(inspect, config), some):
            chosen += _take(config, found, lacking)
    if lacking:
        missing = ", ".join(f"{count} of class {name}" for name, count in sorted(lacking.items()))
        raise InputError(
            f"{looked_at} further packages did not yield {missing}",
            where="simulation.test_counts",
            mend="lower these counts, raise simulation.test_package_limit, or change the drives or read-outs",
        )
    return chosen


def _take(config: SimulationConfig, found: list[Inspection], lacking: dict[str, int]) -> list[Inspection]:
    rng = stream(config.seed, "test choice", found[0].package.name)
    taken: list[Inspection] = []
    for index in rng.permutation(len(found)):
        label = found[index].label
        if len(taken) < config.test_scans_per_package and label in lacking:
            taken.append(found[index])
            lacking[label] -= 1
            if lacking[label] == 0:
                del lacking[label]
    return taken


def _further_packages(config: SimulationConfig) -> Iterator[PackageId]:
    rng = stream(config.seed, "test packages")
    names = sorted(config.packages)
    counts = np.array([config.packages[name] for name in names], dtype=np.float64)
    made = dict.fromkeys(names, 0)
    while True:
        name = names[rng.choice(len(names), p=counts / counts.sum())]
        yield PackageId(name, made[name], test=True)
        made[name] += 1
