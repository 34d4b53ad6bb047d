from collections import Counter

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from csam_lightning.data.folds import (
    Fold,
    balance,
    check_disjoint,
    fold_table,
    make_folds,
    split_packages,
    surely_splits,
)
from csam_lightning.errors import InputError
from tests.conftest import CLASSES, tiny_table


@st.composite
def labelled_packages(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, int]:
    """Packages of one class each, every class with at least as many as folds; 1 to 4 scans each."""
    folds = draw(st.integers(2, 5))
    classes = draw(st.integers(2, 5))
    labels, packages = [], []
    for code in range(classes):
        for package in range(draw(st.integers(folds, folds + 6))):
            scans = draw(st.integers(1, 4))
            labels += [f"class{code}"] * scans
            packages += [f"{code}-{package}"] * scans
    return np.array(labels), np.array(packages), folds


@given(labelled_packages(), st.integers(0, 1000))
@settings(max_examples=60)
def test_split_keeps_packages_whole_and_gives_every_class_to_every_fold(
    drawn: tuple[np.ndarray, np.ndarray, int], seed: int
) -> None:
    labels, packages, folds = drawn
    fold = split_packages(labels, packages, num_folds=folds, seed=seed)
    assert all(len(set(fold[packages == package])) == 1 for package in set(packages))
    for number in range(folds):
        assert set(labels[fold == number]) == set(labels)


def test_split_repairs_what_stratification_leaves_out() -> None:
    """Packages that carry two classes at once: a read-out before and one after the defect."""
    labels = np.array(["D", "A"] * 5 + ["D", "B"] * 5 + ["D"] * 60)
    packages = np.array([f"p{i // 2}" for i in range(20)] + [f"q{i // 6}" for i in range(60)])
    for seed in range(30):
        fold = split_packages(labels, packages, num_folds=5, seed=seed)
        assert all({"A", "B", "D"} == set(labels[fold == number]) for number in range(5))


@given(st.lists(st.sets(st.sampled_from("ABCD"), min_size=1), min_size=6, max_size=40), st.integers(2, 5))
@settings(max_examples=60)
def test_split_that_is_sure_can_be_made(carried: list[set[str]], folds: int) -> None:
    pairs = [(label, f"p{number}") for number, labels in enumerate(carried) for label in sorted(labels)]
    labels, packages = (np.array(column) for column in zip(*pairs, strict=True))
    assume(surely_splits(labels, packages, num_folds=folds))
    fold = split_packages(labels, packages, num_folds=folds, seed=0)
    assert all(set(labels[fold == number]) == set(labels) for number in range(folds))


@pytest.mark.parametrize(
    ("carried", "sure"),
    [
        (["A", "B"] * 5, True),
        (["A", "B"] * 4, False),
        (["AB"] * 5, True),
        (["ABC"] * 9, True),
        (["ABC"] * 8, False),
    ],
)
def test_split_into_five_folds_is_sure_where_packages_are_many(carried: list[str], sure: bool) -> None:
    pairs = [(label, f"p{number}") for number, labels in enumerate(carried) for label in labels]
    labels, packages = (np.array(column) for column in zip(*pairs, strict=True))
    assert surely_splits(labels, packages, num_folds=5) is sure


def test_split_that_cannot_be_made_is_an_error() -> None:
    """Six packages, six classes, each class on another five of them: no five folds can all hold every class."""
    pairs = [(f"p{package}", f"c{code}") for code in range(6) for package in range(6) if package != code]
    packages, labels = (np.array(column) for column in zip(*pairs, strict=True))
    with pytest.raises(InputError, match=r"no split into 5 folds gives every class.*choose fewer folds"):
        split_packages(labels, packages, num_folds=5, seed=0)


@given(
    counts=st.lists(st.integers(1, 30), min_size=2, max_size=5),
    total=st.integers(5, 120),
    seed=st.integers(0, 1000),
)
@settings(max_examples=100)
def test_balance_gives_equal_counts_that_add_up(counts: list[int], total: int, seed: int) -> None:
    labels = np.repeat([f"class{code}" for code in range(len(counts))], counts)
    rows = np.arange(len(labels))
    images = balance(labels, rows, total=total, rng=np.random.default_rng(seed))
    per_class = Counter(labels[images.scan])
    assert len(images) == total
    assert max(per_class.values()) - min(per_class.get(name, 0) for name in set(labels)) <= 1
    assert len(set(zip(images.scan, images.copy, strict=True))) == total
    assert set(images.scan) == set(images.scans)
    for name in set(labels):
        times = Counter(images.scan[labels[images.scan] == name]).values()
        assert not times or max(times) - min(times) <= 1


def test_frequent_classes_are_thinned_and_rare_ones_filled() -> None:
    labels = np.array(["rare"] * 2 + ["often"] * 20)
    images = balance(labels, np.arange(22), total=22, rng=np.random.default_rng(0))
    often = images.take(labels[images.scan] == "often")
    rare = images.take(labels[images.scan] == "rare")
    assert len(often) == len(rare) == 11
    assert not often.copy.any()
    assert sorted(rare.copy) == sorted([*range(6), *range(5)])


