"""The rule over arrays."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.dummy import DummyClassifier
from sklearn.metrics import f1_score

from csam_lightning.evaluation.clusters import macro_f1
from csam_lightning.reporting.picking import MOST_DRAWN, Scored, pick, scored, trivial_answers


def made(*scores: float, spread: float = 0.0) -> Scored:
    noise = np.random.default_rng(0).normal(0, spread, (len(scores), 500))
    return Scored(np.array(scores), np.array(scores)[:, None] + noise)


GUESSING = made(0.1, 0.25)


def test_least_work_within_the_tolerance() -> None:
    picked = pick(made(0.90, 0.89, 0.87, spread=0.1), np.array([4.0, 2.0, 1.0]), GUESSING)
    assert (picked.best, picked.chosen, picked.near.tolist()) == (0, 1, [True, True, False])
    assert pick(made(0.90, 0.89, 0.87, spread=0.1), np.array([4.0, 2.0, 1.0]), GUESSING, tolerance=0.03).chosen == 2


def test_one_within_the_tolerance_that_is_separated_for_the_worse_is_not_taken() -> None:
    assert pick(made(0.90, 0.89, spread=1e-4), np.array([4.0, 2.0]), GUESSING).chosen == 0


def test_of_all_that_is_equal_the_first_is_taken() -> None:
    assert pick(made(0.9, 0.9), np.array([1.0, 1.0]), GUESSING).chosen == 0
    assert pick(made(0.9, 0.9), np.array([np.inf, np.inf]), GUESSING).chosen == 0


@pytest.mark.parametrize(("score", "usable"), [(0.24, False), (0.25, False), (0.26, False), (0.60, True)])
def test_only_what_is_separated_from_guessing_is_usable(score: float, usable: bool) -> None:
    picked = pick(made(score, 0.05, spread=0.03), np.array([1.0, 1.0]), GUESSING)
    assert picked.usable.tolist() == [usable, False]
    assert picked.chosen == (0 if usable else None)


def test_many_cells_that_guess_are_not_usable_by_chance() -> None:
    rng = np.random.default_rng(1)
    scores = rng.normal(0.25, 0.03, 200)
    guesses = Scored(scores, scores[:, None] + rng.normal(0, 0.03, (200, 500)))
    assert (scores - 0.25 > 1.96 * 0.03).any()
    assert pick(guesses, np.ones(200), GUESSING).chosen is None


def test_trivial_answers_are_those_of_scikit_learn_s_dummies() -> None:
    actual = np.random.default_rng(0).integers(0, 30, (50, 4)) * np.array([1, 1, 2, 6])
    labels = np.repeat(np.arange(4), actual.sum(axis=0))
    places = np.zeros((len(labels), 1))
    constant, guessing = (float(macro_f1(matrices.sum(axis=0))) for matrices in trivial_answers(actual))
    majority = DummyClassifier(strategy="most_frequent").fit(places, labels).predict(places)
    assert constant == pytest.approx(f1_score(labels, majority, average="macro"))
    random = [
        f1_score(
            labels,
            DummyClassifier(strategy="stratified", random_state=seed).fit(places, labels).predict(places),
            average="macro",
        )
        for seed in range(20)
    ]
    assert guessing == pytest.approx(np.mean(random), abs=0.01)


def test_scores_are_bootstrapped_by_package_alike_and_the_same_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    counts = np.random.default_rng(0).integers(0, 9, (20, 30, 4, 4))
    one, again = scored(list(counts)), scored(list(counts))
    assert one.draws.shape == (20, 2000)
    assert (one.draws == again.draws).all()
    monkeypatch.setattr("csam_lightning.reporting.picking.TOGETHER", 48)
    assert (scored(list(counts)).draws == one.draws).all()
    alone = scored([counts[17]])
    assert (alone.draws[0] == one.draws[17]).all()
    assert one.score == pytest.approx([float(macro_f1(matrices.sum(axis=0))) for matrices in counts])


def test_draws_of_many_packages_fit_into_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("csam_lightning.reporting.picking.MOST_DRAWN", 3000)
    assert scored([np.ones((30, 2, 2))]).draws.shape == (1, 100)
    assert MOST_DRAWN >= 2000 * 10_000


@given(
    st.lists(st.tuples(st.floats(0, 1), st.floats(1, 1e6)), min_size=1, max_size=8),
    st.floats(0, 0.2),
    st.floats(0, 0.5),
)
def test_what_is_chosen_is_near_the_best_and_no_more_work(
    drawn: list[tuple[float, float]], spread: float, tolerance: float
) -> None:
    scores, work = np.array(drawn).T
    candidates = made(*scores, spread=spread)
    picked = pick(candidates, work, GUESSING, tolerance=tolerance)
    if picked.chosen is None:
        assert not picked.usable.any()
        return
    assert work[picked.chosen] <= work[picked.best]
    assert scores[picked.best] - scores[picked.chosen] <= tolerance + 1e-9
    assert picked.usable[picked.chosen]
