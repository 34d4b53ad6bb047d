"""Calibrated probabilities, their calibration error, and sets of classes with a guarantee.

Pure functions over the networks' probabilities of scans that they did not learn from.
"""

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from csam_lightning.model.held_out import HeldOut
    from csam_lightning.model.novelty import NoveltyStatistics

BINS = 15
"""Of confidence, as Guo et al. have them."""

TEMPERATURES = (0.1, 10.0)
"""Between these a temperature is sought: where a few scans are all classified rightly, the likeliest one is 0."""

BIAS_SPREAD = 3.0
"""Standard deviation of the normal prior of each bias, centred at 0.

It keeps the bias of a class without a scan finite, and weighs less than one scan.
"""


def log_probabilities(probabilities: "NDArray[np.floating]") -> "NDArray[np.float64]":
    """Return logarithms, finite also where a float32 probability has become 0."""
    logs: NDArray[np.float64] = np.log(np.maximum(probabilities, np.finfo(np.float32).tiny).astype(np.float64))
    return logs


def at_temperature(log_probabilities: "NDArray[np.float64]", temperature: float) -> "NDArray[np.float64]":
    """Return the probabilities, of the same shape (…, classes), of logits divided by ``temperature``.

    Args:
        log_probabilities: Logarithms of the probabilities at temperature 1, which are logits too.
        temperature: Above 1 makes less sure, below 1 surer.
    """
    from scipy.special import softmax

    divided = softmax(log_probabilities / temperature, axis=-1)
    return np.asarray(divided, dtype=np.float64)


def fit_temperature(log_probabilities: "NDArray[np.float64]", codes: "NDArray[np.int64]") -> float:
    """Return the temperature of the least cross-entropy (Guo et al. 2017, arXiv:1706.04599), within ``TEMPERATURES``.

    Args:
        log_probabilities: Of scans that the networks did not learn from, shape (scans, classes).
        codes: Their actual class numbers, shape (scans,).
    """
    from scipy.optimize import minimize_scalar
    from scipy.special import log_softmax

    def loss(log_temperature: float) -> float:
        logs = log_softmax(log_probabilities / np.exp(log_temperature), axis=1)
        return -float(logs[np.arange(len(codes)), codes].mean())

    low, high = np.log(TEMPERATURES)
    found = minimize_scalar(loss, bounds=(low, high), method="bounded", options={"xatol": 1e-6})
    return float(np.exp(found.x))


@dataclass(frozen=True)
class Calibration:
    """Bias-corrected temperature scaling (Alexandari et al. 2020, arXiv:1901.06852).

    Attributes:
        temperature: What logits are divided by.
        bias: What is then added to the logit of each class; its mean is 0.
    """

    temperature: float
    bias: tuple[float, ...]

    def probabilities(self, log_probabilities: "NDArray[np.floating]") -> "NDArray[np.float64]":
        """Return softmax(``log_probabilities`` / temperature + bias), of the same shape (…, classes)."""
        from scipy.special import softmax

        logits = log_probabilities.astype(np.float64) / self.temperature + np.array(self.bias)
        return np.asarray(softmax(logits, axis=-1), dtype=np.float64)


def uncalibrated(classes: int) -> Calibration:
    """Return the calibration that changes no probability."""
    return Calibration(1.0, (0.0,) * classes)


def fit_calibration(log_probabilities: "NDArray[np.floating]", codes: "NDArray[np.int64]") -> Calibration:
    """Return the temperature, within ``TEMPERATURES``, and the bias of the least cross-entropy.

    The prior of the bias, see ``BIAS_SPREAD``, is part of the loss. The loss is convex in the inverse temperature and
    the bias. The search starts at the best temperature without a bias, whose cross-entropy is never exceeded.

    Args:
        log_probabilities: Of scans that the networks did not learn from, shape (scans, classes), at least one scan.
        codes: Their actual class numbers, shape (scans,).
    """
    from scipy.optimize import minimize
    from scipy.special import log_softmax

    logits = log_probabilities.astype(np.float64)
    scans, classes = logits.shape
    actual = np.eye(classes)[codes]

    def loss(parameters: "NDArray[np.float64]") -> "tuple[float, NDArray[np.float64]]":
        scale, bias = parameters[0], parameters[1:]
        logs = log_softmax(scale * logits + bias, axis=1)
        prior = bias / (BIAS_SPREAD**2 * scans)
        excess = (np.exp(logs) - actual) / scans
        value = -float((logs * actual).sum()) / scans + float(prior @ bias) / 2
        return value, np.array([(excess * logits).sum(), *(excess.sum(axis=0) + prior)])

    low, high = TEMPERATURES
    start = np.array([1 / fit_temperature(logits, codes), *np.zeros(classes)])
    found = minimize(
        loss,
        start,
        jac=True,
        method="L-BFGS-B",
        bounds=[(1 / high, 1 / low), *[(None, None)] * classes],
        options={"maxiter": 1000, "ftol": 1e-14, "gtol": 1e-9},
    )
    bias = found.x[1:] - found.x[1:].mean()
    return Calibration(float(1 / found.x[0]), tuple(bias.tolist()))


