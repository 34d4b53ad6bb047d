from collections.abc import Mapping
from dataclasses import replace
from math import inf
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from csam_lightning.reporting.cells import ReportCell, Unfinished, alike, fold_count, named_apart, read_cell, series
from tests.reporting.conftest import Made, stored


def cell(made: Made) -> ReportCell:
    found = read_cell(*stored(made))
    assert isinstance(found, ReportCell)
    return found


def test_numbers_are_those_of_the_folds() -> None:
    read = cell(Made(f1=(0.5, 0.7, 0.9)))
    assert read.values("val_f1").tolist() == [0.5, 0.7, 0.9]
    assert read.f1 == pytest.approx(0.7)
    assert read.std("val_f1") == pytest.approx(0.2)
    assert np.isnan(cell(Made(f1=(0.5,))).std("val_f1"))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"status": "RUNNING"}, "its run is RUNNING, without results"),
        ({"metrics": {}}, "its run is FINISHED, without results"),
        ({"metrics": {"seconds": float("nan")}}, "its run is FINISHED, without results"),
        ({"params": {}}, "its settings are not all in the store, or are no numbers"),
    ],
)
def test_cell_without_results_is_told_with_its_reason(changes: Mapping[str, Any], reason: str) -> None:
    run, folds = stored(Made())
    assert read_cell(replace(run, **changes), folds) == Unfinished("840 px100 b8", "840-100-8-grouped-0", reason)


def test_folds_without_results_do_not_count() -> None:
    run, folds = stored(Made(f1=(0.1, 0.2, 0.3)))
    half = [folds[2], replace(folds[0], metrics={"evaluation/val_f1": 0.5}), folds[1]]
    read = read_cell(run, half)
    assert isinstance(read, ReportCell)
    assert read.values("val_f1").tolist() == [0.2, 0.3]
    assert read_cell(run, half[1:2]) == Unfinished(read.name, read.id, "no fold's run below it has results")


scores = st.lists(st.floats(0, 1), min_size=2, max_size=8)


@given(scores)
def test_interval_over_folds_is_scipy_s(values: list[float]) -> None:
    if np.std(values) > 1e-12:  # scipy has no interval without a spread
        expected = stats.t.interval(0.95, len(values) - 1, loc=np.mean(values), scale=stats.sem(values))
        assert cell(Made(f1=values)).interval == pytest.approx(np.clip(expected, 0, 1).tolist())


def test_a_single_fold_has_no_interval() -> None:
    assert cell(Made(f1=[0.8])).interval == (-inf, inf)


def test_series_holds_cells_that_differ_in_one_factor_alone() -> None:
    line = [cell(Made(size=size)) for size in (280, 420, 840)]
    others = [cell(Made(size=560, side=200)), cell(Made(size=700, seed=1)), cell(Made(size=560, fingerprint="other"))]
    assert series([*others, *reversed(line)], "data_size", around=()) == line
    assert series(others, "data_size", around=()) == []


def test_of_equally_large_series_the_one_around_the_chosen_cell_is_taken() -> None:
    grid = [cell(Made(size=size, side=side)) for size in (420, 840) for side in (50, 100, 200)]
    chosen = next(one for one in grid if one.image_size == 100)
    assert {one.image_size for one in series(grid, "data_size", around=(chosen,))} == {100}


def test_what_touches_no_number_keeps_no_cells_apart() -> None:
    here = cell(Made(size=420, params={"data.root": "here", "tracking.uri": "a", "output_dir": "b"}))
    there = cell(Made(size=840, params={"data.root": "there", "tracking.uri": "c", "trainer.processes": "2"}))
    assert alike([here, there], "data_size") == [[here, there]]
    apart = cell(Made(size=560, params={"model.arch": "resnet50"}))
    assert alike([here, apart], "data_size") == [[here], [apart]]


def test_fold_counts_are_told() -> None:
    five, three, one = (cell(Made(f1=(0.5,) * count)) for count in (5, 3, 1))
    assert fold_count([five]) == "5 folds"
    assert fold_count([five, three]) == "3 to 5 folds"
    assert fold_count([one]) == "1 fold"


def test_cells_of_one_name_are_told_apart_by_the_settings_in_which_they_differ() -> None:
    rates = [Made(params={"trainer.learning_rate": rate, "augment.contrast": "0.2"}) for rate in ("0.001", "0.003")]
    other = Made(side=50, params={"trainer.learning_rate": "0.1"})
    cells = [cell(made) for made in (*rates, other)]
    assert [one.name for one in named_apart(cells)] == [
        "840 px100 b8 · learning_rate=0.001",
        "840 px100 b8 · learning_rate=0.003",
        "840 px50 b8",
    ]
    same = [cell(Made()), cell(Made(params={"output_dir": "elsewhere"}))]
    assert [one.name for one in named_apart(same)] == ["840 px100 b8"] * 2
