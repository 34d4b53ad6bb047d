"""The log is only ever added to, and the manifest beside it is one that training reads."""

import csv
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from csam_lightning.data.manifest import load_manifest
from csam_lightning.errors import InputError
from csam_lightning.inspection_page.corrections import LOG, Correction, Said, check_folder, correct, read_log
from csam_lightning.predicting.scans import Scan

PIXELS = np.random.default_rng(0).integers(0, 256, (3, 16, 20), dtype=np.uint8)


def scan_file(folder: Path, name: str, pixels: int) -> Scan:
    """A scan as the page has it: its file has no name of its own."""
    file = folder / f"{name}-stored"
    Image.fromarray(PIXELS[pixels]).save(file, "TIFF" if name.endswith("TIF") else "PNG")
    return Scan(name, file)


def rows(file: Path) -> list[dict[str, str]]:
    with file.open(encoding="utf-8", newline="") as text:
        return list(csv.DictReader(text))


def say(folder: Path, scan: Scan, label: str, package: str, who: str = "Ann") -> Correction:
    return correct(folder, scan, Said(label, package, who), predicted="D", model="c0")


def test_the_last_word_on_each_picture_is_trained_on_and_every_word_is_kept(tmp_path: Path) -> None:
    folder = tmp_path / "corrections"
    say(folder, scan_file(tmp_path, "one.png", 0), "A", "p1")
    log = (folder / LOG).read_bytes()
    say(folder, Scan("tray/01_02.png", PIXELS[1]), "B", "tray/01_02")
    with (folder / LOG).open("ab") as file:
        file.write('2026-01-01T00:00:00+00:00,"cut, ö'.encode()[:-1])  # an interruption
    say(folder, scan_file(tmp_path, "same picture.TIF", 0), " C ", "p1", "Bo, the second")

    assert (folder / LOG).read_bytes().startswith(log)
    whole = rows(folder / LOG)
    said = [(row["who"], row["scan"], row["package_id"], row["old_label"], row["label"]) for row in whole]
    assert said == [
        ("Ann", "one.png", "p1", "D", "A"),
        ("Ann", "tray/01_02.png", "tray/01_02", "D", "B"),
        ("Bo, the second", "same picture.TIF", "p1", "A", "C"),
    ]
    for row in whole:
        age = datetime.now(UTC) - datetime.fromisoformat(row["when"])
        assert 0 <= age.total_seconds() < 60
    manifest = load_manifest(folder, classes=None, package_pattern=None, need_packages=True)
    assert manifest.table[["label", "package_id"]].to_numpy().tolist() == [["C", "p1"], ["B", "tray/01_02"]]
    for path, pixels in zip(manifest.table["path"], PIXELS[:2], strict=True):
        assert np.array_equal(np.asarray(Image.open(folder / path)), pixels)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (Said("A", " ", "Ann"), "package: is empty; fill it in"),
        (Said("A", "p1", ""), "name: is empty; fill it in"),
        (Said("A", "=1+1", "Ann"), "package: begins with '=', which spreadsheets take for a formula; write it without"),
        (Said("A", "nan", "Ann"), "package_id 'nan' names no package; name the physical part"),
        (Said("A", "P 1", "Ann"), "packages 'p1' (manifest.csv row 2), 'P 1' (manifest.csv row 3) differ only in"),
    ],
)
def test_what_no_manifest_can_hold_is_refused_and_nothing_is_written(tmp_path: Path, said: Said, told: str) -> None:
    folder = tmp_path / "corrections"
    say(folder, scan_file(tmp_path, "one.png", 0), "A", "p1")
    before = {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()}
    with pytest.raises(InputError) as caught:
        correct(folder, scan_file(tmp_path, "two.png", 1), said, predicted="D", model="c0")
    assert told in str(caught.value)
    assert {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()} == before


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        (lambda text: text.replace(b",", b";"), "row 1 is not when,who,path,scan,package_id,old_label,label,model"),
        (lambda text: text.replace(b"Ann,", b"Ann;"), "row 2 has 7 cells in place of 8"),
        (lambda text: text.replace(b"Ann", "Änn".encode("latin-1")), "is no UTF-8 text"),
        (lambda text: bytes(len(text)), "is no table of corrections"),
        (
            lambda text: text + b"x" * 200_000 + b"\n",
            "is no table of corrections (field larger than field limit (131072))",
        ),
    ],
)
def test_log_that_another_program_changed_is_refused_and_nothing_is_lost(
    tmp_path: Path, changed: Callable[[bytes], bytes], told: str
) -> None:
    folder = tmp_path / "corrections"
    say(folder, scan_file(tmp_path, "one.png", 0), "A", "p1")
    log, manifest = folder / LOG, (folder / "manifest.csv").read_bytes()
    log.write_bytes(changed(log.read_bytes()))
    text = log.read_bytes()
    for attempt in (
        lambda: check_folder(folder),
        lambda: say(folder, scan_file(tmp_path, "two.png", 1), "B", "p2"),
    ):
        with pytest.raises(InputError) as caught:
            attempt()
        assert str(caught.value).startswith(f"{log}: {told}; save it as CSV with commas, in UTF-8")
    assert log.read_bytes() == text
    assert (folder / "manifest.csv").read_bytes() == manifest


@pytest.mark.parametrize(
    "changed",
    [
        lambda text: b"\xef\xbb\xbf" + text,
        lambda text: text.rstrip(),
        lambda text: text + b"\n",
        lambda text: text.replace(b"\n", b"\r\n"),
    ],
)
def test_log_saved_by_an_editor_is_gone_on_with(tmp_path: Path, changed: Callable[[bytes], bytes]) -> None:
    folder = tmp_path / "corrections"
    say(folder, scan_file(tmp_path, "one.png", 0), "A", "p1")
    (folder / LOG).write_bytes(changed((folder / LOG).read_bytes()))
    say(folder, scan_file(tmp_path, "two.png", 1), "B", "p2")
    assert [(row["path"], row["label"]) for row in rows(folder / "manifest.csv")] == [
        (one.path, one.label) for one in read_log(folder)
    ]
    assert [one.label for one in read_log(folder)] == ["A", "B"]


def test_a_data_set_is_never_overwritten(tmp_path: Path) -> None:
    (tmp_path / "manifest.csv").write_text("path,label\n")
    with pytest.raises(InputError, match="holds a data set of its own; name another folder"):
        check_folder(tmp_path)
    with pytest.raises(InputError, match="is no folder; name a folder"):
        check_folder(tmp_path / "manifest.csv")
