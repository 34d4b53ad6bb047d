from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from csam_lightning.data.selection import check_classes, choose_scans, workable_sizes
from csam_lightning.errors import InputError
from tests.conftest import CLASSES, tiny_table

SETTINGS: Any = {"classes": CLASSES, "protocol": "grouped", "num_folds": 5, "seed": 0}
TABLE = tiny_table(packages=20, read_outs=(0, 100, 200), test_packages=0)


@given(st.integers(1, 60))
def test_size_takes_the_earliest_read_outs_that_reach_it(size: int) -> None:
    chosen = TABLE.iloc[choose_scans(TABLE, size, seed=0)]
    expected = 100 * ((size - 1) // 20)
    assert chosen["cycles"].max() == expected
    assert len(chosen) == (TABLE["cycles"] <= expected).sum() >= size


def test_no_size_takes_all() -> None:
    assert np.array_equal(choose_scans(TABLE, None, seed=0), np.arange(60))


@pytest.mark.parametrize("size", [0, 61])
def test_size_out_of_reach_is_an_error(size: int) -> None:
    with pytest.raises(InputError, match=rf"data.size: data size {size} cannot be reached with 60.*from 1 to 60"):
        choose_scans(TABLE, size, seed=0)


def test_cycles_on_some_rows_only_is_an_error() -> None:
    table = TABLE.astype({"cycles": "Int64"})
    table.loc[3, "cycles"] = pd.NA
    with pytest.raises(InputError, match=r"1 scans have no cycles.*set data.size=null"):
        choose_scans(table, 20, seed=0)


@given(st.integers(1, 59), st.integers(0, 100))
@settings(max_examples=50)
def test_without_read_outs_packages_are_chosen_whole_nested_and_stratified(size: int, seed: int) -> None:
    table = TABLE.assign(cycles=pd.array([pd.NA] * len(TABLE), dtype="Int64"))
    smaller, larger = (set(choose_scans(table, wanted, seed=seed)) for wanted in (size, size + 1))
    assert size <= len(smaller) < size + 3
    assert smaller <= larger
    chosen = table.iloc[sorted(smaller)]
    assert (chosen.groupby("package_id").size() == 3).all()
    packages = chosen.groupby("label")["package_id"].nunique().reindex(CLASSES, fill_value=0)
    assert packages.max() - packages.min() <= 1


def test_class_with_too_few_packages_is_an_error_that_says_what_works() -> None:
    table = TABLE.copy()
    late = (table["label"] == "B") & (table["cycles"] < 200)
    table.loc[late, "label"] = "D"
    [error] = check_classes(table, 40, **SETTINGS)
    assert str(error) == (
        "data size 40: class B has no scan; data sizes that work: 41 to 60, or set data.num_folds below 5"
    )
    table.loc[table["package_id"] == "p01", "label"] = "D"
    [error] = check_classes(table, None, **SETTINGS)
    assert str(error) == (
        "data size 60: class B has 4 packages, fewer than the 5 folds; "
        "no data size works: scan more packages, or set data.num_folds below 5"
    )
    assert check_classes(table, None, **{**SETTINGS, "protocol": "published"}) == []


def test_too_few_published_images_are_an_error_for_each_class() -> None:
    errors = check_classes(TABLE, 19, **{**SETTINGS, "protocol": "published"})
    assert [str(error) for error in errors] == [
        f"data size 19: class {name} has 4 balanced images, fewer than the 5 folds; "
        "data sizes that work: 20 to 60, or set data.num_folds below 5"
        for name in CLASSES
    ]


def test_workable_sizes_join_read_outs_that_touch() -> None:
    assert workable_sizes(TABLE, classes=CLASSES, protocol="grouped", num_folds=5) == [(8, 60)]
    assert workable_sizes(TABLE, classes=CLASSES, protocol="grouped", num_folds=6) == []
