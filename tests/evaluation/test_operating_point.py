"""Who is called sound, and how often that is wrong."""

from itertools import permutations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy

from csam_lightning.evaluation.clusters import clustered_rate
from csam_lightning.evaluation.operating_point import decide, escape_and_overkill, is_delamination

CLASSES = ("A", "B", "C", "D")
ORDERS = st.sampled_from(list(permutations(CLASSES)))
SHARES = st.floats(0, 1, width=32)


@st.composite
def _probabilities(draw: st.DrawFn) -> np.ndarray:
    weights = draw(st_numpy.arrays(np.float64, (draw(st.integers(1, 6)), 4), elements=st.floats(1e-3, 1)))
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))


@given(_probabilities(), ORDERS)
def test_threshold_of_zero_takes_the_likeliest_class(probabilities: np.ndarray, classes: tuple[str, ...]) -> None:
    """Every class of delamination has a probability above 0 here."""
    assert (decide(probabilities, classes, 0.0) == probabilities.argmax(axis=1)).all()


@given(_probabilities(), ORDERS, st.floats(0, 0.999))
def test_sound_needs_a_probability_above_the_threshold(
    probabilities: np.ndarray, classes: tuple[str, ...], sound: float
) -> None:
    """A scan that is called D is likeliest D, above the threshold; every other gets its likeliest other class."""
    code = classes.index("D")
    given = decide(probabilities, classes, sound)
    called = given == code
    assert (called == ((probabilities.argmax(axis=1) == code) & (probabilities[:, code] > sound))).all()
    others = np.delete(probabilities, code, axis=1)
    assert (probabilities[~called, given[~called]] == others[~called].max(axis=1)).all()


@given(_probabilities(), ORDERS, st.floats(0, 0.999), st.floats(0, 0.999))
def test_a_higher_threshold_calls_no_more_scans_sound(
    probabilities: np.ndarray, classes: tuple[str, ...], one: float, other: float
) -> None:
    """So escapes fall and overkill rises as the threshold does."""
    code = classes.index("D")
    low, high = (decide(probabilities, classes, sound) == code for sound in sorted((one, other)))
    assert (high <= low).all()


@pytest.mark.parametrize(
    ("probabilities", "sound", "given"),
    [
        ((0.25, 0.24, 0.24, 0.27), 0.5, "A"),
        ((0.25, 0.24, 0.24, 0.27), 0.2, "D"),
        ((0.1, 0.3, 0.1, 0.5), 0.5, "B"),
        ((0.1, 0.3, 0.1, 0.5), 0.499, "D"),
        ((0.0, 0.0, 0.1, 0.9), 0.95, "C"),
        ((0.6, 0.0, 0.0, 0.4), 0.3, "A"),
    ],
)
def test_class_of_one_scan(probabilities: tuple[float, ...], sound: float, given: str) -> None:
    """The threshold itself is not above the threshold; a low one makes no unlikelier class sound."""
    assert CLASSES[decide(np.array([probabilities]), CLASSES, sound)[0]] == given


@pytest.mark.parametrize("classes", [("crack", "D", "ok", "void"), ("A", "B", "D"), ("A", "B", "C", "D", "E")])
def test_other_classes_ignore_the_threshold(classes: tuple[str, ...]) -> None:
    """D means sound only beside A, B and C."""
    probabilities = np.full((1, len(classes)), 0.1)
    probabilities[0, classes.index("D")] = 0.3
    assert not is_delamination(classes)
    assert classes[decide(probabilities, classes, 0.5)[0]] == "D"
    assert escape_and_overkill(np.array([0]), np.array([1]), ["P1"], classes) is None


def test_rates_count_scans_and_packages() -> None:
    """By hand: of five defective scans two are called D, of three sound ones one is called B."""
    codes = np.array([0, 1, 2, 0, 1, 3, 3, 3])
    predicted = np.array([0, 3, 2, 3, 0, 3, 1, 3])
    packages = ["P1", "P2", "P2", "P1", "P3", "P4", "P5", "P5"]
    rates = escape_and_overkill(codes, predicted, packages, CLASSES)
    assert rates is not None
    escape, overkill = rates
    assert (escape.value, escape.scans, escape.packages) == (2 / 5, 5, 3)
    assert (overkill.value, overkill.scans, overkill.packages) == (1 / 3, 3, 2)
    assert escape == clustered_rate([0, 1, 0, 1, 0], ["P1", "P2", "P2", "P1", "P3"])
    assert overkill == clustered_rate([0, 1, 0], ["P4", "P5", "P5"])


def test_scans_of_unknown_package_are_packages_of_their_own() -> None:
    """Two of them are not taken for one part."""
    packages = pd.Series(["P1", np.nan, pd.NA, "", "P1"], dtype=object)
    rates = escape_and_overkill(np.zeros(5, dtype=np.int64), np.array([0, 3, 3, 0, 0]), packages, CLASSES)
    assert rates is not None
    assert (rates[0].scans, rates[0].packages) == (5, 4)
    assert np.isnan(rates[1].value)
    assert rates[1].scans == 0