def folds_of(table: pd.DataFrame, **changes: object) -> list[Fold]:
    settings_ = {"classes": CLASSES, "size": None, "protocol": "grouped", "num_folds": 3, "seed": 0, **changes}
    return make_folds(table, **settings_)  # type: ignore[arg-type]


def test_grouped_folds_balance_the_training_part_alone() -> None:
    table = tiny_table(packages=24, test_packages=0)
    extra = tiny_table(packages=48, test_packages=0).iloc[48:].query("label == 'D'")
    table = pd.concat([table, extra], ignore_index=True)
    labels = table["label"].to_numpy()
    packages = table["package_id"].to_numpy()
    seen: list[int] = []
    for fold in folds_of(table):
        counts = Counter(labels[fold.training.scan]).values()
        assert max(counts) - min(counts) <= 1
        assert len(fold.training) == len(fold.training_scans)
        assert not fold.validation.copy.any()
        assert not set(packages[fold.training_scans]) & set(packages[fold.validation.scan])
        assert set(fold.training.scan) <= set(fold.training_scans)
        seen += list(fold.validation.scan)
    assert sorted(seen) == list(range(len(table)))


def test_data_size_between_read_outs_balances_to_that_size() -> None:
    table = tiny_table(packages=24, read_outs=(0, 100, 200), test_packages=0)
    folds = folds_of(table, size=40)
    chosen = sum(len(fold.validation) for fold in folds)
    assert chosen == 48
    assert table.iloc[np.concatenate([fold.validation.scan for fold in folds])]["cycles"].max() == 100
    for fold in folds:
        assert len(fold.training) == round(40 * len(fold.training_scans) / 48)


def test_published_folds_balance_first_and_split_images() -> None:
    table = tiny_table(packages=20, test_packages=0)
    table.loc[table["package_id"] == "p01", "label"] = "D"
    folds = folds_of(table, protocol="published", size=40)
    labels = table["label"].to_numpy()
    validated = np.concatenate([fold.validation.scan for fold in folds])
    assert Counter(labels[validated]) == dict.fromkeys(CLASSES, 10)
    pairs = [set(zip(fold.validation.scan, fold.validation.copy, strict=True)) for fold in folds]
    assert sum(len(pair) for pair in pairs) == len(set().union(*pairs)) == 40
    for fold, pair in zip(folds, pairs, strict=True):
        trained = set(zip(fold.training.scan, fold.training.copy, strict=True))
        assert not trained & pair
        assert len(trained | pair) == 40


def test_equal_seeds_give_equal_folds_and_other_seeds_others() -> None:
    table = tiny_table(packages=24, test_packages=0)
    first, again, other = (folds_of(table, seed=seed)[0] for seed in (1, 1, 2))
    assert np.array_equal(first.training.scan, again.training.scan)
    assert not np.array_equal(first.validation.scan, other.validation.scan)


def test_package_on_two_sides_is_an_error() -> None:
    packages = np.array(["p1", "p1", "p2"])
    sides = {"training": np.array([0, 2]), "validation": np.array([1])}
    with pytest.raises(InputError, match=r"fold 4: package p1 is in both training and validation \(1 shared"):
        check_disjoint(packages, sides, fold=4)


def test_too_few_published_images_is_an_error() -> None:
    table = tiny_table(packages=8, test_packages=0)
    with pytest.raises(InputError, match=r"class A has 1 balanced image, fewer than the 3 folds; data sizes that work"):
        folds_of(table, protocol="published", size=4)


def test_size_too_small_for_every_class_to_be_trained_is_an_error() -> None:
    table = tiny_table(packages=16, test_packages=0)
    with pytest.raises(
        InputError, match=r"data size 7: 1 balanced images of each class are fewer than 2; data sizes that work: 8 to"
    ):
        folds_of(table, size=7)
    assert all(len(fold.training) >= 4 for fold in folds_of(table, size=8))


def test_fold_table_names_the_fold_in_which_each_scan_validates() -> None:
    both = tiny_table()
    table, test = (both[both["split"] == split].reset_index(drop=True) for split in ("train", "test"))
    folds = folds_of(table)
    listed = fold_table(table, folds, test, protocol="grouped")
    assert list(listed.columns) == ["path", "package_id", "label", "fold"]
    assert Counter(listed["fold"])["test"] == 8
    assert listed.groupby("package_id")["fold"].nunique().max() == 1
    assert set(listed["path"]) >= set(table["path"])


def test_fold_table_of_the_published_protocol_has_a_row_for_each_copy() -> None:
    table = tiny_table(packages=12, test_packages=0)
    table.loc[table["package_id"].isin(["p01", "p05"]), "label"] = "D"
    listed = fold_table(table, folds_of(table, protocol="published"), table.iloc[:0], protocol="published")
    assert list(listed.columns) == ["path", "package_id", "label", "fold", "copy"]
    assert len(listed) == len(table)
    assert listed["copy"].max() >= 1
