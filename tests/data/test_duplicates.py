"""The same picture under two names."""

import logging
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from csam_lightning.data.manifest import load_manifest
from csam_lightning.data.scans import Scans, cached_scans
from csam_lightning.errors import InputError

if TYPE_CHECKING:
    from csam_lightning.data.manifest import Manifest
    from tests.data.conftest import DataFolder

ROWS = ("a.png,A,P1,0", "b.png,B,P2,100", "c.png,A,P3,100")
HEADER = "path,label,package_id,cycles"


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def manifest_of(folder: "DataFolder") -> "Manifest":
    return load_manifest(folder.root, classes=None, package_pattern=None, need_packages=True)


def scans_of(folder: "DataFolder", cache: Path, *rows: str, header: str = HEADER) -> Scans:
    folder.listed(*ROWS, header=HEADER)
    folder.image("d.bmp", like="a.png")
    folder.listed(*rows, header=header, images=False)
    return cached_scans(manifest_of(folder), 16, cache)


@pytest.mark.parametrize(
    ("row", "differing"),
    [
        ("d.bmp,B,P1,0", "label B instead of A"),
        ("d.bmp,A,P4,0", "package_id P4 instead of P1"),
        ("d.bmp,B,P4,0", "label B instead of A, package_id P4 instead of P1"),
    ],
)
def test_the_same_picture_with_another_meaning_is_an_error(
    folder: "DataFolder", cache: Path, row: str, differing: str
) -> None:
    for _ in range(2):  # the second time the array comes from the cache
        with pytest.raises(InputError) as caught:
            scans_of(folder, cache, *ROWS, row)
        assert str(caught.value) == (
            "manifest.csv row 5: 'd.bmp' shows the same picture as 'a.png' (manifest.csv row 2) "
            f"with {differing}; delete one of the two"
        )


def test_the_same_picture_in_training_and_test_split_is_an_error(folder: "DataFolder", cache: Path) -> None:
    rows = ("a.png,A,", "b.png,B,", "d.bmp,A,test")
    folder.listed("a.png,A,", "b.png,B,", header="path,label,split")
    folder.image("d.bmp", like="a.png")
    folder.listed(*rows, header="path,label,split", images=False)
    manifest = load_manifest(folder.root, classes=None, package_pattern=None, need_packages=False)
    with pytest.raises(InputError, match=r"with split test instead of train; delete one of the two$"):
        cached_scans(manifest, 16, cache)


def test_the_same_picture_of_the_same_package_is_a_warning(
    folder: "DataFolder", cache: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        scans = scans_of(folder, cache, *ROWS, "d.bmp,A,P1,100")
    assert len(scans.array) == 4
    assert [record.getMessage() for record in caplog.records] == [
        (
            "manifest.csv row 5: 'd.bmp' shows the same picture as 'a.png' (manifest.csv row 2); "
            "delete one of the two if that is no intention"
        )
    ]


def test_the_same_picture_of_unlabelled_scans_is_a_warning(folder: "DataFolder", cache: Path) -> None:
    folder.image("a.png")
    folder.image("b.png", like="a.png")
    folder.listed("a.png,P1", "b.png,P2", header="path,package_id", images=False)
    manifest = folder.good(need_labels=False)
    assert len(cached_scans(manifest, 16, cache).array) == 2
