from dataclasses import replace
from math import inf

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from csam_lightning.reporting.cells import ReportCell, read_cell
from csam_lightning.reporting.choice import choose_as_the_paper, choose_ours, comparable, few_folds, interval
from tests.reporting.conftest import Made, stored

scores = st.lists(st.floats(0, 1), min_size=2, max_size=8)


def cell(made: Made) -> ReportCell:
    found = read_cell(*stored(made))
    assert isinstance(found, ReportCell)
    return found


@given(scores)
def test_interval_is_scipy_s(values: list[float]) -> None:
    if np.std(values) > 1e-12:  # scipy has no interval without a spread
        expected = stats.t.interval(0.95, len(values) - 1, loc=np.mean(values), scale=stats.sem(values))
        assert interval(cell(Made(f1=values))) == pytest.approx(np.clip(expected, 0, 1).tolist())


def test_a_single_fold_has_no_interval() -> None:
    assert interval(cell(Made(f1=[0.8]))) == (-inf, inf)


def test_ours_is_the_best_where_it_is_separated() -> None:
    best = cell(Made(f1=(0.90, 0.91, 0.92), seconds=1000))
    other = cell(Made(size=420, f1=(0.50, 0.51, 0.52), seconds=1))
    choice = choose_ours([other, best])
    assert choice.cell is best
    assert choice.reason == "macro F1 0.910 (95 % CI 0.885 to 0.935): its interval overlaps no other (1 other cells)."


def test_ours_is_the_cheapest_of_those_that_are_not_separated() -> None:
    best = cell(Made(f1=(0.80, 0.85, 0.90), seconds=1000))
    cheap = cell(Made(size=420, f1=(0.78, 0.84, 0.88), seconds=10))
    cheapest_but_bad = cell(Made(size=280, f1=(0.10, 0.11, 0.12), seconds=1))
    choice = choose_ours([best, cheap, cheapest_but_bad])
    assert choice.cell is cheap
    assert "The best is 840 px100 b8 with macro F1 0.850" in choice.reason
    assert "1 of the other 2 cells is not separated from it" in choice.reason
    assert "420 px100 b8 took the fewest seconds (10 s against 1000 s)" in choice.reason


def test_ours_stays_with_the_best_where_that_is_the_cheapest() -> None:
    best = cell(Made(f1=(0.80, 0.85, 0.90), seconds=5))
    choice = choose_ours([best, cell(Made(size=420, f1=(0.78, 0.84, 0.88), seconds=10))])
    assert choice.cell is best
    assert choice.reason.endswith(
        "1 of the other 1 cells is not separated from it, and it took the fewest seconds (5 s)."
    )
    third = cell(Made(size=280, f1=(0.75, 0.84, 0.89), seconds=10))
    assert "; none of the other 2 cells is separated from it" in choose_ours([best, third, third]).reason


def test_a_cell_of_one_fold_overlaps_every_other() -> None:
    single = cell(Made(f1=(0.2,), seconds=1))
    assert choose_ours([cell(Made(size=420, f1=(0.90, 0.91, 0.92))), single]).cell is single
    assert choose_ours([single]).reason == "It is the only cell: macro F1 0.200 (a single fold: no interval)."


@given(st.lists(st.tuples(scores, st.floats(1, 1e4)), min_size=1, max_size=6))
def test_ours_is_the_best_or_cheaper_than_it(drawn: list[tuple[list[float], float]]) -> None:
    cells = [cell(Made(size=100 + n, f1=f1, seconds=seconds)) for n, (f1, seconds) in enumerate(drawn)]
    best = max(cells, key=lambda one: one.f1)
    chosen = choose_ours(cells).cell
    assert chosen.seconds <= best.seconds
    assert interval(chosen)[1] >= interval(best)[0]


def test_the_paper_s_rule_takes_the_least_overfitting_of_those_that_reach_the_last_read_out() -> None:
    early = cell(Made(size=420, delta_accuracy=0.0, delta_loss=0.0))
    over = cell(Made(size=840, side=200, delta_accuracy=0.30, delta_loss=-0.9))
    least = cell(Made(size=840, side=100, delta_accuracy=-0.10, delta_loss=-0.2))
    choice = choose_as_the_paper([early, over, least], {early.id: 200, over.id: 500, least.id: 500}, 500)
    assert choice.cell is least
    assert choice.reason == (
        "2 of 3 cells are trained on scans up to the last read-out (500 cycles); 840 px100 b8 ranks 1 by |Δ accuracy| "
        "and 1 by |Δ loss| among them: Δ accuracy -0.100, Δ loss -0.200."
    )


def test_the_paper_s_rule_adds_ranks_and_breaks_ties_by_delta_loss() -> None:
    accurate = cell(Made(side=100, delta_accuracy=0.01, delta_loss=-0.5))
    lossy = cell(Made(side=200, delta_accuracy=0.02, delta_loss=-0.4))
    reach = {accurate.id: 500.0, lossy.id: 500.0}
    assert choose_as_the_paper([accurate, lossy], reach, 500).cell is lossy


@pytest.mark.parametrize("last", [None, 900.0])
def test_without_known_read_outs_the_paper_s_rule_takes_the_largest_size(last: float | None) -> None:
    small = cell(Made(size=420, delta_accuracy=0, delta_loss=0))
    large = cell(Made(size=840, delta_accuracy=0.5, delta_loss=-0.9))
    choice = choose_as_the_paper([small, large], {large.id: 500}, last)
    assert choice.cell is large
    assert "of the largest data size, 840 (no cell is known to reach the last read-out)" in choice.reason


def test_scores_of_the_published_protocol_take_no_part() -> None:
    grouped = cell(Made(f1=(0.5, 0.6)))
    published = cell(Made(f1=(0.9, 0.9), protocol="published"))
    kept, remarks = comparable([published, grouped])
    assert kept == [grouped]
    assert "1 cells of the published protocol take no part" in remarks[0]
    kept, remarks = comparable([published])
    assert kept == [published]
    assert "promise more than they keep" in remarks[0]


def test_scores_on_other_data_take_no_part() -> None:
    cells = [cell(Made(size=size)) for size in (420, 840)]
    other = cell(replace(Made(), fingerprint="other"))
    kept, remarks = comparable([other, *cells])
    assert kept == cells
    assert remarks == ["1 cells of other data sets take no part: their scores do not compare."]


@pytest.mark.parametrize(
    ("folds", "told"),
    [
        (1, ["Cells of a single fold have no interval, so our rule cannot tell them apart: it takes the cheapest."]),
        (2, ["Over 2 folds a confidence interval reaches ±9.0 standard deviations (over 5 folds ±1.2), so our rule"]),
        (4, []),
    ],
)
def test_few_folds_are_told(folds: int, told: list[str]) -> None:
    cells = [cell(Made(f1=[0.8, 0.9, 0.8, 0.9][:folds])), cell(Made(size=420, f1=(0.5, 0.6, 0.5, 0.6)))]
    assert [remark[: len(start)] for remark, start in zip(few_folds(cells), told, strict=True)] == told
    assert few_folds(cells[:1]) == []
