import numpy as np
import pytest
from crepes import ConformalClassifier
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import log_softmax

from csam_lightning.evaluation.calibration import uncalibrated
from csam_lightning.evaluation.conformal import (
    HeldOutScores,
    Unit,
    class_sets,
    least,
    novelty_p_values,
    p_values,
    promise,
    unit_of,
    units_by_class,
)
from csam_lightning.model.held_out import HeldOut
from csam_lightning.model.novelty import NoveltyStatistics
from tests.evaluation.test_calibration import drawn


def test_p_values_by_hand() -> None:
    held_out = HeldOutScores(
        np.array([1.0, 2.0, 3.0, 10.0, 20.0, 99.0]), np.array([0, 0, 0, 1, 1, 1]), np.array([0, 0, 0, 0, 0, 1])
    )
    new = np.array([[2.0, 4.0], [5.0, 30.0]])  # two networks, two scans
    assert p_values(held_out, new, group=0).tolist() == pytest.approx([(2 + 2 + 1) / 6, 1 / 6])
    assert p_values(held_out, new, group=1).tolist() == pytest.approx([1.0, 1.0])
    assert p_values(held_out, new, group=2).tolist() == [1.0, 1.0]


@given(st.integers(0, 1000), st.integers(0, 40))
@settings(max_examples=25)
def test_p_values_of_one_network_are_those_of_crepes(seed: int, scans: int) -> None:
    known, new = (np.random.default_rng(seed + more).integers(0, 9, size) / 8 for more, size in ((0, scans), (1, 7)))
    zeros = np.zeros(scans, dtype=np.int64)
    theirs = ConformalClassifier().fit(known).predict_p(new, smoothing=False)
    np.testing.assert_allclose(p_values(HeldOutScores(known, zeros, zeros), new[None], group=0), theirs)


def test_each_package_weighs_one_by_hand() -> None:
    """Package 5 has a scan below and two above the new one, package 7 a scan above, package 8 one below."""
    held_out = HeldOutScores(
        np.array([0.1, 0.6, 0.7, 0.9, 0.2, 0.99]),
        np.array([0, 0, 0, 1, 1, 1]),
        np.array([0, 0, 0, 0, 0, 1]),
        packages=np.array([5, 5, 5, 7, 8, 8]),
    )
    new = np.array([[0.5, 0.95], [0.5, 0.95]])
    assert p_values(held_out, new, group=0).tolist() == pytest.approx([(2 / 3 + 1 + 0 + 1) / 4, 1 / 4])
    assert p_values(held_out, new, group=1).tolist() == pytest.approx([1.0, 1.0])


@pytest.mark.parametrize("networks", [1, 5])
def test_coverage_by_package_holds_for_each_class_over_clustered_populations_and_by_scan_does_not(
    networks: int,
) -> None:
    populations, packages, scans, wanted = 300, 24, 10, 0.95
    coverage = {unit: np.zeros((populations, 2)) for unit in (Unit.package, Unit.scan)}
    codes = np.repeat([0, 1], packages * scans)
    package = np.arange(2 * packages * scans) // scans
    for population in range(populations):
        rng = np.random.default_rng(population)
        known, new = (clustered_probabilities(rng, codes, package, networks) for _ in range(2))
        judge = package % networks
        held_out = HeldOut(np.log(known[judge, np.arange(len(codes))]), codes, judge, package)
        for unit, found in coverage.items():
            sets = class_sets(held_out, new, calibration=uncalibrated(2), coverage=wanted, unit=unit)
            covered = sets[np.arange(len(codes)), codes]
            found[population] = [covered[codes == code].mean() for code in range(2)]
    error = {unit: found.std(axis=0) / np.sqrt(populations) for unit, found in coverage.items()}
    by_package, by_scan = (coverage[unit].mean(axis=0) for unit in (Unit.package, Unit.scan))
    assert (by_package >= wanted - 3 * error[Unit.package]).all()
    assert (by_package <= wanted + 0.03).all()  # not by ruling nothing out
    assert (by_scan < wanted - 3 * error[Unit.scan]).all()
    assert (coverage[Unit.package].min(axis=1) < wanted).mean() > 0.3  # a single model may keep fewer


