from typing import get_args

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from csam_lightning.cells.data_tables import balance_table, example_rows, scan_table
from csam_lightning.data.folds import make_folds
from csam_lightning.data.selection import Protocol
from tests.conftest import CLASSES, tiny_table


def training(table: pd.DataFrame) -> pd.DataFrame:
    return table[table["split"] == "train"].reset_index(drop=True)


@pytest.mark.parametrize("protocol", get_args(Protocol))
@settings(max_examples=12)
@given(seed=st.integers(0, 50), size=st.sampled_from([None, 20, 24]))
def test_balance_tells_every_image_of_every_balanced_set(protocol: Protocol, seed: int, size: int | None) -> None:
    table = training(tiny_table())
    table.loc[::5, "label"] = "A"  # the classes are no longer equal
    folds = make_folds(table, classes=CLASSES, size=size, protocol=protocol, num_folds=2, seed=seed)
    counted = balance_table(table, folds, protocol=protocol)
    sets = (
        {"all": [fold.validation for fold in folds]}
        if protocol == "published"
        else {str(fold.number): [fold.training] for fold in folds}
    )
    assert set(counted["fold"]) == set(sets)
    for name, parts in sets.items():
        mine = counted[counted["fold"] == name]
        scan, copy = (np.concatenate([getattr(part, kind) for part in parts]) for kind in ("scan", "copy"))
        assert mine["scans"].sum() == (copy == 0).sum()
        assert mine["copies"].sum() == (copy > 0).sum()
        for row in mine.itertuples():
            here = (table["label"].to_numpy()[scan] == row.label) & (table["cycles"].to_numpy()[scan] == row.cycles)
            assert row.scans == (here & (copy == 0)).sum()
            assert row.copies == (here & (copy > 0)).sum()


def test_unknown_read_outs_are_counted_together() -> None:
    table = training(tiny_table()).assign(cycles=pd.array([pd.NA] * 24, dtype="Int64"))
    folds = make_folds(table, classes=CLASSES, size=None, protocol="grouped", num_folds=2, seed=0)
    counted = balance_table(table, folds, protocol="grouped")
    assert counted["cycles"].isna().all()
    assert len(counted) == 2 * 4


def test_scan_table_holds_both_splits_in_order() -> None:
    table = tiny_table()
    train, test = training(table), table[table["split"] == "test"]
    scans = scan_table(train, test)
    assert list(scans.columns) == ["path", "label", "package_id", "metallization", "cycles", "split"]
    assert scans["path"].tolist() == table["path"].tolist()


def test_examples_are_a_package_of_each_metallization_at_both_ends() -> None:
    table = tiny_table(read_outs=(0, 100, 200))
    table.loc[(table["metallization"] == "Ag") & (table["cycles"] == 200), "label"] = ["D", "B", "B", "A"] + ["A"] * 2
    chosen = table.loc[example_rows(scan_table(training(table), table[table["split"] == "test"]))]
    assert chosen["metallization"].tolist() == ["Ag", "Ag", "Cu", "Cu", "NiPdAu", "NiPdAu"]
    assert chosen["cycles"].tolist() == [0, 200] * 3
    assert chosen["package_id"].tolist()[:2] == ["p03", "p03"]  # the first that ends with Ag's most frequent class, B
    assert set(chosen["split"]) == {"train"}


@pytest.mark.parametrize("column", ["metallization", "cycles", "package_id"])
def test_without_metallizations_read_outs_or_packages_there_are_no_examples(column: str) -> None:
    table = tiny_table()
    table[column] = pd.NA
    assert example_rows(table) == []
    assert example_rows(tiny_table(read_outs=(100,))) == []
