"""Sets of classes and marks of novelty with a guarantee, by comparison with scans that networks did not learn from."""

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from csam_lightning.evaluation.calibration import Calibration
    from csam_lightning.model.held_out import HeldOut
    from csam_lightning.model.novelty import NoveltyStatistics

COVERAGE = 0.9
"""Default coverage: counted by package, the default cell keeps it and leaves work to the model (experiments/review)."""

DECIMALS = 9
"""To which sums of weights and levels are rounded: a p-value that equals its level must not hang on the last bit."""

VOID = (
    "no coverage or novelty: the model was validated under the published protocol, whose validation scans share "
    "packages with training"
)
"""Why nothing is promised of a model of the published protocol."""


class Unit(StrEnum):
    """What a promise counts, and what must be exchangeable for it to hold."""

    auto = "auto"
    package = "package"
    scan = "scan"


def unit_of(held_out: "HeldOut", wanted: Unit) -> Unit:
    """Return ``package`` or ``scan``: what is wanted, or what suits the held-out scans.

    ``auto`` is ``package`` where a package has several scans. Where packages are unknown it is always ``scan``.
    """
    packages = held_out.packages
    if packages is None or wanted == Unit.scan:
        return Unit.scan
    repeat = len(np.unique(packages)) < len(packages)
    return Unit.package if repeat or wanted == Unit.package else Unit.scan


@dataclass(frozen=True)
class HeldOutScores:
    """How little scans agree with what networks that did not learn from them expect, in any measure.

    Attributes:
        scores: Higher is stranger, shape (scans,).
        networks: Number of the network that judged each scan, int64 of shape (scans,).
        groups: Number of each scan's group: new scans are compared with those of one group, int64 of shape (scans,).
        packages: Number of each scan's package, int64 of shape (scans,): each package of a group weighs 1, split over
            its scans there. None: each scan weighs 1.
    """

    scores: "NDArray[np.floating]"
    networks: "NDArray[np.int64]"
    groups: "NDArray[np.int64]"
    packages: "NDArray[np.int64] | None" = None


def p_values(held_out: HeldOutScores, scores: "NDArray[np.floating]", *, group: int) -> "NDArray[np.float64]":
    """Return for each new scan the weight of a group's held-out scans at least as strange, itself included, as a share.

    These are cross-conformal p-values (Vovk 2015, doi:10.1007/s10472-013-9368-4): each network's score of a new scan
    is compared with that network's scores of the scans that it did not learn from. With one network they are those of
    split conformal prediction: a scan that is exchangeable with the group's held-out ones has a p-value of at most r
    with a probability of at most r. With several, no more than about 2 r is proved (Barber et al. 2021,
    doi:10.1214/20-AOS1965, theorem 4), and about r is what is seen.

    With packages, the packages must be exchangeable, not their scans: the new scan is one drawn from a new package
    (Lee, Barber & Willett 2023, arXiv:2306.06342).

    Args:
        held_out: The scores to compare with.
        scores: Each network's scores of the new scans, shape (networks, new scans).
        group: The group to compare with.

    Returns:
        Shape (new scans,), in (0, 1]. A group without held-out scans gives 1: nothing speaks against it.
    """
    chosen = held_out.groups == group
    known, networks = held_out.scores[chosen], held_out.networks[chosen]
    weights, total = np.ones(len(known)), len(known)
    if held_out.packages is not None:
        _, place, counts = np.unique(held_out.packages[chosen], return_inverse=True, return_counts=True)
        weights, total = 1 / counts[place], len(counts)
    stranger = np.zeros(scores.shape[1])
    for network, mine in enumerate(scores):
        part = networks == network
        order = np.argsort(known[part])
        above = np.concatenate([np.cumsum(weights[part][order][::-1])[::-1], [0.0]])
        stranger += above[np.searchsorted(known[part][order], mine, side="left")]
    shares: NDArray[np.float64] = (np.round(stranger, DECIMALS) + 1) / (total + 1)
    return shares