def clustered_probabilities(
    rng: np.random.Generator, codes: np.ndarray, package: np.ndarray, networks: int
) -> np.ndarray:
    """Probabilities of two classes by each network, shape (networks, scans, 2): scans of a package are much alike."""
    effect = rng.normal(0, 3, package.max() + 1)[package]
    own = rng.normal(0, 0.05, (networks, len(codes)))
    odds = 2 + effect + own
    right = 1 / (1 + np.exp(-odds))
    probabilities: np.ndarray = np.where((np.arange(2) == codes[:, None])[None], right[..., None], 1 - right[..., None])
    return probabilities


@pytest.mark.parametrize(
    ("packages", "wanted", "unit"),
    [
        ([0, 0, 1], Unit.auto, Unit.package),
        ([0, 1, 2], Unit.auto, Unit.scan),
        ([0, 1, 2], Unit.package, Unit.package),
        ([0, 0, 1], Unit.scan, Unit.scan),
        (None, Unit.auto, Unit.scan),
        (None, Unit.package, Unit.scan),
    ],
)
def test_unit_is_the_package_where_packages_have_several_scans(
    packages: list[int] | None, wanted: Unit, unit: Unit
) -> None:
    codes = np.array([0, 0, 1])
    held_out = HeldOut(np.zeros((3, 2)), codes, codes, None if packages is None else np.array(packages))
    assert unit_of(held_out, wanted) == unit
    repeated = packages == [0, 0, 1] and unit == Unit.package
    assert units_by_class(held_out, 3, wanted).tolist() == [1 if repeated else 2, 1, 0]


def test_promise_names_what_it_is_conditional_on() -> None:
    assert promise(0.95, Unit.package, 5) == (
        "Coverage 0.95 means: on average over trainings, a scan of each class keeps its class with that probability; "
        "for several networks 0.9 is proved and about 0.95 is seen. It holds for packages exchangeable with those of "
        "the model's data. A single model may keep fewer."
    )
    single = promise(0.9, Unit.scan, 1)
    assert "proved" not in single
    assert "scans exchangeable with those of the model's data, which scans of one package are not" in single


@pytest.mark.parametrize("networks", [1, 5])
def test_sets_cover_each_class_as_promised_over_exchangeable_draws(networks: int) -> None:
    coverage, size, wanted = np.zeros((60, 3)), [], 0.9
    for draw in range(60):
        logs, codes = drawn(400, seed=draw)
        bias = np.random.default_rng(draw).normal(0, 0.5, (networks, 400, 3))  # the networks differ
        said = log_softmax(logs + bias, axis=2)
        judge = np.arange(200) % networks
        held_out = HeldOut(said[judge, np.arange(200)], codes[:200], judge)
        sets = class_sets(held_out, np.exp(said[:, 200:]), calibration=uncalibrated(3), coverage=wanted)
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
        sets = class_sets(
            held_out, np.exp(logs[None, rare]), calibration=uncalibrated(3), coverage=0.9, by_class=by_class
        )
        covered[by_class] = sets[:, 1].mean()
    assert covered[True] > 0.85
    assert covered[False] < 0.75


@pytest.mark.parametrize("coverage", [0.8, 0.9, 0.95, 0.99])
@pytest.mark.parametrize("unit", [Unit.scan, Unit.package])
@pytest.mark.parametrize("missing", [0, 1])
def test_class_with_too_few_held_out_units_is_never_ruled_out(coverage: float, unit: Unit, missing: int) -> None:
    count = least(coverage) - missing
    each = 3 if unit == Unit.package else 1
    codes = np.zeros(count * each, dtype=np.int64)
    held_out = HeldOut(np.log(np.tile([0.99, 0.01], (len(codes), 1))), codes, codes, np.arange(len(codes)) // each)
    new = np.array([[[0.001, 0.999]]])
    sets = class_sets(held_out, new, calibration=uncalibrated(2), coverage=coverage, unit=unit)
    assert sets.tolist() == [[bool(missing), True]]


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
