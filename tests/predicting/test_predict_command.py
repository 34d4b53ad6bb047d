"""The command line, driven as a user drives it."""

import csv
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from csam_lightning.errors import InputError
from csam_lightning.predicting.overlays import file_word
from csam_lightning.predicting.sources import scans_of
from csam_lightning.predicting.table import columns
from tests.conftest import CLASSES, tiny_table, write_scans
from tests.trays.drawing import SPECTRUM, draw, grid

Command = Callable[..., subprocess.CompletedProcess[str]]

HEADER = [
    *("path", "package_id", "predicted", "p_A", "p_B", "p_C", "p_D", "p_die_pad", "p_bond_pad", "p_delaminated"),
    *("uncertainty", "needs_review", "reason", "error"),
]


def rows_of(folder: Path) -> list[dict[str, str]]:
    with (folder / "predictions.csv").open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        assert reader.fieldnames == HEADER
        return list(reader)


def test_a_manifest_with_scans_that_cannot_be_read(
    command: Command, model_file: Path, tmp_path: Path, work_folder: Path
) -> None:
    table = tiny_table(packages=6, read_outs=(0,), test_packages=0)
    table.loc[0, "path"] = "images/<b>&.png"
    root = write_scans(tmp_path / "lot", table)
    (root / "images/bad.png").write_bytes(b"no image")
    with (root / "manifest.csv").open("a") as manifest:
        manifest.write("images/bad.png,,p90,,,\nimages/lost.png,,p91,,,\n../out.png,,,,,\nshort\n")
    done = command("predict", f"model={model_file}", f"input={root}", "output=verdicts", "overlays=all", "maps=true")
    assert done.returncode == 1
    assert done.stderr.endswith("error: 4 of 10 scans cannot be read; verdicts/predictions.csv says why\n")
    assert "judging scans: 10 of 10" in done.stderr
    output = work_folder / "verdicts"
    rows = rows_of(output)
    assert [row["path"] for row in rows] == [*table["path"], "images/bad.png", "images/lost.png", "../out.png", ""]
    assert [row["package_id"] for row in rows] == [*table["package_id"], "p90", "p91", "", ""]
    for row in rows[:6]:
        a, b, c, d = (float(row[f"p_{name}"]) for name in "ABCD")
        assert a + b + c + d == pytest.approx(1, abs=1e-5)
        assert float(row["p_die_pad"]) == pytest.approx(a + c, abs=2e-6)
        assert float(row["p_bond_pad"]) == pytest.approx(b + c, abs=2e-6)
        assert float(row["p_delaminated"]) == pytest.approx(1 - d, abs=2e-6)
        assert max("ABCD" if d > 0.5 else "ABC", key=lambda name: float(row[f"p_{name}"])) == row["predicted"]
        assert (f"p(D) = {round(d, 2):g} is not above sound = 0.5" in row["reason"]) == (max(a, b, c) < d <= 0.5)
        assert row["needs_review"] == ("true" if row["reason"] else "false")
        assert row["error"] == ""
        [*pictures] = output.glob(f"overlays/{row['path']}.*.png")
        assert len(pictures) == (2 if row["predicted"] == "C" else 1)
        assert all(Image.open(picture).size == (32, 32) for picture in pictures)
        arrays = [np.load(file) for file in output.glob(f"maps/{row['path']}.*.npy")]
        assert [(array.shape, array.dtype) for array in arrays] == [((32, 32), np.float32)] * len(pictures)
    assert rows[9]["error"].startswith("manifest.csv row 11: has 1 cells where the header has 6; write one cell per ")
    assert [row["error"] for row in rows[6:9]] == [
        "is no image; save it as PNG, TIFF, BMP, JPEG",
        "manifest.csv row 9: no file 'images/lost.png'; correct the path or delete the row",
        "manifest.csv row 10: path '../out.png' leaves the folder; keep images in the manifest's folder",
    ]
    assert {(row["predicted"], row["p_A"], row["needs_review"]) for row in rows[6:]} == {("", "", "true")}
    page = (output / "page.html").read_text(encoding="utf-8")
    assert "images/&lt;b&gt;&amp;.png" in page
    assert "Class D (sound) needs a probability above 0.5, else the likeliest of A, B and C is taken." in page
    assert page.count("p(delaminated) 0.") == 6
    assert "<b>&.png" not in page
    assert "default-src 'none'" in page
    assert not re.search(r"<script|https?:|src=\"(?!data:)", page)
    assert page.count("<article") == 6
    assert sorted(entry.name for entry in work_folder.iterdir()) == ["mlflow.db", "verdicts"]


