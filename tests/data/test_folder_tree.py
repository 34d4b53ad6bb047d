"""A tree of class-named folders without a manifest."""

import os
import shlex
import sys
from typing import TYPE_CHECKING

import pandas as pd
import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

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


CLASSES = "if they are classes, set 'data.classes=["
HEADER = "write a manifest.csv with the first line 'path,label,package_id"
SPLIT = "(split: test for the scans of test, train for all others, as cross-validation makes its validation sets)"


def test_read_outs_are_no_classes(folder: "DataFolder") -> None:
    tree(folder, "0cyc/a.png", "100cyc/b.png", "500cyc/c.png")
    assert folder.findings(need_packages=False) == [
        (
            "error: data: '0cyc', '100cyc', '500cyc' look like read-outs, not classes; "
            f"{HEADER},cycles' (cycles: of the read-out); {CLASSES}0cyc,100cyc,500cyc]'"
        )
    ]
    assert folder.findings(need_packages=False, classes=["0cyc", "100cyc", "500cyc"]) == []


@pytest.mark.parametrize(
    ("names", "listed"),
    [
        (["0", "25", "100"], "0,25,100"),
        (["T01", "T02"], "T01,T02"),
        (["before", "after"], "after,before"),
        (["LOT 7", "LOT 10"], '"LOT 7","LOT 10"'),
        (["010", "020"], '"010","020"'),
        (["Jan", "März"], 'Jan,"März"'),
        (["1e03", "2023"], '"1e03",2023'),
        (["0", "true", "500"], '"true",0,500'),
    ],
)
def test_the_setting_that_is_proposed_takes_the_folders_for_classes(
    folder: "DataFolder", names: list[str], listed: str
) -> None:
    tree(folder, *(f"{name}/{number}.png" for number, name in enumerate(names)))
    (finding,) = folder.findings(need_packages=False)
    assert f"; {HEADER}" in finding
    assert finding.endswith(f"; {CLASSES}{listed}]'")
    (setting,) = shlex.split(finding.rpartition("set ")[2])
    read = OverridesParser.create().parse_override(setting).value()
    assert isinstance(read, list)
    classes = [str(name) for name in read]
    assert sorted(classes) == sorted(names)
    assert folder.findings(need_packages=False, classes=classes) == []


def test_names_that_cannot_be_pasted_are_left_to_the_reader(folder: "DataFolder") -> None:
    tree(folder, "LOT7/a.png", "it's $5/b.png")
    (finding,) = folder.findings(need_packages=False)
    assert finding.endswith("if they are classes, name them in data.classes")


def test_a_read_out_among_classes_is_a_warning(folder: "DataFolder") -> None:
    tree(folder, "A/a.png", "B/b.png", "500cyc/c.png")
    (finding,) = folder.findings(need_packages=False)
    assert finding.startswith("warning: data: '500cyc' looks like read-outs, not classes; write a manifest.csv")


@pytest.mark.parametrize("names", [("train/a.png", "test/b.png"), ("ok/a.png", "nok/b.png", "test/c.png")])
def test_a_split_is_never_a_class(folder: "DataFolder", names: tuple[str, ...]) -> None:
    tree(folder, *names)
    (finding,) = folder.findings(need_packages=False)
    assert finding.startswith("error: data: 'test'")
    assert f",split' {SPLIT}; {CLASSES}" in finding


def test_a_table_that_lies_there_is_named(folder: "DataFolder") -> None:
    tree(folder, "LOT7/a.png", "LOT8/b.png")
    (folder.root / "labels.xlsx").write_bytes(b"")
    (folder.root / "LOT7" / "notes.csv").write_bytes(b"")
    finding = folder.findings(need_packages=False)[1]
    assert finding.startswith("error: data: 'LOT7', 'LOT8' look like lots or parts, not classes; ")
    assert (
        "; 'labels.xlsx', 'LOT7/notes.csv' lie there: make of them a manifest.csv with the first line 'path," in finding
    )


