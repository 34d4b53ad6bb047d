"""Reading and validating manifests: every way in which one can be wrong has its message."""

import logging
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import parquet as pq

from csam_lightning.data import table as module
from csam_lightning.data.manifest import load_manifest, read_manifest
from csam_lightning.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.data.conftest import DataFolder

HEADER = "path,label,package_id"
TWO = ("a.png,A,P1", "b.png,B,P2")
NORMAL = {
    "path": ["a.png", "sub/b.png"],
    "label": ["A", "B"],
    "package_id": ["P1", "P2"],
    "metallization": ["Ag", "Cu"],
    "cycles": [0, 100],
    "split": ["train", "test"],
}
FULL_HEADER = "path,label,package_id,metallization,cycles,split"
FULL = ("a.png,A,P1,Ag,0,train", "sub/b.png,B,P2,Cu,100,test")


def full(folder: "DataFolder") -> str:
    folder.listed(*FULL, header=FULL_HEADER)
    folder.listed("c.png,B,P3,,100,", *FULL, header=FULL_HEADER)
    return "\n".join([FULL_HEADER, *FULL, "c.png,B,P3,Cu,100,"]) + "\n"


def test_a_full_manifest_is_read_into_normal_columns(folder: "DataFolder") -> None:
    folder.manifest(full(folder))
    manifest = folder.good()
    table = manifest.table
    assert list(table.columns) == ["path", "label", "package_id", "metallization", "cycles", "split"]
    assert table.iloc[:2].to_dict("list") == NORMAL
    assert table.iloc[2].to_list() == ["c.png", "B", "P3", "Cu", 100, "train"]
    assert str(table["cycles"].dtype) == "Int64"
    assert manifest.classes == ("A", "B")
    assert manifest.source == "manifest.csv"
    assert manifest.rows.tolist() == [2, 3, 4]
    assert manifest.where(2) == "manifest.csv row 4"


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda text: text.replace(",", ";"), id="semicolons"),
        pytest.param(lambda text: text.replace(",", "\t"), id="tabs"),
        pytest.param(lambda text: "\ufeff" + text, id="byte-order mark"),
        pytest.param(lambda text: text.replace("/", "\\"), id="Windows separators"),
        pytest.param(lambda text: text.replace("\n", "\r\n"), id="Windows line ends"),
        pytest.param(lambda text: text.replace("\n", "\r"), id="old Macintosh line ends"),
        pytest.param(lambda text: text.replace("\n", "\n\n"), id="blank lines"),
        pytest.param(lambda text: text.replace("\n", ",,\n"), id="trailing delimiters"),
        pytest.param(lambda text: text.replace(",", " , "), id="spaces"),
        pytest.param(lambda text: text.replace("A,P1", '"A","P1"'), id="quotation marks"),
        pytest.param(lambda text: text.replace("sub/b", "./sub//x/../b"), id="superfluous path parts"),
        pytest.param(lambda text: text.replace(",100,", ",100.0,"), id="cycles written as floats"),
    ],
)
def test_ways_of_writing_give_the_same_table(folder: "DataFolder", change: "Callable[[str], str]") -> None:
    text = full(folder)
    folder.manifest(text)
    expected = folder.good().table
    folder.manifest(change(text))
    manifest, problems = folder.read()
    assert manifest is not None
    assert [problem for problem in problems if problem.severity == "error"] == []
    pd.testing.assert_frame_equal(manifest.table, expected)


def test_parquet_gives_the_same_table_as_csv(folder: "DataFolder") -> None:
    folder.manifest(full(folder))
    expected = folder.good().table
    (folder.root / "manifest.csv").unlink()
    expected.to_parquet(folder.root / "manifest.parquet")
    manifest = folder.good()
    pd.testing.assert_frame_equal(manifest.table, expected)
    assert manifest.where(0) == "manifest.parquet row 2"