def cross_fitted(
    log_probabilities: "NDArray[np.floating]", codes: "NDArray[np.int64]", folds: "NDArray[np.int64]"
) -> "NDArray[np.float64]":
    """Return calibrated probabilities of shape (scans, classes), each fold's by a calibration fitted on the others.

    A single fold has no others: its calibration is fitted on itself, and looks slightly too good.

    Args:
        log_probabilities: Of scans that the networks did not learn from, shape (scans, classes).
        codes: Their actual class numbers, shape (scans,).
        folds: Number of the fold in which each scan validates, shape (scans,).
    """
    calibrated = np.empty(log_probabilities.shape, dtype=np.float64)
    numbers = np.unique(folds)
    for number in numbers:
        mine = folds == number
        others = ~mine if len(numbers) > 1 else mine
        calibration = fit_calibration(log_probabilities[others], codes[others])
        calibrated[mine] = calibration.probabilities(log_probabilities[mine])
    return calibrated


def class_mix(codes: "NDArray[np.int64]", classes: int) -> tuple[float, ...]:
    """Return the share of each class among scans; a class without a scan counts half a scan, so that no share is 0."""
    counts = np.maximum(np.bincount(codes, minlength=classes), 0.5)
    return tuple((counts / counts.sum()).tolist())


def with_prevalence(calibration: Calibration, old: "Sequence[float]", new: "Sequence[float]") -> Calibration:
    """Return the calibration for scans of another class mix: log(new / old) is added to the bias.

    Args:
        calibration: Fitted on scans of the mix ``old``.
        old: Share of each class, above 0, of any sum.
        new: The same where the calibration is to be used.
    """
    bias = np.array(calibration.bias) + np.log(np.array(new) / np.array(old))
    return Calibration(calibration.temperature, tuple((bias - bias.mean()).tolist()))


@dataclass(frozen=True)
class Reliability:
    """How often scans are classified rightly, by how sure the classifier was of them.

    Attributes:
        scans: Number of scans in each bin of confidence (the probability of the predicted class), int64 of shape
            (bins,); the bins are equally wide, and each holds its upper end.
        confidence: Mean confidence in each bin, NaN where it is empty.
        accuracy: Share classified rightly in each bin, NaN where it is empty.
    """

    scans: "NDArray[np.int64]"
    confidence: "NDArray[np.float64]"
    accuracy: "NDArray[np.float64]"

    @property
    def error(self) -> float:
        """The expected calibration error: mean over the scans of their bin's |accuracy − confidence|, 0 to 1."""
        filled = self.scans > 0
        gaps = np.abs(self.accuracy - self.confidence)[filled]
        return float(np.average(gaps, weights=self.scans[filled]))


def reliability(probabilities: "NDArray[np.floating]", codes: "NDArray[np.int64]", *, bins: int = BINS) -> Reliability:
    """Compare confidence with accuracy.

    Args:
        probabilities: Shape (scans, classes), at least one scan.
        codes: Actual class numbers, shape (scans,).
        bins: Number of bins between 0 and 1.
    """
    confidence = probabilities.max(axis=1).astype(np.float64)
    right = probabilities.argmax(axis=1) == codes
    place = np.clip(np.ceil(confidence * bins).astype(np.int64) - 1, 0, bins - 1)
    scans = np.bincount(place, minlength=bins)
    sums = [np.bincount(place, weights=values, minlength=bins) for values in (confidence, right.astype(np.float64))]
    with np.errstate(invalid="ignore"):
        return Reliability(scans, sums[0] / scans, sums[1] / scans)


@dataclass(frozen=True)
class HeldOutScores:
    """How ill scans agree with what networks that did not learn from them expect, in any measure.

    Attributes:
        scores: Higher is stranger, shape (scans,).
        networks: Number of the network that judged each scan, int64 of shape (scans,).
        groups: Number of each scan's group: new scans are compared with those of one group, int64 of shape (scans,).
    """

    scores: "NDArray[np.floating]"
    networks: "NDArray[np.int64]"
    groups: "NDArray[np.int64]"


