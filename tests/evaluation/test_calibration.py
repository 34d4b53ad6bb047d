import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import log_softmax
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss

from csam_lightning.evaluation.calibration import (
    Calibration,
    class_mix,
    cross_fitted,
    fit_calibration,
    fit_temperature,
    log_probabilities,
    uncalibrated,
    with_prevalence,
)

NO_BIAS = (0.0, 0.0, 0.0)


def drawn(scans: int, *, seed: int, classes: int = 3, spread: float = 2.0) -> tuple[np.ndarray, np.ndarray]:
    """Logarithms of probabilities, and class numbers drawn by them: calibrated by construction."""
    rng = np.random.default_rng(seed)
    logs = log_softmax(rng.normal(0, spread, (scans, classes)), axis=1)
    return logs, (np.exp(logs).cumsum(axis=1) > rng.random((scans, 1))).argmax(axis=1)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.5])
def test_temperature_that_was_put_in_is_found(temperature: float) -> None:
    logs, codes = drawn(20_000, seed=1)
    overconfident = log_softmax(logs * temperature, axis=1)
    assert fit_temperature(overconfident, codes) == pytest.approx(temperature, rel=0.05)


@given(st.integers(0, 1000), st.floats(0.2, 5))
@settings(max_examples=20)
def test_no_other_temperature_has_a_smaller_loss_by_scikit_learn(seed: int, other: float) -> None:
    logs, codes = drawn(60, seed=seed)
    logs = log_softmax(2 * logs, axis=1)
    losses = [
        log_loss(codes, Calibration(value, NO_BIAS).probabilities(logs), labels=[0, 1, 2])
        for value in (fit_temperature(logs, codes), other)
    ]
    assert losses[0] <= losses[1] + 1e-9


def test_temperature_stays_in_bounds_where_all_or_nothing_is_right() -> None:
    sure = log_softmax(np.eye(3), axis=1)
    assert fit_temperature(sure, np.array([0, 1, 2])) == pytest.approx(0.1, rel=0.1)
    assert fit_temperature(sure, np.array([1, 2, 0])) == pytest.approx(10, rel=0.01)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.5])
def test_bias_and_temperature_that_were_put_in_are_found(temperature: float) -> None:
    bias = np.array([1.5, -0.5, -1.0])
    logs, codes = drawn(20_000, seed=2)
    distorted = log_softmax((logs - bias) * temperature, axis=1)
    found = fit_calibration(distorted, codes)
    assert found.temperature == pytest.approx(temperature, rel=0.05)
    assert found.bias == pytest.approx(bias, abs=0.1)


def test_shift_of_the_class_mix_is_undone() -> None:
    logs, codes = drawn(60_000, seed=4)
    kept = np.random.default_rng(0).random(len(codes)) < np.array([1.0, 0.2, 0.05])[codes]
    found = fit_calibration(logs[kept], codes[kept])
    shift = np.log([1.0, 0.2, 0.05])
    assert found.bias == pytest.approx(shift - shift.mean(), abs=0.15)
    assert found.temperature == pytest.approx(1, rel=0.05)
    back = with_prevalence(found, class_mix(codes[kept], 3), class_mix(codes, 3))
    assert back.bias == pytest.approx((0, 0, 0), abs=0.15)


def test_calibrated_classifier_stays_as_it_is() -> None:
    logs, codes = drawn(20_000, seed=5)
    found = fit_calibration(logs, codes)
    assert found.temperature == pytest.approx(1, rel=0.05)
    assert found.bias == pytest.approx((0, 0, 0), abs=0.05)
    np.testing.assert_allclose(uncalibrated(3).probabilities(logs), np.exp(logs))


def test_calibration_of_two_classes_is_scikit_learn_s_logistic_regression() -> None:
    logs, codes = drawn(5000, seed=6, classes=2)
    logs = log_softmax(2 * logs + np.array([0.7, -0.7]), axis=1)
    found = fit_calibration(logs, codes)
    odds = (logs[:, 1] - logs[:, 0])[:, None]
    theirs = LogisticRegression(C=np.inf, tol=1e-10).fit(odds, codes)
    assert 1 / found.temperature == pytest.approx(theirs.coef_[0, 0], rel=1e-3)
    assert found.bias[1] - found.bias[0] == pytest.approx(theirs.intercept_[0], rel=1e-3)
    np.testing.assert_allclose(found.probabilities(logs), theirs.predict_proba(odds), atol=1e-3)


@given(st.integers(0, 1000), st.integers(1, 200))
@settings(max_examples=25)
def test_mean_probability_of_a_class_is_its_share_and_no_temperature_alone_is_better(seed: int, scans: int) -> None:
    logs, codes = drawn(scans, seed=seed)
    logs = log_softmax(logs * 1.5 + np.array([2.0, 0, -1]), axis=1)
    found = fit_calibration(logs, codes)
    after = found.probabilities(logs)
    shares = np.bincount(codes, minlength=3) - np.array(found.bias) / 9  # the prior's pull
    assert after.sum(axis=0) == pytest.approx(shares, abs=1e-3 * scans)
    before = Calibration(fit_temperature(logs, codes), NO_BIAS).probabilities(logs)
    losses = [log_loss(codes, probabilities, labels=[0, 1, 2]) for probabilities in (after, before)]
    assert losses[0] <= losses[1] + 1e-9


def test_class_without_a_scan_keeps_a_finite_bias_and_a_share() -> None:
    logs, codes = drawn(300, seed=7)
    kept = codes != 2
    found = fit_calibration(logs[kept], codes[kept])
    assert np.isfinite(found.bias).all()
    assert min(found.bias) == found.bias[2] > -15
    assert class_mix(np.array([0, 0, 1]), 3) == pytest.approx((2 / 3.5, 1 / 3.5, 0.5 / 3.5))


def test_each_fold_is_calibrated_on_the_others() -> None:
    logs, codes = drawn(300, seed=8)
    folds = np.arange(300) % 3
    found = cross_fitted(logs, codes, folds)
    for fold in range(3):
        others = fit_calibration(logs[folds != fold], codes[folds != fold])
        np.testing.assert_allclose(found[folds == fold], others.probabilities(logs[folds == fold]))
    alone = fit_calibration(logs, codes)
    np.testing.assert_allclose(cross_fitted(logs, codes, np.zeros(300, dtype=np.int64)), alone.probabilities(logs))


def test_another_class_mix_is_bayes_rule() -> None:
    logs, _ = drawn(50, seed=9)
    old, new = np.array([0.5, 0.3, 0.2]), np.array([0.01, 0.01, 0.98])
    weighed = np.exp(logs) * new / old
    shifted = with_prevalence(Calibration(1.0, NO_BIAS), tuple(old), tuple(new))
    np.testing.assert_allclose(shifted.probabilities(logs), weighed / weighed.sum(axis=1, keepdims=True))


def test_probabilities_of_zero_have_finite_logarithms() -> None:
    assert log_probabilities(np.array([0, 0.5, 1], dtype=np.float32)) == pytest.approx([-87.3, np.log(0.5), 0], abs=0.1)