def test_parquet_is_read_some_rows_at_a_time(folder: "DataFolder", monkeypatch: pytest.MonkeyPatch) -> None:
    folder.manifest(full(folder))
    expected = folder.good().table
    (folder.root / "manifest.csv").unlink()
    expected.to_parquet(folder.root / "manifest.parquet")
    monkeypatch.setattr(module, "ROWS_TOGETHER", 1)
    assert len(expected) > 1
    pd.testing.assert_frame_equal(folder.good().table, expected)


def test_parquet_text_that_is_not_utf8(folder: "DataFolder") -> None:
    data = b"a.png\xff.png"
    offsets = pa.py_buffer(np.array([0, 5, len(data)], dtype=np.int32))
    paths = pa.Array.from_buffers(pa.string(), 2, [None, offsets, pa.py_buffer(data)])
    pq.write_table(pa.table({"path": paths, "label": ["A", "B"]}), folder.root / "manifest.parquet")
    assert folder.findings() == [
        "error: manifest.parquet: column 'path' holds bytes that are not UTF-8, not text; store it as text"
    ]


def test_parquet_numbers_are_read_as_text_where_text_is_meant(folder: "DataFolder") -> None:
    for name in ("a.png", "b.png"):
        folder.image(name)
    frame = pd.DataFrame({"path": ["a.png", "b.png"], "label": [0, 1], "package_id": [7, 8], "cycles": [0.0, None]})
    frame.to_parquet(folder.root / "manifest.parquet")
    manifest, _ = folder.read()
    assert manifest is not None
    assert manifest.classes == ("0", "1")
    assert manifest.table["package_id"].to_list() == ["7", "8"]
    assert manifest.table["cycles"].to_list() == [0, pd.NA]


def test_words_that_other_readers_take_for_gaps_are_labels_like_any_other(folder: "DataFolder") -> None:
    folder.listed("a.png,None,P1", "b.png,nan,P2")
    assert folder.good().table["label"].to_list() == ["None", "nan"]


def test_upper_case_extensions_and_manifest_names_are_read(folder: "DataFolder") -> None:
    folder.listed("A.PNG,A,P1", "B.TIF,B,P2")
    (folder.root / "manifest.csv").rename(folder.root / "Manifest.CSV")
    assert folder.good().table["path"].to_list() == ["A.PNG", "B.TIF"]


def test_class_order_follows_the_setting(folder: "DataFolder") -> None:
    folder.listed(*TWO)
    assert folder.good(classes=["B", "A"]).classes == ("B", "A")


def test_without_labels_where_none_are_needed(folder: "DataFolder") -> None:
    folder.listed("a.png", "b.png", header="path")
    manifest = folder.good(need_labels=False, need_packages=False)
    assert manifest.table["label"].isna().all()
    assert manifest.classes == ()


@pytest.mark.parametrize(
    ("content", "finding"),
    [
        (b"", "is empty (0 bytes); write a header with at least 'path' and 'label', and one row per scan"),
        (b"\n \n", "holds only blank lines; write a header and one row per scan"),
        (b"path,label,package_id\n", "lists no scan; write one row per scan"),
        (
            "path,label\n".encode("utf-16"),
            "is UTF-16 text, not UTF-8; save it as UTF-8 (in a spreadsheet: 'CSV UTF-8')",
        ),
    ],
)
def test_manifests_that_hold_nothing(folder: "DataFolder", content: bytes, finding: str) -> None:
    folder.manifest(content)
    manifest, problems = folder.read()
    assert manifest is None
    assert list(map(str, problems)) == [f"error: manifest.csv: {finding}"]


def test_text_that_is_not_utf8_is_located(folder: "DataFolder") -> None:
    folder.manifest("path,label,package_id\na.png,A,P1\nb.png,Löt,P2\n".encode("latin-1"))
    assert folder.findings() == [
        "error: manifest.csv row 3: byte 0xf6 is not UTF-8 text; save it as UTF-8 (in a spreadsheet: 'CSV UTF-8')"
    ]


