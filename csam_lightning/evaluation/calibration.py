"""Calibrated probabilities: temperature, bias of each class, and the class mix that they are meant for.

Pure functions over the networks' probabilities of scans that they did not learn from.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from csam_lightning.model.ensemble import ModelFacts

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


def calibration_of(facts: "ModelFacts") -> Calibration:
    """Return the calibration that a model carries."""
    return Calibration(facts.temperature, facts.bias)


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