def p_values(held_out: HeldOutScores, scores: "NDArray[np.floating]", *, group: int) -> "NDArray[np.float64]":
    """Return for each new scan the share of held-out scans of a group that are at least as strange, itself included.

    These are cross-conformal p-values (Vovk 2015, doi:10.1007/s10472-013-9368-4): each network's score of a new scan
    is compared with that network's scores of the scans that it did not learn from. With one network they are those of
    split conformal prediction, and a scan that is exchangeable with the group's held-out ones has a p-value of at most
    r with a probability of at most r. With several, no more than about 2 r is proved, however little the networks have
    in common (Barber et al. 2021, doi:10.1214/20-AOS1965, theorem 4), and about r is what is seen.

    Args:
        held_out: The scores to compare with.
        scores: Each network's scores of the new scans, shape (networks, new scans).
        group: The group to compare with.

    Returns:
        Shape (new scans,), in (0, 1]. A group without held-out scans gives 1: nothing speaks against it.
    """
    with warnings.catch_warnings():  # on import it makes Python repeat every warning
        from crepes import ConformalClassifier

    stranger, total = np.zeros(scores.shape[1]), 0
    for network, mine in enumerate(scores):
        chosen = (held_out.networks == network) & (held_out.groups == group)
        compared = ConformalClassifier().fit(held_out.scores[chosen])
        stranger += compared.predict_p(mine, smoothing=False) * (chosen.sum() + 1) - 1
        total += chosen.sum()
    shares: NDArray[np.float64] = (np.rint(stranger) + 1) / (total + 1)
    return shares


def class_sets(
    held_out: "HeldOut",
    probabilities: "NDArray[np.floating]",
    *,
    temperature: float,
    coverage: float,
    by_class: bool = True,
) -> "NDArray[np.bool_]":
    """Return for each new scan the classes that cannot be ruled out.

    What is promised: of new scans that are drawn like the held-out ones, at least the share ``coverage`` has its class
    in its set, to within what :func:`p_values` says of several networks; with ``by_class`` this holds for the scans of
    each class by itself, so that it does not hang on how frequent the classes are among the new scans. A class with
    fewer than ``1 / (1 - coverage) - 1`` held-out scans (19 at 0.95) is never ruled out.

    What is not: scans of another product, machine or setting are not drawn like the held-out ones. Scans of one package
    are alike, so the promise is about packages drawn anew, and varies more from lot to lot than the number of scans
    suggests. It is a mean over all scans: not one of those that look a certain way.

    Args:
        held_out: Scans of known class, judged by networks that did not learn from them.
        probabilities: Each network's probabilities of the new scans, shape (networks, new scans, classes).
        temperature: At which these were worked out.
        coverage: Share of scans whose set is to hold their class, between 0 and 1.
        by_class: Compare with the held-out scans of the class in question alone.

    Returns:
        True where a class is in the set, shape (new scans, classes). A set may be empty: no class fits.
    """
    codes = held_out.codes
    known = at_temperature(held_out.log_probabilities, temperature)
    groups = codes if by_class else np.zeros_like(codes)
    scores = HeldOutScores(1 - known[np.arange(len(codes)), codes], held_out.networks, groups)
    columns = [
        p_values(scores, 1 - probabilities[:, :, code].astype(np.float64), group=code if by_class else 0)
        for code in range(probabilities.shape[2])
    ]
    return np.stack(columns, axis=1) > 1 - coverage


def novelty_p_values(
    statistics: "Sequence[NoveltyStatistics]", distances: "NDArray[np.floating]"
) -> "NDArray[np.float64]":
    """Return for each new scan how likely a scan like those held out is to look so unlike the training scans.

    To flag the scans whose p-value is at most 0.01 is to raise a false alarm on about 1 % of scans drawn like the held
    out ones; see :func:`p_values`. Where new scans hold more of the rare classes than those did, it is more.

    Args:
        statistics: Of each network.
        distances: Each network's distances of the new scans, shape (networks, new scans).

    Returns:
        Shape (new scans,), in (0, 1].
    """
    scores = np.concatenate([network.held_out for network in statistics])
    networks = np.repeat(np.arange(len(statistics)), [len(network.held_out) for network in statistics])
    return p_values(HeldOutScores(scores, networks, np.zeros_like(networks)), distances, group=0)