def test_folder_that_is_not_there(tmp_path: Path) -> None:
    _, problems = read_manifest(tmp_path / "none", classes=None, package_pattern=None, need_packages=True)
    assert list(map(str, problems)) == [
        f"error: {tmp_path / 'none'}: no such folder; set data.root to the folder that holds the manifest"
    ]


def test_file_instead_of_a_folder(folder: "DataFolder") -> None:
    folder.listed(*TWO)
    path = folder.root / "manifest.csv"
    _, problems = read_manifest(path, classes=None, package_pattern=None, need_packages=True)
    assert list(map(str, problems)) == [
        f"error: {path}: is a file, not a folder; set data.root to the folder that holds the manifest"
    ]


def test_empty_folder(folder: "DataFolder") -> None:
    assert folder.findings() == [
        (
            f"error: {folder.root}: holds no manifest.csv, no manifest.parquet and no class-named folders with images; "
            "write a manifest.csv with the first line 'path,label,package_id'"
        )
    ]


def test_csv_is_read_where_both_are_there(folder: "DataFolder") -> None:
    folder.listed(*TWO)
    folder.manifest(b"anything", "manifest.parquet")
    manifest, problems = folder.read()
    assert manifest is not None
    assert list(map(str, problems)) == [
        "warning: manifest.parquet: is not read, since manifest.csv is there; keep one of them"
    ]


def test_damaged_parquet(folder: "DataFolder") -> None:
    folder.manifest(b"PAR1 but not really", "manifest.parquet")
    (finding,) = folder.findings()
    assert finding.startswith("error: manifest.parquet: cannot be read as Parquet (")


def test_parquet_column_that_is_no_text(folder: "DataFolder") -> None:
    pd.DataFrame({"path": [["a.png"]], "label": ["A"]}).to_parquet(folder.root / "manifest.parquet")
    (finding,) = folder.findings()
    assert finding.startswith("error: manifest.parquet: column 'path' holds list<")
    assert finding.endswith(", not text; store it as text")


def test_load_raises_the_first_error_and_counts_the_others(folder: "DataFolder") -> None:
    folder.listed("a.png,A,P1", "b.png,,P2", "c.png,,P3")
    (folder.root / "a.png").unlink()
    with pytest.raises(InputError) as caught:
        load_manifest(folder.root, classes=["A"], package_pattern=None, need_packages=True)
    more = f"(and 3 more: python -m csam_lightning.check data=folder data.root={folder.root} lists all)"
    assert str(caught.value) == (
        "data.classes: 1 class found; a classifier needs at least two: label the scans with two or more class names "
        + more
    )


def test_load_logs_warnings(folder: "DataFolder", caplog: pytest.LogCaptureFixture) -> None:
    folder.listed("a.png,A,P1,me", "b.png,B,P2,me", header="path,label,package_id,operator")
    with caplog.at_level(logging.WARNING):
        manifest = load_manifest(folder.root, classes=None, package_pattern=None, need_packages=True)
    assert len(manifest.table) == 2
    assert [record.getMessage() for record in caplog.records] == [
        (
            "manifest.csv row 1: column 'operator' is not read; "
            "the columns read are path, label, package_id, metallization, cycles, split"
        )
    ]


def test_numbers_of_parquet_are_no_thousands(folder: "DataFolder") -> None:
    table = pd.DataFrame({"path": ["a.png", "b.png"], "label": ["A", "B"], "package_id": ["P1", "P2"]})
    for name in table["path"]:
        folder.image(name)
    for cycles in (pd.Series([1.0, 1000.0]), pd.Series([Decimal("1.000"), Decimal("1000.000")])):
        table.assign(cycles=cycles).to_parquet(folder.root / "manifest.parquet")
        assert folder.good().table["cycles"].to_list() == [1, 1000]
