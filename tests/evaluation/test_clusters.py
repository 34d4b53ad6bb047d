import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest
from sklearn.metrics import f1_score

from csam_lightning.evaluation.clusters import (
    clustered_rate,
    confusion_by_package,
    macro_f1,
    percentiles,
    resampled,
)


def test_independent_scans_have_clopper_and_pearson_s_interval() -> None:
    events = np.arange(200) % 10 == 0
    rate = clustered_rate(events, np.arange(200))
    exact = binomtest(20, 200).proportion_ci(0.95, "exact")
    assert rate.value == 0.1
    assert (rate.low, rate.high) == pytest.approx((exact.low, exact.high), abs=1e-3)


@pytest.mark.parametrize("value", [False, True])
def test_where_all_scans_agree_each_package_counts_once(value: bool) -> None:
    rate = clustered_rate(np.full(300, value), np.arange(300) % 30)
    exact = binomtest(30 * value, 30).proportion_ci(0.95, "exact")
    assert (rate.low, rate.high) == pytest.approx((exact.low, exact.high))


def test_repeated_scans_of_a_package_make_no_interval_narrower() -> None:
    events = np.arange(60) < 12
    once = clustered_rate(events, np.arange(60))
    copied = clustered_rate(np.repeat(events, 6), np.repeat(np.arange(60), 6))
    assert copied.high - copied.low == pytest.approx(once.high - once.low, rel=0.05)
    assert (copied.scans, copied.packages) == (360, 60)


def test_no_scan_has_no_rate() -> None:
    rate = clustered_rate([], [])
    assert np.isnan([rate.value, rate.low, rate.high]).all()
    assert (rate.scans, rate.packages) == (0, 0)


def test_the_interval_covers_the_true_share_of_clustered_scans() -> None:
    rng = np.random.default_rng(0)
    truth, trials, covered, plain = 0.1, 600, 0, 0
    for _ in range(trials):
        shares = rng.beta(0.2, 1.8, size=60)  # mean 0.1: most packages have hardly any event, a few have many
        events = (rng.random((60, 6)) < shares[:, None]).ravel()
        rate = clustered_rate(events, np.repeat(np.arange(60), 6))
        covered += bool(rate.low <= truth <= rate.high)
        exact = binomtest(int(events.sum()), 360).proportion_ci(0.95, "exact")
        plain += bool(exact.low <= truth <= exact.high)
    assert covered / trials >= 0.93
    assert plain / trials < 0.9  # what counting scans would promise


@given(st.integers(0, 2**32 - 1), st.integers(2, 5), st.integers(1, 80))
def test_macro_f1_is_scikit_learn_s(seed: int, classes: int, scans: int) -> None:
    rng = np.random.default_rng(seed)
    codes, predicted = rng.integers(0, classes, (2, scans))
    matrices = confusion_by_package(codes, predicted, rng.integers(0, 5, scans), classes=classes)
    wanted = f1_score(codes, predicted, labels=np.unique(codes), average="macro", zero_division=0)
    assert macro_f1(matrices.sum(axis=0)) == pytest.approx(wanted)


def test_cells_are_drawn_alike_so_that_differences_are_paired() -> None:
    rng = np.random.default_rng(1)
    one = rng.integers(0, 9, (40, 3, 3))
    draws = resampled(one + 1, seed=3) - resampled(one, seed=3)
    assert np.allclose(draws, 40.0)


def test_the_bootstrap_by_package_spreads_as_the_mean_over_packages_does() -> None:
    rng = np.random.default_rng(2)
    values = rng.normal(size=(400, 1))
    means = resampled(values, draws=4000)[:, 0] / 400
    assert means.std() == pytest.approx(values.std() / 20, rel=0.05)
    low, high = percentiles(means)
    assert high - low == pytest.approx(2 * 1.96 * values.std() / 20, rel=0.07)
