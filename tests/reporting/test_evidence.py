"""What comes from the store is checked: hostile or broken artifacts are as good as none."""

import json
from collections.abc import Mapping
from typing import Any, cast

import numpy as np
import pytest
from sklearn.metrics import precision_score, recall_score

from csam_lightning.reporting import evidence
from csam_lightning.reporting.cells import ReportCell, read_cell
from csam_lightning.tracking.reading import StoreReader
from tests.reporting.conftest import CLASSES, MATRIX, Made, balance_csv, png, scans_csv, stored


class Shelf:
    """Artifacts of one run."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self._files = files

    def artifact(self, _: str, path: str) -> bytes | None:
        return self._files.get(path)

    def files(self, _: str, folder: str) -> list[str]:
        return sorted(path for path in self._files if path.startswith(f"{folder}/"))


def shelf(**files: bytes) -> StoreReader:
    return cast("StoreReader", Shelf({name.replace("__", "."): content for name, content in files.items()}))


@pytest.fixture
def cell() -> ReportCell:
    found = read_cell(*stored(Made()))
    assert isinstance(found, ReportCell)
    return found


def result(**changes: Any) -> bytes:
    whole = {"accuracy": 0.85, "precision": 0.8, "recall": 0.8, "f1": 0.8}
    return json.dumps({"test": {**whole, "classes": CLASSES, "confusion_matrix": MATRIX, **changes}}).encode()


def test_scores_by_class_are_scikit_learn_s(cell: ReportCell) -> None:
    scores = evidence.scores_on_test(shelf(result__json=result()), cell)
    assert scores is not None
    pairs = [(i, j) for i, row in enumerate(MATRIX) for j, count in enumerate(row) for _ in range(count)]
    actual, predicted = zip(*pairs, strict=True)
    names, precision, recall, counts = zip(*scores.per_class, strict=True)
    assert names == tuple(CLASSES)
    assert precision == pytest.approx(precision_score(actual, predicted, average=None))
    assert recall == pytest.approx(recall_score(actual, predicted, average=None))
    assert counts == tuple(np.sum(MATRIX, axis=1))


def test_class_never_predicted_has_no_precision(cell: ReportCell) -> None:
    content = result(classes=["x", "y"], confusion_matrix=[[3, 0], [2, 0]])
    scores = evidence.scores_on_test(shelf(result__json=content), cell)
    assert scores is not None
    assert [str(value) for value in scores.per_class[1][1:3]] == ["nan", "0.0"]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no json",
        b"[]",
        b'{"test": null}',
        b"\xff\xfe",
        result(confusion_matrix=[[1, 2], [3, 4]]),
        result(confusion_matrix=[[1, 2, 3, 4]] * 3 + [[1, 2, 3]]),
        result(confusion_matrix=[[-1, 0, 0, 0]] * 4),
        result(confusion_matrix=[[10**30, 0, 0, 0]] * 4),
        result(confusion_matrix="<script>"),
        result(classes=["only"], confusion_matrix=[[1]]),
        result(classes=[f"c{n}" for n in range(99)], confusion_matrix=[[1] * 99] * 99),
    ],
)
def test_result_that_makes_no_sense_is_none(content: bytes, cell: ReportCell) -> None:
    assert evidence.scores_on_test(shelf(result__json=content), cell) is None


def test_tables_are_read_with_gaps(cell: ReportCell) -> None:
    table = scans_csv()
    table.loc[0, ["metallization", "cycles"]] = np.nan
    read = evidence.scan_table(shelf(scans__csv=table.to_csv(index=False).encode()), [cell])
    assert read is not None
    assert read["cycles"].isna().sum() == 1
    assert read["cycles"].max() == 500
    assert read["metallization"].isna().sum() == 1
    assert evidence.last_read_out(read) == 500


@pytest.mark.parametrize("content", [b"", b"path,label\na,b\n", b"\x00\xff", b'"', b"path,label,package_id\n1,2,3,4\n"])
def test_table_that_makes_no_sense_is_none(content: bytes, cell: ReportCell) -> None:
    assert evidence.scan_table(shelf(scans__csv=content), [cell]) is None
    assert evidence.balance_table(shelf(balance__csv=content), cell) is None


@pytest.mark.parametrize("cycles", ["many", "0.5", "-1", "1e400", "9" * 30])
def test_read_out_that_is_no_number_makes_the_table_none(cycles: str, cell: ReportCell) -> None:
    content = f"fold,cycles,label,scans,copies\n0,{cycles},A,1,0\n".encode()
    assert evidence.balance_table(shelf(balance__csv=content), cell) is None


def test_last_read_out_of_the_training_images(cell: ReportCell) -> None:
    table = balance_csv(last=300)
    read = evidence.balance_table(shelf(balance__csv=table.to_csv(index=False).encode()), cell)
    assert evidence.last_read_out(read) == 300
    assert evidence.last_read_out(None) is None
    assert evidence.last_read_out(table.assign(scans=0)) is None


def test_examples_are_joined_with_their_scans(cell: ReportCell) -> None:
    files = {"examples/12.png": png(1), "examples/0.png": png(0)}
    hostile = {"examples/1.png": b"no png", "examples/x.png": png(2), "examples/999.png": png(3)}
    found = evidence.examples(cast("StoreReader", Shelf(files | hostile)), cell, scans_csv())
    assert [(one.metallization, one.cycles, one.label) for one in found] == [("Ag", 0, "D"), ("Ag", 500, "B")]
    assert found[0].pixels.shape == (16, 16)


def test_image_too_large_to_show_is_left_out(cell: ReportCell) -> None:
    files = {"examples/0.png": png(0, width=evidence.LARGEST_SIDE + 1)}
    assert evidence.examples(cast("StoreReader", Shelf(files)), cell, scans_csv()) == []
