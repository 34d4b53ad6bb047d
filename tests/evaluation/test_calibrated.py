"""Scores of the model as it judges, worked out anew by scikit-learn and by hand."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import softmax
from sklearn import metrics

from csam_lightning.evaluation.calibrated import (
    CalibratedResult,
    HeldOutScans,
    calibrated_json,
    calibrated_result,
    rate_text,
)
from csam_lightning.evaluation.calibration import cross_fitted, fit_calibration
from csam_lightning.evaluation.clusters import Rate

CLASSES = ("A", "B", "C", "D")
SHARES = (0.1, 0.1, 0.05, 0.75)
FOLDS = 3


def scans(count: int, networks: int | None, seed: int) -> HeldOutScans:
    """Scans of which most are sound, by networks that learned from balanced classes."""
    rng = np.random.default_rng(seed)
    codes = rng.choice(4, count, p=SHARES)
    shape = (count, 4) if networks is None else (networks, count, 4)
    logits = 1.5 * np.eye(4)[codes] + rng.normal(size=shape)
    return HeldOutScans(np.log(softmax(logits, axis=-1)), codes.astype(np.int64), np.arange(count) // 4)


def calibrated(sound: float = 0.5, **changes: object) -> CalibratedResult:
    validation, test = scans(600, None, 0), scans(200, FOLDS, 1)
    settings = {"classes": CLASSES, "sound": sound, **changes}
    return calibrated_result(validation, np.arange(600) % FOLDS, test, **settings)  # type: ignore[arg-type]


def test_scores_are_those_of_the_calibrated_verdicts() -> None:
    """Out of fold by calibrations of the other folds; on the test split by the mean over calibrated networks."""
    validation, test = scans(600, None, 0), scans(200, FOLDS, 1)
    folds = np.arange(600) % FOLDS
    found = calibrated()
    whole = fit_calibration(validation.log_probabilities, validation.codes)
    assert found.calibration.temperature == pytest.approx(whole.temperature)
    assert found.calibration.bias == pytest.approx(whole.bias)
    for scored, known, probabilities in (
        (found.out_of_fold, validation, cross_fitted(validation.log_probabilities, validation.codes, folds)),
        (found.test, test, whole.probabilities(test.log_probabilities).mean(axis=0)),
    ):
        assert scored is not None
        sound = (probabilities[:, 3] > 0.5) & (probabilities.argmax(axis=1) == 3)
        predicted = np.where(sound, 3, probabilities[:, :3].argmax(axis=1))
        assert scored.scores.accuracy == pytest.approx(metrics.accuracy_score(known.codes, predicted))
        assert scored.scores.f1 == pytest.approx(metrics.f1_score(known.codes, predicted, average="macro"))
        assert scored.escape is not None
        assert scored.overkill is not None
        defective = known.codes != 3
        assert scored.escape.value == pytest.approx((predicted[defective] == 3).mean())
        assert scored.overkill.value == pytest.approx((predicted[~defective] != 3).mean())
        assert scored.escape.scans == defective.sum()
        assert scored.escape.packages == len(np.unique(np.asarray(known.packages)[defective]))


def test_a_higher_threshold_trades_escapes_for_overkill() -> None:
    """At 0.9 fewer delaminated scans are called sound than at 0.5, and more sound ones delaminated."""
    low, high = calibrated(0.5).out_of_fold, calibrated(0.9).out_of_fold
    assert low.escape is not None
    assert high.escape is not None
    assert low.overkill is not None
    assert high.overkill is not None
    assert high.escape.value < low.escape.value
    assert high.overkill.value > low.overkill.value


def test_another_class_mix_shifts_the_verdicts() -> None:
    """Where delamination is as frequent as soundness, fewer scans are called sound."""
    usual, even = calibrated(), calibrated(prevalence=(0.2, 0.2, 0.1, 0.5))
    same = calibrated(prevalence=usual.prevalence)
    assert usual.prevalence == pytest.approx(np.bincount(scans(600, None, 0).codes) / 600)
    assert same.out_of_fold.escape == usual.out_of_fold.escape
    assert even.prevalence == (0.2, 0.2, 0.1, 0.5)
    for before, after in ((usual.out_of_fold, even.out_of_fold), (usual.test, even.test)):
        assert before is not None
        assert after is not None
        assert before.escape is not None
        assert after.escape is not None
        assert after.escape.value < before.escape.value


def test_other_classes_have_no_threshold_and_no_rates() -> None:
    """There ``sound`` changes nothing."""
    found = calibrated(0.999, classes=("ok", "nok", "void", "crack"))
    assert (found.sound, found.out_of_fold.escape, found.out_of_fold.overkill) == (None, None, None)
    assert found.out_of_fold.scores.accuracy == calibrated(0.0).out_of_fold.scores.accuracy
    written = calibrated_json(found, ("ok", "nok", "void", "crack"))
    assert (written["sound"], written["out_of_fold"]["escape"], written["test"]["overkill"]) == (None, None, None)


def test_a_single_fold_a_class_without_a_scan_and_no_test_split() -> None:
    """All that is left out is null, and no number is NaN."""
    known = scans(80, None, 2)
    sound = HeldOutScans(known.log_probabilities, np.full(80, 3), known.packages)
    found = calibrated_result(sound, np.zeros(80, dtype=np.int64), None, classes=CLASSES, sound=0.5)
    written = calibrated_json(found, CLASSES)
    assert written["test"] is None
    assert written["out_of_fold"]["escape"] is None
    assert written["out_of_fold"]["overkill"]["scans"] == 80
    assert all(np.isfinite(list(written["bias"].values())))
    assert all(share > 0 for share in written["prevalence"].values())


def test_what_is_recorded_is_read_back() -> None:
    """Each rate with its interval and its counts."""
    found = calibrated()
    written = calibrated_json(found, CLASSES)
    assert set(written) == {"temperature", "bias", "prevalence", "sound", "out_of_fold", "test"}
    names = {"accuracy", "precision", "recall", "f1", "classes", "confusion_matrix", "escape", "overkill"}
    assert set(written["out_of_fold"]) == set(written["test"]) == names
    assert Rate(**written["out_of_fold"]["escape"]) == found.out_of_fold.escape
    assert np.sum(written["test"]["confusion_matrix"]) == 200


def test_a_rate_in_words() -> None:
    """In percent, with its interval."""
    rate = Rate(0.104, 0.0711, 0.1479, 500, 90)
    assert rate_text(rate) == "10.4 % (7.1 to 14.8)"
    assert rate_text(replace(rate, scans=0)) == rate_text(None) == "none"