def test_trays_are_cut_judged_and_painted(
    command: Command, model_file: Path, tmp_path: Path, work_folder: Path
) -> None:
    (tmp_path / "trays").mkdir()
    levels = draw((360, 400), list(grid(2, 3, 5).values()), long=32)
    Image.fromarray(SPECTRUM[levels]).save(tmp_path / "trays" / "t1.png")
    (tmp_path / "trays" / "t2.png").write_bytes(b"no image")
    tray = [f"model={model_file}", f"input={tmp_path / 'trays'}", "tray=true", "overlays=none"]
    done = command("predict", *tray, "output=verdicts", "page=2")
    assert done.returncode == 1, done.stderr
    assert done.stdout.startswith("palette from low to high amplitude: #000000,#00ff00,#ff0000,#c0c0c0\n")
    rows = rows_of(work_folder / "verdicts")
    units = [f"t1/{row:02}_{column:02}.png" for row in (1, 2) for column in (1, 2, 3)]
    assert [row["path"] for row in rows] == [*units, "t2.png"]
    assert rows[-1]["error"].startswith("is no image")
    painted = np.asarray(Image.open(work_folder / "verdicts" / "trays" / "t1.png")).reshape(-1, 3)
    review = {row["needs_review"] for row in rows[:-1]}
    assert ((230, 90, 0) in set(map(tuple, painted.tolist()))) == ("true" in review)
    page = (work_folder / "verdicts" / "page.html").read_text()
    assert page.count("<article") == 2
    assert "are shown here, all are in predictions.csv" in page
    assert 'alt="t1"' in page
    assert not (work_folder / "verdicts" / "overlays").exists()


def test_bad_input_is_one_line_and_writes_nothing(
    command: Command, model_file: Path, scans_folder: Path, work_folder: Path
) -> None:
    (work_folder / "used").mkdir()
    (work_folder / "used" / "file").touch()
    model, scans, output = f"model={model_file}", f"input={scans_folder}", "output=verdicts"
    before = sorted(work_folder.rglob("*"))

    def refused(line: str, *settings: str) -> None:
        done = command("predict", *settings)
        assert done.returncode == 2
        assert done.stderr.splitlines()[-1] == f"error: {line}"
        assert "Traceback" not in done.stderr
        assert sorted(work_folder.rglob("*")) == before

    refused("output used: exists already; name a new or an empty folder", model, scans, "output=used")
    refused(
        f"output {scans_folder / 'out'}: lies inside the input folder; name a folder elsewhere: its pictures would be "
        "judged next time",
        *(model, scans, f"output={scans_folder / 'out'}"),
    )
    refused(
        "sound: must be at least 0 and below 1, got 1; give a probability from 0 and below 1, for example 0.5",
        *(model, scans, output, "sound=1"),
    )
    refused("batch_size: 0 makes no sense here; give a whole number from 1", model, scans, output, "batch_size=0")
    refused(
        "input nowhere: no such file or folder; name a scan, a folder of scans or a manifest",
        *(model, "input=nowhere", output),
    )


def test_what_an_input_names(scans_folder: Path) -> None:
    paths = tiny_table()["path"].tolist()
    for source in (scans_folder, scans_folder / "manifest.csv"):
        found = scans_of(source, None)
        assert [scan.path for scan in found] == paths
        assert len(found) == len(paths)
    (scans_folder / "images" / "notes.txt").touch()
    (scans_folder / "images" / ".hidden.png").touch()
    (scans_folder / "manifest.csv").unlink()
    found = scans_of(scans_folder, "^[^-]+")
    assert [(scan.path, scan.package_id) for scan in found] == [(path, path[7:10]) for path in sorted(paths)]
    [one] = scans_of(scans_folder / paths[0], None)
    assert (one.path, one.package_id, one.source) == ("p00-0.png", "", scans_folder / paths[0])


@pytest.mark.parametrize(
    ("name", "pattern", "line"),
    [
        ("empty", None, "input {}: holds no image; name a folder with files .png, .tif, .tiff, .bmp, .jpg, .jpeg"),
        ("list.csv", None, "input {}: is no image; name a manifest manifest.csv or manifest.parquet"),
        (
            "a.png",
            "(",
            "package_pattern: '(' is no regular expression (missing ), unterminated subpattern at {}); write",
        ),
    ],
)
def test_what_no_input_can_name(name: str, pattern: str | None, line: str, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for file in ("list.csv", "a.png"):
        (tmp_path / file).touch()
    with pytest.raises(InputError) as error:
        scans_of(tmp_path / name, pattern)
    where = "position 0" if pattern else tmp_path / name
    assert str(error.value).startswith(line.format(where))


def test_a_model_of_other_classes_has_no_regions_and_its_labels_are_no_paths() -> None:
    assert columns(["good", "bad"]) == [
        *("path", "package_id", "predicted", "p_good", "p_bad", "uncertainty", "needs_review", "reason", "error")
    ]
    assert columns(CLASSES) == HEADER
    assert [file_word(label, 1) for label in ("void_2", "../../x", "", "a b")] == ["void_2", "map2", "map2", "map2"]