def test_a_manifest_in_the_folder_above_is_named(folder: "DataFolder") -> None:
    tree(folder, "0h/a.png", "96h/b.png")
    (folder.root.parent / "manifest.csv").write_text("path,label\n")
    (finding,) = folder.findings(need_packages=False)
    assert f"; manifest.csv lies in the folder above: set data.root={folder.root.parent} to read it" in finding


@pytest.mark.parametrize(
    ("names", "looks", "columns"),
    [
        (("train/A/a.png", "val/A/b.png", "test/A/c.png"), "'test', 'train', 'val' look like train and test", SPLIT),
        (
            ("LOT7/0cyc/a.png", "LOT7/500cyc/b.png"),
            "'LOT7' looks like lots or parts",
            "cycles' (cycles: of the read-out",
        ),
        (("LOT7/A/a.png", "LOT8/A/b.png"), "'LOT7', 'LOT8' look like lots or parts", "(package_id: with the lot in it"),
    ],
)
def test_no_root_is_proposed_that_reads_a_part_or_no_classes(
    folder: "DataFolder", names: tuple[str, ...], looks: str, columns: str
) -> None:
    tree(folder, *names)
    (finding,) = folder.findings()
    assert f"no class-named folders with images ({looks}" in finding
    assert f"; {HEADER}" in finding
    assert columns in finding
    assert "data.root" not in finding


def test_a_folder_of_a_manifest_is_proposed(folder: "DataFolder") -> None:
    tree(folder, "LOT7/a.png")
    (folder.root / "LOT7" / "manifest.csv").write_text("path,label\n")
    assert f"; set data.root={folder.root / 'LOT7'} to read its manifest" in folder.findings()[1]


def test_one_split_of_several_is_read_with_a_warning(folder: "DataFolder") -> None:
    tree(folder, "train/A/a.png", "train/B/b.png", "test/A/c.png", "val/B/d.png", "docs/A/e.png")
    folder.root = folder.root / "train"
    assert folder.findings(need_packages=False) == [
        (
            "warning: train: 'test', 'val' lie beside it and are not read; to read them too, "
            f"{HEADER},split' {SPLIT}, in {folder.root.parent}"
        )
    ]


@pytest.mark.parametrize(
    ("name", "why"),
    [
        (None, "it is empty"),
        ("C/a.gif", "1 entries of other kinds, 'a.gif' among them"),
        ("C/deeper/a.png", "images lie deeper in it"),
    ],
)
def test_a_folder_without_an_image_is_missed(folder: "DataFolder", name: str | None, why: str) -> None:
    tree(folder, "A/a.png", "B/b.png")
    (folder.root / "C").mkdir()
    if name == "C/a.gif":
        (folder.root / name).write_bytes(b"GIF89a")
    elif name:
        tree(folder, name)
    what = f"C: this folder holds no image, so it makes no class: {why}; put images "
    (finding,) = folder.findings(need_packages=False)
    assert finding.startswith(f"error: {what}")
    assert finding.endswith(", or name the classes in data.classes without it")
    (finding,) = folder.findings(need_packages=False, classes=["A", "B"])
    assert finding.startswith(f"warning: {what}")


def test_folders_that_systems_make_are_no_classes(folder: "DataFolder") -> None:
    tree(folder, "A/a.png", "B/b.png", "Thumbs/a.png")
    assert folder.findings(need_packages=False) == ["warning: Thumbs: is no class and is not read; delete the folder"]
    assert folder.findings(need_packages=False, classes=["A", "B", "Thumbs"]) == []


def test_a_class_that_is_a_link_to_nothing(folder: "DataFolder") -> None:
    tree(folder, "A/a.png", "B/b.png")
    (folder.root / "C").symlink_to(folder.root.parent / "gone")
    assert folder.findings(need_packages=False) == ["error: C: the link leads nowhere; mend the link or delete it"]
