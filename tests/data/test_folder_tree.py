"""A tree of class-named folders without a manifest."""

import os
import sys
from typing import TYPE_CHECKING

import pandas as pd
import pytest

if TYPE_CHECKING:
    from tests.data.conftest import DataFolder

NO_PACKAGE = (
    "error: data: no package is known; name each scan's physical part, or set data.package_pattern or "
    "data.protocol=published"
)


def tree(folder: "DataFolder", *names: str) -> None:
    for name in names:
        folder.image(name)


def test_folder_names_are_labels_and_the_pattern_gives_packages(folder: "DataFolder") -> None:
    tree(folder, "void/p1_0.png", "void/p2_0.PNG", "none/p1_100.jpeg", "none/p3.tif")
    manifest = folder.good(package_pattern="^(p[0-9]+)")
    assert manifest.table[["path", "label", "package_id"]].to_numpy().tolist() == [
        ["none/p1_100.jpeg", "none", "p1"],
        ["none/p3.tif", "none", "p3"],
        ["void/p1_0.png", "void", "p1"],
        ["void/p2_0.PNG", "void", "p2"],
    ]
    assert manifest.classes == ("none", "void")
    assert manifest.table["split"].to_list() == ["train"] * 4
    assert manifest.table["cycles"].isna().all()
    assert manifest.where(0) == "none/p1_100.jpeg"


def test_the_whole_match_is_the_package_where_the_pattern_has_no_group(folder: "DataFolder") -> None:
    tree(folder, "A/p1-x.png", "B/p2-x.png")
    assert folder.good(package_pattern="p[0-9]").table["package_id"].to_list() == ["p1", "p2"]


def test_the_pattern_sees_the_file_name_only(folder: "DataFolder") -> None:
    tree(folder, "A1/p2.png", "B3/p4.png")
    assert folder.good(package_pattern="[0-9]").table["package_id"].to_list() == ["2", "4"]


def test_the_pattern_serves_manifests_without_packages_too(folder: "DataFolder") -> None:
    folder.listed("x\\p1.png,A", "x\\p2.png,B", header="path,label", images=False)
    tree(folder, "x/p1.png", "x/p2.png")
    assert folder.good(package_pattern="p.").table["package_id"].to_list() == ["p1", "p2"]


def test_a_pattern_beside_a_package_column_is_a_warning(folder: "DataFolder") -> None:
    folder.listed("a.png,A,P1", "b.png,B,P2")
    assert folder.findings(package_pattern="(.)") == [
        (
            "warning: data.package_pattern: is not used, since manifest.csv has a column 'package_id'; "
            "delete the column or the setting"
        )
    ]


def test_without_a_pattern_the_grouped_protocol_has_no_packages(folder: "DataFolder") -> None:
    tree(folder, "A/a.png", "B/b.png")
    assert folder.findings() == [NO_PACKAGE]
    assert folder.good(need_packages=False).table["package_id"].isna().all()


@pytest.mark.parametrize("pattern", ["p([0-9]+)", "(q)?[ab]", "x*"])
def test_files_that_the_pattern_does_not_match(folder: "DataFolder", pattern: str) -> None:
    tree(folder, "A/a.png", "B/b.png")
    assert folder.findings(package_pattern=pattern) == [
        f"error: {name}: '{pattern}' finds no package in the file name of '{name}'; "
        "correct data.package_pattern or the file name"
        for name in ("A/a.png", "B/b.png")
    ]


def test_pattern_that_is_no_regular_expression(folder: "DataFolder") -> None:
    tree(folder, "A/a.png", "B/b.png")
    assert folder.findings(package_pattern="(p[0-9]+") == [
        (
            "error: data.package_pattern: '(p[0-9]+' is no regular expression "
            "(missing ), unterminated subpattern at position 0); write one, for example "
            "'data.package_pattern=\"^[^_]+\"'"
        )
    ]


def test_what_else_lies_there_is_a_warning(folder: "DataFolder") -> None:
    tree(folder, "A/a.png", "B/b.png", "B/deeper/c.png", "loose.png", ".hidden/d.png", "A/.e.png")
    (folder.root / "A" / "notes.txt").write_text("not an image")
    mend = "images end in .png, .tif, .tiff, .bmp, .jpg, .jpeg and lie directly in a class folder"
    assert folder.findings(need_packages=False) == [
        f"warning: A: 1 entries that are no images by name are not read, 'notes.txt' among them; {mend}",
        f"warning: B: 1 entries that are no images by name are not read, 'deeper' among them; {mend}",
        (
            "warning: data: 1 images lie beside the class folders and are not read, 'loose.png' among them; "
            "move them into a class folder"
        ),
    ]


def test_a_folder_too_high_is_recognised(folder: "DataFolder") -> None:
    tree(folder, "images/A/a.png", "images/B/b.png")
    (finding,) = folder.findings()
    assert finding.endswith(f"; set data.root={folder.root / 'images'}")


def test_a_single_folder_is_one_class_too_few(folder: "DataFolder") -> None:
    tree(folder, "A/a.png")
    assert folder.findings(need_packages=False) == [
        "error: data: 1 class found; a classifier needs at least two: label the scans with two or more class names"
    ]


def test_folder_that_is_no_class(folder: "DataFolder") -> None:
    tree(folder, "A/a.png", "B/b.png", "Bb/c.png")
    assert folder.findings(need_packages=False, classes=["A", "B"]) == [
        "error: Bb/c.png: unknown label 'Bb'; did you mean 'B'? write one of A, B"
    ]


def test_links_that_leave_the_tree(folder: "DataFolder") -> None:
    tree(folder, "A/a.png", "B/b.png", "../outside/c.png")
    (folder.root / "A" / "c.png").symlink_to(folder.root.parent / "outside" / "c.png")
    assert folder.findings(need_packages=False) == [
        "error: A/c.png: 'A/c.png' leads out of the folder through a link; keep images in the manifest's folder"
    ]


def test_backslash_in_a_file_name_is_no_separator_here(folder: "DataFolder") -> None:
    tree(folder, "A/a\\b.png", "B/b.png")
    assert folder.good(need_packages=False).table["path"].to_list() == ["A/a\\b.png", "B/b.png"]


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such file names")
def test_file_name_that_is_no_text(folder: "DataFolder") -> None:
    tree(folder, "A/a.png", "B/b.png")
    (folder.root / os.fsdecode(b"A/\xff.png")).write_bytes(b"")
    manifest, problems = folder.read(need_packages=False)
    assert list(map(str, problems)) == ["error: 'A/\\udcff.png': the file's name is not UTF-8 text; rename the file"]
    assert isinstance(manifest and manifest.table, pd.DataFrame)
