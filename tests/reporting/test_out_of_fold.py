"""Predictions from a store that is not trusted."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import confusion_matrix, f1_score

from csam_lightning.evaluation.clusters import macro_f1
from csam_lightning.reporting import out_of_fold
from csam_lightning.reporting.cells import ReportCell, read_cell
from csam_lightning.reporting.out_of_fold import parsed, read_out_of_fold
from csam_lightning.tracking.reading import StoreReader
from tests.reporting.conftest import CLASSES, Made, Said, stored

GOOD = b"path,package_id,label,split,fold,p_A,p_B\na,1,A,train,0,0.6,0.4\nb,2,B,train,1,0.1,0.9\n"


class Shelf(StoreReader):
    """A store of one artifact."""

    def __init__(self, content: bytes | None) -> None:
        self.content = content

    def artifact(self, run_id: str, path: str) -> bytes | None:
        assert (run_id, path) == ("840-100-8-grouped-0", "predictions.csv")
        return self.content


def cell(made: Made) -> ReportCell:
    found = read_cell(*stored(made))
    assert isinstance(found, ReportCell)
    return found


def test_predictions_are_those_of_the_most_probable_class() -> None:
    said = Said((9, 7, 3, 10), skill=-1)
    found, table = parsed(said.csv), said.table[lambda rows: rows["split"] == "train"]
    predicted = np.array(CLASSES)[table[[f"p_{name}" for name in CLASSES]].to_numpy().argmax(axis=1)]
    counts = found.confusions(CLASSES).sum(axis=0)
    assert counts.tolist() == confusion_matrix(table["label"], predicted, labels=CLASSES).tolist()
    score = f1_score(table["label"], predicted, average="macro")
    assert float(macro_f1(counts)) == pytest.approx(score)


def test_order_of_rows_does_not_matter() -> None:
    table = Said().table
    shuffled = table.sample(frac=1, random_state=1)
    one, other = (parsed(rows.to_csv(index=False).encode()) for rows in (table, shuffled))
    assert one.key == other.key
    assert one.confusions(CLASSES).tolist() == other.confusions(CLASSES).tolist()


def test_other_scans_labels_or_packages_are_told_apart() -> None:
    changed = [(b"a,1,A", b"c,1,A"), (b"a,1,A", b"a,1,B"), (b"a,1,A", b"a,2,A")]
    keys = {parsed(GOOD.replace(*change)).key for change in (*changed, (b"", b""))}
    assert len(keys) == 4


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "No columns to parse"),
        (b"\xff\xfe\x00", "codec can't decode"),
        (GOOD.replace(b"package_id", b"package"), "column package_id is missing"),
        (GOOD.replace(b"p_A", b"q_A"), "2 to 40 columns of probabilities, got 1"),
        (GOOD.replace(b"0.9", b"nan"), "not a number from 0 to 1"),
        (GOOD.replace(b"0.9", b"1e999"), "not a number from 0 to 1"),
        (GOOD.replace(b"0.9", b"-0.9"), "not a number from 0 to 1"),
        (GOOD.replace(b"0.9", b"much"), "could not convert string to float"),
        (GOOD.replace(b"0.9", b"0.8"), "do not add up to 1"),
        (GOOD.replace(b"train", b"test"), "1 to 200000 scans of the training split, got 0"),
        (GOOD.replace(b"b,2", b"a,2"), "a scan is there twice"),
        (GOOD.replace(b"b,2", b"b,"), "a scan has no package"),
        (GOOD.replace(b"train,1", b"train,one"), "a fold is not a number"),
        (GOOD.replace(b"b,2,B", b"b,2,C"), "a label is not a class"),
        (GOOD + b'"', "EOF inside string"),
        (GOOD[:-6], "could not convert string to float|do not add up to 1"),
    ],
)
def test_damaged_predictions_are_refused_with_their_reason(content: bytes, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        parsed(content)
    told = read_out_of_fold(Shelf(content), cell(Made()))
    assert isinstance(told, str)
    assert told.startswith("predictions.csv is damaged: ")


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(content: bytes) -> None:
    for hostile in (content, GOOD + content, GOOD[: len(content)] + content):
        try:
            parsed(hostile)
        except ValueError:
            continue


def test_too_many_scans_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(out_of_fold, "MOST_SCANS", 1)
    with pytest.raises(ValueError, match="1 to 1 scans of the training split, got 2"):
        parsed(GOOD)


def test_predictions_of_another_run_are_refused() -> None:
    def told(score: float) -> object:
        run, folds = stored(Made())
        run.metrics["out_of_fold/f1"] = score  # type: ignore[index]
        found = read_cell(run, folds)
        assert isinstance(found, ReportCell)
        return read_out_of_fold(Shelf(GOOD), found)

    assert not isinstance(told(1.0), str)
    assert told(0.8) == "predictions.csv is not of this run: its macro F1 is 1.000, training logged 0.800"


def test_predictions_that_are_away_are_said_to_be() -> None:
    told = read_out_of_fold(Shelf(None), cell(Made()))
    assert told == "predictions.csv is not in the store, or cannot be read"
