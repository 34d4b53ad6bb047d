from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import log_softmax
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from torchmetrics.functional.classification import multiclass_calibration_error

from csam_lightning.evaluation.calibration import (
    Calibration,
    HeldOutScores,
    at_temperature,
    class_mix,
    class_sets,
    cross_fitted,
    fit_calibration,
    fit_temperature,
    log_probabilities,
    novelty_p_values,
    p_values,
    reliability,
    uncalibrated,
    with_prevalence,
)
from csam_lightning.model.held_out import HeldOut
from csam_lightning.model.novelty import NoveltyStatistics

Draw = Callable[[int], tuple[np.ndarray, np.ndarray]]


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
        log_loss(codes, at_temperature(logs, value), labels=[0, 1, 2])
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
    before = at_temperature(logs, fit_temperature(logs, codes))
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
    shifted = with_prevalence(Calibration(1.0, (0.0, 0.0, 0.0)), tuple(old), tuple(new))
    np.testing.assert_allclose(shifted.probabilities(logs), weighed / weighed.sum(axis=1, keepdims=True))


def test_probabilities_of_zero_have_finite_logarithms() -> None:
    assert log_probabilities(np.array([0, 0.5, 1], dtype=np.float32)) == pytest.approx([-87.3, np.log(0.5), 0], abs=0.1)


@given(st.integers(0, 1000), st.integers(1, 300))
@settings(max_examples=25)
def test_calibration_error_is_torchmetrics(seed: int, scans: int) -> None:
    logs, codes = drawn(scans, seed=seed)
    probabilities = at_temperature(logs, 0.7)
    theirs = multiclass_calibration_error(
        torch.from_numpy(probabilities), torch.from_numpy(codes), num_classes=3, n_bins=15, norm="l1"
    )
    assert reliability(probabilities, codes).error == pytest.approx(float(theirs), abs=1e-6)


def test_reliability_by_hand() -> None:
    probabilities = np.array([[0.8, 0.2], [0.7, 0.3], [0.4, 0.6], [0.0, 1.0]])
    found = reliability(probabilities, np.array([0, 1, 1, 1]), bins=4)
    assert found.scans.tolist() == [0, 0, 2, 2]
    np.testing.assert_allclose(found.confidence, [np.nan, np.nan, 0.65, 0.9])
    np.testing.assert_allclose(found.accuracy, [np.nan, np.nan, 0.5, 1.0])
    assert found.error == pytest.approx((2 * 0.15 + 2 * 0.1) / 4)


def test_p_values_by_hand() -> None:
    held_out = HeldOutScores(
        np.array([1.0, 2.0, 3.0, 10.0, 20.0, 99.0]), np.array([0, 0, 0, 1, 1, 1]), np.array([0, 0, 0, 0, 0, 1])
    )
    new = np.array([[2.0, 4.0], [5.0, 30.0]])  # two networks, two scans
    assert p_values(held_out, new, group=0).tolist() == pytest.approx([(2 + 2 + 1) / 6, 1 / 6])
    assert p_values(held_out, new, group=1).tolist() == pytest.approx([1.0, 1.0])
    assert p_values(held_out, new, group=2).tolist() == [1.0, 1.0]


@pytest.mark.parametrize("networks", [1, 5])
def test_sets_cover_each_class_as_promised_over_exchangeable_draws(networks: int) -> None:
    coverage, size, wanted = np.zeros((60, 3)), [], 0.9
    for draw in range(60):
        logs, codes = drawn(400, seed=draw)
        bias = np.random.default_rng(draw).normal(0, 0.5, (networks, 400, 3))  # the networks differ
        said = log_softmax(logs + bias, axis=2)
        judge = np.arange(200) % networks
        held_out = HeldOut(said[judge, np.arange(200)], codes[:200], judge)
        sets = class_sets(held_out, np.exp(said[:, 200:]), temperature=1.0, coverage=wanted)
        covered = sets[np.arange(200), codes[200:]]
        coverage[draw] = [covered[codes[200:] == code].mean() for code in range(3)]
        size.append(sets.sum(axis=1).mean())
    mean, error = coverage.mean(axis=0), coverage.std(axis=0) / np.sqrt(60)
    assert (mean >= wanted - 3 * error).all()
    assert (mean <= wanted + 0.05).all()  # not by naming every class
    assert np.mean(size) < 2.5


def test_classes_stay_covered_when_their_shares_change_only_if_compared_by_class() -> None:
    logs, codes = drawn(6000, seed=3)
    logs = log_softmax(
        logs + np.array([1.5, 0, 0]), axis=1
    )  # one class is favoured, and is also the most frequent before
    before = np.concatenate([np.flatnonzero(codes[:3000] == 0), np.flatnonzero(codes[:3000] == 1)[:50]])
    held_out = HeldOut(logs[before], codes[before], np.zeros(len(before), dtype=np.int64))
    rare = 3000 + np.flatnonzero(codes[3000:] == 1)
    covered = {}
    for by_class in (True, False):
        sets = class_sets(held_out, np.exp(logs[None, rare]), temperature=1.0, coverage=0.9, by_class=by_class)
        covered[by_class] = sets[:, 1].mean()
    assert covered[True] > 0.85
    assert covered[False] < 0.75


@pytest.mark.parametrize(("scans", "ruled_out"), [(18, False), (19, True)])
def test_class_with_too_few_held_out_scans_is_never_ruled_out(scans: int, ruled_out: bool) -> None:
    logs = np.log(np.tile([0.99, 0.01], (scans, 1)))
    held_out = HeldOut(logs, np.zeros(scans, dtype=np.int64), np.zeros(scans, dtype=np.int64))
    sets = class_sets(held_out, np.array([[[0.001, 0.999]]]), temperature=1.0, coverage=0.949999)
    assert sets.tolist() == [[not ruled_out, True]]


def test_novelty_raises_about_as_many_false_alarms_as_asked_for_and_flags_what_is_strange() -> None:
    rng = np.random.default_rng(0)
    mixing = rng.normal(0, 1, (6, 6))

    def features(scans: int) -> np.ndarray:
        return (rng.normal(0, 1, (scans, 6)) @ mixing + 3).astype(np.float32)

    statistics = [NoveltyStatistics.fit(features(500), features(200)) for _ in range(3)]
    known = [network for network in statistics if network is not None]
    assert len(known) == 3

    def distances(scans: np.ndarray) -> np.ndarray:
        return np.stack([np.linalg.norm((scans - network.mean) @ network.whitening, axis=1) for network in known])

    new = features(2000)
    np.testing.assert_allclose((distances(new) ** 2).mean(), 6, rtol=0.1)  # chi-squared with as many degrees
    assert (novelty_p_values(known, distances(new)) <= 0.05).mean() == pytest.approx(0.05, abs=0.02)
    strange = (new - 3) * 3 + 3
    assert (novelty_p_values(known, distances(strange)) <= 0.05).mean() > 0.7


def test_network_that_ran_away_has_no_novelty_and_dead_features_do_no_harm() -> None:
    features = np.random.default_rng(0).normal(0, 1, (20, 4)).astype(np.float32)
    assert NoveltyStatistics.fit(features * np.nan, features) is None
    dead = features * np.array([1, 1, 0, 0], dtype=np.float32)
    found = NoveltyStatistics.fit(dead, dead)
    assert found is not None
    assert np.isfinite(found.held_out).all()
    still = NoveltyStatistics.fit(np.zeros((20, 4), dtype=np.float32), features)
    assert still is not None
    assert np.isfinite(still.whitening).all()
