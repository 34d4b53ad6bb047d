"""Columns, rows and paths of a manifest that are wrong."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import pytest

from csam_lightning.data.manifest import read_manifest

if TYPE_CHECKING:
    from tests.data.conftest import DataFolder

HEADER = "path,label,package_id"
TWO = ("a.png,A,P1", "b.png,B,P2")


@pytest.mark.parametrize(
    ("header", "finding"),
    [
        (
            "file,label,package_id",
            "column 'path' is missing; the first row must name the columns, it reads 'file', 'label', 'package_id'",
        ),
        ("path,class,package_id", "column 'label' is missing; add it with the class name of each scan"),
        ("path,Label,package_id", "column 'label' is missing; rename 'Label' to 'label'"),
        ("path,label,package", "column 'package_id' is missing; rename 'package' to 'package_id'"),
        (
            "path,label,part",
            (
                "column 'package_id' is missing; name each scan's physical part, or set data.package_pattern or "
                "data.protocol=published"
            ),
        ),
    ],
)
def test_missing_columns(folder: "DataFolder", header: str, finding: str) -> None:
    folder.listed(*TWO, header=header)
    assert f"error: manifest.csv row 1: {finding}" in folder.findings()


def test_packages_are_not_missed_where_none_are_needed(folder: "DataFolder") -> None:
    folder.listed("a.png,A", "b.png,B", header="path,label")
    assert folder.good(need_packages=False).table["package_id"].isna().all()


def test_duplicate_column(folder: "DataFolder") -> None:
    folder.listed("a.png,A,P1,A", "b.png,B,P2,A", header="path,label,package_id,label")
    assert folder.findings() == ["error: manifest.csv row 1: column 'label' stands twice; delete one of them"]


def test_unknown_column_is_a_warning(folder: "DataFolder") -> None:
    folder.listed("a.png,A,P1,me", "b.png,B,P2,you", header="path,label,package_id,operator")
    assert folder.findings() == [
        (
            "warning: manifest.csv row 1: column 'operator' is not read; "
            "the columns read are path, label, package_id, metallization, cycles, split"
        )
    ]


def test_misspelt_optional_column_is_an_error(folder: "DataFolder") -> None:
    folder.listed("a.png,A,P1,test", "b.png,B,P2,train", header="path,label,package_id,Split")
    assert folder.findings() == [
        (
            "error: manifest.csv row 1: column 'Split' is not read, it looks like 'split'; "
            "rename it to 'split', or to something less like it"
        )
    ]


def test_ragged_rows(folder: "DataFolder") -> None:
    folder.listed(*TWO, "c.png,A", "d.png,A,P1,x")
    mend = "write one cell per column, with quotation marks around text that holds the delimiter"
    assert folder.findings() == [
        f"error: manifest.csv row 4: has 2 cells where the header has 3; {mend}",
        f"error: manifest.csv row 5: has 4 cells where the header has 3; {mend}",
    ]


def test_quotation_mark_left_open(folder: "DataFolder") -> None:
    folder.listed(*TWO)
    folder.manifest('path,label,package_id\na.png,"A,P1\nb.png,B,P2\n')
    finding = folder.findings()[0]
    mend = "close the quotation marks, or write the cell without them"
    assert finding == f"error: manifest.csv row 2: a cell holds a line break; {mend}"


def test_rows_are_counted_as_in_a_spreadsheet(folder: "DataFolder") -> None:
    folder.listed(*TWO)
    folder.manifest("path,label,package_id\na.png,A,P1\n\n,,\nb.png,,P2\n")
    assert "error: manifest.csv row 5: label is empty; fill in the cell or delete the row" in folder.findings()


@pytest.mark.parametrize(
    ("path", "finding"),
    [
        ("c.png", "no file 'c.png'; correct the path or delete the row"),
        ("a.png/c.png", "'a.png/c.png' cannot be read: Not a directory; make the file readable"),
        ("/etc/c.png", "path '/etc/c.png' is absolute; write it relative to the manifest"),
        ("C:\\c.png", "path 'C:/c.png' is absolute; write it relative to the manifest"),
        ("\\\\server\\c.png", "path '//server/c.png' is absolute; write it relative to the manifest"),
        ("../c.png", "path '../c.png' leaves the folder; keep images in the manifest's folder"),
        ("x/..\\../c.png", "path '../c.png' leaves the folder; keep images in the manifest's folder"),
        ("..", "path '..' leaves the folder; keep images in the manifest's folder"),
        ("c\x00.png", "path 'c\\x00.png' holds a control character; rename the file"),
        ("sub", "'sub' is no file; name an image file"),
        ("pipe", "'pipe' is no file; name an image file"),
        ("zero.png", "'zero.png' is empty (0 bytes); copy the image again or delete the row"),
        ("out.png", "'out.png' leads out of the folder through a link; keep images in the manifest's folder"),
        ("far/c.png", "'far/c.png' leads out of the folder through a link; keep images in the manifest's folder"),
        ("n" * 300, f"'{'n' * 300}' cannot be read: File name too long; make the file readable"),
        ("", "path is empty; fill in the cell or delete the row"),
    ],
)
def test_paths_that_name_no_image_in_the_folder(folder: "DataFolder", path: str, finding: str) -> None:
    folder.listed(*TWO)
    (folder.root / "sub").mkdir()
    (folder.root / "zero.png").touch()
    os.mkfifo(folder.root / "pipe")
    outside = folder.root.parent / "outside"
    outside.mkdir()
    (outside / "c.png").write_bytes((folder.root / "a.png").read_bytes())
    (folder.root / "out.png").symlink_to(outside / "c.png")
    (folder.root / "far").symlink_to(outside)
    folder.listed(*TWO, f"{path},A,P1", images=False)
    manifest, problems = folder.read()
    assert list(map(str, problems)) == [f"error: manifest.csv row 4: {finding}"]
    assert manifest is not None
    assert manifest.table["path"].to_list() == ["a.png", "b.png", pd.NA]


def test_links_inside_the_folder_are_followed(folder: "DataFolder") -> None:
    folder.image("store/a.png")
    (folder.root / "a.png").symlink_to("store/a.png")
    folder.image("b.png")
    folder.listed(*TWO, images=False)
    assert folder.good().table["path"].to_list() == ["a.png", "b.png"]


def test_a_linked_data_folder_is_read(folder: "DataFolder", tmp_path: Path) -> None:
    folder.listed(*TWO)
    (tmp_path / "link").symlink_to(folder.root)
    _, problems = read_manifest(tmp_path / "link", classes=None, package_pattern=None, need_packages=True)
    assert problems == []


def test_unreadable_file(folder: "DataFolder", monkeypatch: pytest.MonkeyPatch) -> None:
    folder.listed(*TWO)
    monkeypatch.setattr(os, "access", lambda path, _: not str(path).endswith("b.png"))  # the test may run as root
    assert folder.findings() == [
        "error: manifest.csv row 3: 'b.png' cannot be read: Permission denied; make the file readable"
    ]


def test_files_with_large_numbers(folder: "DataFolder", monkeypatch: pytest.MonkeyPatch) -> None:
    """Some file systems number files by 128 bits, and some systems give devices negative numbers."""
    folder.listed(*TWO, "c.png,A,P1")
    (folder.root / "d.png").hardlink_to(folder.root / "c.png")
    folder.listed(*TWO, "c.png,A,P1", "d.png,A,P1", images=False)
    usual = os.stat

    def numbered(path: str | Path, **options: bool) -> os.stat_result:
        found = list(usual(path, **options))
        found[1:3] = found[1] + (1 << 100), -5
        return os.stat_result(found)

    monkeypatch.setattr(os, "stat", numbered)
    what = "'d.png' is the same file as 'c.png' (manifest.csv row 4) through a link; list each file once"
    assert folder.findings() == [f"error: manifest.csv row 5: {what}"]


def test_the_same_file_twice(folder: "DataFolder") -> None:
    folder.listed(*TWO)
    folder.listed(*TWO, ".\\a.png,A,P1", images=False)
    assert folder.findings() == [
        "error: manifest.csv row 4: file 'a.png' is listed again, first in row 2; delete a row"
    ]


def test_the_same_file_twice_through_a_link(folder: "DataFolder") -> None:
    folder.listed(*TWO)
    (folder.root / "c.png").symlink_to("a.png")
    folder.listed(*TWO, "c.png,A,P1", images=False)
    assert folder.findings() == [
        (
            "error: manifest.csv row 4: 'c.png' is the same file as 'a.png' (manifest.csv row 2) through a link; "
            "list each file once"
        )
    ]