def class_sets(
    held_out: "HeldOut",
    probabilities: "NDArray[np.floating]",
    *,
    calibration: "Calibration",
    coverage: float,
    by_class: bool = True,
    unit: Unit = Unit.auto,
) -> "NDArray[np.bool_]":
    """Return for each new scan the classes that cannot be ruled out.

    What is promised: a scan that is exchangeable with the held-out ones (by package: a scan of a package that is
    exchangeable with theirs) has its class in its set with a probability of at least ``coverage``, to within what
    :func:`p_values` states for several networks. That is a mean over trainings and held-out scans: one model may keep
    more or less, the more so the fewer packages it was compared with. With ``by_class`` the promise holds for the
    scans of each class by itself, whatever the class mix of new scans.

    What is not: scans of another product, machine or setting are not exchangeable with the held-out ones. Nothing is
    promised for scans that look a certain way. By scan nothing is promised where packages have several scans.

    Args:
        held_out: Scans of known class, judged by networks that did not learn from them.
        probabilities: Each network's probabilities of the new scans, shape (networks, new scans, classes).
        calibration: By which these were computed.
        coverage: Probability with which a set is to hold its scan's class, between 0 and 1.
        by_class: Compare with the held-out scans of the class in question alone.
        unit: What the promise counts, see :func:`unit_of`.

    Returns:
        True where a class is in the set, shape (new scans, classes). A set may be empty: no class fits. A class with
        fewer than :func:`least` held-out units is in every set.
    """
    codes = held_out.codes
    known = calibration.probabilities(held_out.log_probabilities)
    groups = codes if by_class else np.zeros_like(codes)
    packages = held_out.packages if unit_of(held_out, unit) == Unit.package else None
    scores = HeldOutScores(1 - known[np.arange(len(codes)), codes], held_out.networks, groups, packages)
    columns = [
        p_values(scores, 1 - probabilities[:, :, code].astype(np.float64), group=code if by_class else 0)
        for code in range(probabilities.shape[2])
    ]
    return np.stack(columns, axis=1) > round(1 - coverage, DECIMALS)


def promise(coverage: float, unit: Unit, networks: int) -> str:
    """Return what coverage means, in words.

    Args:
        coverage: See :func:`class_sets`.
        unit: ``package`` or ``scan``.
        networks: Number of networks of the model.
    """
    several = ""
    if networks > 1:
        several = f"; for several networks {max(0.0, 2 * coverage - 1):g} is proved and about {coverage:g} is seen"
    alike = {
        Unit.package: "packages exchangeable with those of the model's data",
        Unit.scan: "scans exchangeable with those of the model's data, which scans of one package are not",
    }[unit]
    return (
        f"Coverage {coverage:g} means: on average over trainings, a scan of each class keeps its class with that "
        f"probability{several}. It holds for {alike}. A single model may keep fewer."
    )


def least(coverage: float) -> int:
    """Return how many held-out units of a class it takes to rule the class out: 1 / (1 - coverage) - 1, rounded up."""
    return int(np.ceil(round(1 / (1 - coverage), DECIMALS))) - 1


def units_by_class(held_out: "HeldOut", classes: int, unit: Unit) -> "NDArray[np.int64]":
    """Return the number of held-out packages or scans of each class, shape (classes,)."""
    if unit_of(held_out, unit) == Unit.scan or held_out.packages is None:
        return np.bincount(held_out.codes, minlength=classes)
    pairs = np.unique(np.stack([held_out.codes, held_out.packages]), axis=1)
    return np.bincount(pairs[0], minlength=classes)


def novelty_p_values(
    statistics: "Sequence[NoveltyStatistics]", distances: "NDArray[np.floating]"
) -> "NDArray[np.float64]":
    """Return for each new scan how likely a scan like those held out is to look so unlike the training scans.

    To flag the scans whose p-value is at most 0.01 is to raise a false alarm on about 1 % of scans drawn like the held
    out ones, see :func:`p_values`, counted by scan. Where new scans hold more of the rare classes, it is more.

    Args:
        statistics: Of each network.
        distances: Each network's distances of the new scans, shape (networks, new scans).

    Returns:
        Shape (new scans,), in (0, 1].
    """
    scores = np.concatenate([network.held_out for network in statistics])
    networks = np.repeat(np.arange(len(statistics)), [len(network.held_out) for network in statistics])
    return p_values(HeldOutScores(scores, networks, np.zeros_like(networks)), distances, group=0)
