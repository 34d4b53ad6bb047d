"""The fingerprint of a data set."""

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from csam_lightning.data.manifest import load_manifest
from csam_lightning.data.scans import cached_scans, fingerprint

if TYPE_CHECKING:
    from csam_lightning.data.manifest import Manifest
    from tests.data.conftest import DataFolder

ROWS = ("a.png,A,P1,0", "b.png,B,P2,100", "c.png,A,P3,100")
HEADER = "path,label,package_id,cycles"


def manifest_of(folder: "DataFolder") -> "Manifest":
    return load_manifest(folder.root, classes=None, package_pattern=None, need_packages=True)


def listed(folder: "DataFolder") -> "Manifest":
    folder.listed(*ROWS, header=HEADER)
    return manifest_of(folder)


def test_place_and_way_of_writing_do_not_change_the_fingerprint(folder: "DataFolder", tmp_path: Path) -> None:
    expected = fingerprint(listed(folder))
    assert len(expected) == 64
    assert int(expected, 16) >= 0
    moved = shutil.copytree(folder.root, tmp_path / "elsewhere" / "moved")
    text = (moved / "manifest.csv").read_text()
    (moved / "manifest.csv").write_bytes(b"\xef\xbb\xbf" + text.replace(",", ";").replace("\n", "\r\n").encode())
    (moved / "a.png").rename(moved / "renamed.png")
    (moved / "manifest.csv").write_bytes((moved / "manifest.csv").read_bytes().replace(b"a.png", b"renamed.png"))
    again = load_manifest(moved, classes=None, package_pattern=None, need_packages=True)
    assert fingerprint(again) == expected
    assert cached_scans(again, 16, tmp_path / "cache").fingerprint == expected


@pytest.mark.parametrize(
    "rows",
    [
        pytest.param(("a.png,A,P1,0", "b.png,B,P2,100", "c.png,B,P3,100"), id="label"),
        pytest.param(("a.png,A,P1,0", "b.png,B,P2,100", "c.png,A,P1,100"), id="package"),
        pytest.param(("a.png,A,P1,0", "b.png,B,P2,100", "c.png,A,P3,200"), id="cycles"),
        pytest.param(("b.png,B,P2,100", "a.png,A,P1,0", "c.png,A,P3,100"), id="order"),
        pytest.param(("a.png,A,P1,0", "b.png,B,P2,100"), id="fewer scans"),
    ],
)
def test_what_the_manifest_says_changes_the_fingerprint(folder: "DataFolder", rows: tuple[str, ...]) -> None:
    before = fingerprint(listed(folder))
    folder.listed(*rows, header=HEADER)
    assert fingerprint(manifest_of(folder)) != before


def test_split_metallization_and_classes_change_the_fingerprint(folder: "DataFolder") -> None:
    prints = set()
    header = "path,label,package_id,metallization,split"
    for metal, split in (("Ag", "train"), ("Cu", "train"), ("Ag", "test")):
        folder.listed(f"a.png,A,P1,{metal},{split}", "b.png,B,P2,Ag,", "c.png,A,P3,Ag,", header=header)
        prints.add(fingerprint(manifest_of(folder)))
    turned = load_manifest(folder.root, classes=["B", "A"], package_pattern=None, need_packages=True)
    prints.add(fingerprint(turned))
    assert len(prints) == 4
