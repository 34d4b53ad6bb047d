"""``python -m csam_lightning.check``: the whole command, as a user runs it."""

import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from csam_lightning.data.inspection import inspect_images
from csam_lightning.data.manifest import Manifest

if TYPE_CHECKING:
    from tests.data.conftest import DataFolder

HEADER = "path,label,package_id,cycles"
REAL = "CSAM_REAL_IMAGES"


def check(*settings: str, cwd: Path) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "csam_lightning.check", *settings]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, check=False, timeout=120)


def whole(folder: "DataFolder", packages: int = 12) -> list[str]:
    """List ``packages`` packages with alternating labels at 0 and 100 cycles; return the rows."""
    rows = [f"p{n}_{c}.png,{'AB'[n % 2]},P{n},{c}" for c in (0, 100) for n in range(packages)]
    folder.listed(*rows, header=HEADER)
    return rows


def inspected(manifest: Manifest) -> list[str]:
    return [str(problem) for problem in inspect_images(manifest)[1]]


# The command


def test_a_good_folder(folder: "DataFolder", tmp_path: Path) -> None:
    whole(folder)
    before = sorted(folder.root.rglob("*"))
    done = check("data=folder", f"data.root={folder.root}", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "24 scans of 12 packages in 2 classes",
        "",
        "split  train     all",
        "cycles     0 100    ",
        "label               ",
        "A          6   6  12",
        "B          6   6  12",
        "all       12  12  24",
        "",
        "image sizes, pixels: 24x16 (24)",
        "kinds of pixels: 8-bit grey (24)",
        "data sizes that work (grouped protocol, 5 folds): 4 to 24",
        "0 errors, 0 warnings",
    ]
    assert sorted(folder.root.rglob("*")) == before
    assert sorted(tmp_path.iterdir()) == [folder.root]


def test_class_names_that_are_numbers_need_no_quotes(folder: "DataFolder", tmp_path: Path) -> None:
    rows = [row.replace(",A,", ",1,").replace(",B,", ",0,") for row in whole(folder)]
    folder.listed(*rows, header=HEADER, images=False)
    done = check(f"data.root={folder.root}", "data.classes=[1,0]", cwd=tmp_path)
    assert done.returncode == 0
    assert done.stdout.splitlines()[-1] == "0 errors, 0 warnings"


def test_all_findings_are_printed_errors_first(folder: "DataFolder", tmp_path: Path) -> None:
    rows = whole(folder)
    rows[3] = rows[3].replace(",B,", ",Bee,")
    rows[5] = rows[5].replace(",0", ",-1")
    folder.listed(*rows, "gone.png,A,P0,0", header=HEADER + ",note", images=False)
    folder.listed(*[f"{row},ok" for row in [*rows, "gone.png,A,P0,0"]], header=HEADER + ",note", images=False)
    (folder.root / "p0_0.png").write_bytes(b"notes")
    data = (folder.root / "p1_0.png").read_bytes()
    (folder.root / "p2_0.png").write_bytes(data[: len(data) // 2])
    (folder.root / "p4_0.png").write_bytes(data)
    done = check(f"data.root={folder.root}", "data.classes=[A,B]", cwd=tmp_path)
    assert done.returncode == 2
    starts = [
        "error: manifest.csv row 2: 'p0_0.png' is no image; save it as",
        "error: manifest.csv row 4: 'p2_0.png' is a damaged image (",
        "error: manifest.csv row 5: unknown label 'Bee'; did you mean 'B'? write one of A, B",
        (
            "error: manifest.csv row 6: 'p4_0.png' shows the same picture as 'p1_0.png' (manifest.csv row 3) with "
            "label A instead of B, package_id P4 instead of P1"
        ),
        "error: manifest.csv row 7: cycles '-1' is no whole number from 0; write 0, 100, 200, …",
        "error: manifest.csv row 26: no file 'gone.png'; correct the path or delete the row",
        "warning: manifest.csv row 1: column 'note' is not read; the columns read are",
        "warning: manifest.csv row 26: package P0 has another scan at 0 cycles, manifest.csv row 2; correct cycles",
    ]
    lines = done.stdout.splitlines()
    for line, start in zip(lines, starts, strict=False):
        assert line.startswith(start)
    assert lines[len(starts)] == "25 scans of 12 packages in 2 classes"
    assert lines[-1] == "6 errors, 2 warnings"
    assert done.stderr.splitlines()[-1] == f"error: {folder.root}: 6 errors, 2 warnings; mend what is listed above"
    assert "Traceback" not in done.stderr


def test_a_class_with_fewer_packages_than_folds(folder: "DataFolder", tmp_path: Path) -> None:
    whole(folder, packages=8)
    done = check(f"data.root={folder.root}", cwd=tmp_path)
    assert done.returncode == 2
    assert "error: data size 16: class A has 4 packages, fewer than the 5 folds; " in done.stdout
    assert "error: data size 16: class B has 4 packages, fewer than the 5 folds; " in done.stdout
    assert "data sizes that work (grouped protocol, 5 folds): none" in done.stdout
    assert check(f"data.root={folder.root}", "data.num_folds=4", cwd=tmp_path).returncode == 0


def test_a_data_size_out_of_reach(folder: "DataFolder", tmp_path: Path) -> None:
    whole(folder)
    done = check(f"data.root={folder.root}", "data.size=25", cwd=tmp_path)
    assert done.returncode == 2
    assert "error: data.size: data size 25 cannot be reached with 24 training scans; choose a size" in done.stdout


def test_a_tree_of_folders(folder: "DataFolder", tmp_path: Path) -> None:
    for n in range(10):
        folder.image(f"{'AB'[n % 2]}/p{n}_x.png")
    settings = [f"data.root={folder.root}", "data.package_pattern='^p[0-9]'"]
    done = check(*settings, cwd=tmp_path)
    assert done.returncode == 0, done.stdout
    assert done.stdout.startswith("10 scans of 10 packages in 2 classes\n")
    assert check(settings[0], "data.protocol=published", cwd=tmp_path).returncode == 0
    lost = check(settings[0], cwd=tmp_path)
    assert lost.returncode == 2
    assert lost.stdout.startswith("error: data: no package is known; name each scan's physical part, or set ")


@pytest.mark.parametrize("content", [None, b"", b"\xff\xfe\x00", b"path\n"])
def test_without_a_table_there_is_one_line(folder: "DataFolder", tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        folder.manifest(content)
    done = check(f"data.root={folder.root}", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stdout.startswith("error: ")
    assert "Traceback" not in done.stderr


def test_a_missing_root_setting(tmp_path: Path) -> None:
    done = check(cwd=tmp_path)
    assert done.returncode == 2
    assert "data.root" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("settings", "finding"),
    [
        (("data.num_folds=0",), "data.num_folds: 0 makes no sense here; give a whole number from 2"),
        (
            ("data.num_folds=1", "data.image_size=-3"),
            "data.image_size: -3 makes no sense here; give a whole number from 32",
        ),
        (("data.root=null",), "data.root: None makes no sense here; give data.root=DIR, the folder of the scans"),
        (("seed=-1",), f"seed: -1 makes no sense here; give a whole number from 0 to {2**31 - 1}"),
    ],
)
def test_settings_that_make_no_sense(
    folder: "DataFolder", tmp_path: Path, settings: tuple[str, ...], finding: str
) -> None:
    whole(folder)
    done = check(f"data.root={folder.root}", *settings, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.splitlines()[-1] == f"error: {finding}"
    assert "Traceback" not in done.stderr


def test_packages_of_several_labels_that_no_split_spreads(folder: "DataFolder", tmp_path: Path) -> None:
    # two folds must part P0 from P1 (for A and B), P0 from P2 (for C) and P1 from P2 (for D)
    carried = {"P0": "ABC", "P1": "ABD", "P2": "CD"}
    rows = [f"{package}{label}.png,{label},{package}" for package, labels in carried.items() for label in labels]
    folder.listed(*rows)
    done = check(f"data.root={folder.root}", "data.num_folds=2", cwd=tmp_path)
    assert done.returncode == 2
    finding = "error: data.num_folds: no split into 2 folds gives every class a package in every fold (20 tries); "
    assert finding in done.stdout
    assert "Traceback" not in done.stderr
    published = check(f"data.root={folder.root}", "data.num_folds=2", "data.protocol=published", cwd=tmp_path)
    assert published.returncode == 0, published.stdout


def test_packages_of_several_labels_that_can_be_split(folder: "DataFolder", tmp_path: Path) -> None:
    folder.listed(*[f"{n}{label}.png,{label},P{n}" for n in range(4) for label in "AB"])
    done = check(f"data.root={folder.root}", "data.num_folds=4", cwd=tmp_path)
    assert done.returncode == 0, done.stdout


def test_it_starts_without_heavy_libraries(folder: "DataFolder", tmp_path: Path) -> None:
    whole(folder)
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "csam_lightning.check", f"data.root={folder.root}"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
    )
    assert done.returncode == 0
    imported = set(re.findall(r"\| +(\w+)$", done.stderr, flags=re.MULTILINE))
    assert "pandas" in imported
    assert not imported & {"torch", "lightning", "mlflow", "sklearn", "scipy", "albumentations", "cv2", "matplotlib"}


# What looking into the images finds


def test_image_findings(folder: "DataFolder") -> None:
    folder.listed("a.png,A,P1", "b.tif,B,P2", "c.png,A,P3", "d.png,B,P4", "e.png,A,P5")
    pages = [Image.fromarray(np.eye(16, dtype=np.uint8) * n) for n in (100, 200)]
    pages[0].save(folder.root / "b.tif", save_all=True, append_images=pages[1:])
    Image.fromarray(np.full((16, 16), 7, dtype=np.uint8)).save(folder.root / "c.png")
    for name, high in (("d.png", 4000), ("e.png", 40000)):
        Image.fromarray(np.linspace(0, high, 256).astype(np.uint16).reshape(16, 16)).save(folder.root / name)
    assert inspected(folder.good()) == [
        (
            "warning: manifest.csv row 3: 'b.tif' holds 2 pages, only the first is read; "
            "save the page meant in a file of its own"
        ),
        "warning: manifest.csv row 4: 'c.png' is of one grey value, 7, throughout; scan again or delete the row",
        (
            "warning: manifest.csv: images are of different kinds: 8-bit grey (3), 16-bit grey (2); "
            "if one scanner made them all, export them alike, so that equal grey means an equal echo"
        ),
    ]


def test_identical_images(folder: "DataFolder") -> None:
    for name in ("b.bmp", "c.png", "d.tif"):
        folder.image(name, like="a.png")
    folder.image("a.png")
    folder.image("e.png")
    rows = ("a.png,A,P1", "b.bmp,A,P1", "c.png,B,P1", "d.tif,A,P2", "e.png,B,P3")
    folder.listed(*rows, images=False)
    shows = "shows the same picture as 'a.png' (manifest.csv row 2)"
    assert inspected(folder.good()) == [
        f"warning: manifest.csv row 3: 'b.bmp' {shows}; delete one of the two if that is no intention",
        f"error: manifest.csv row 4: 'c.png' {shows} with label B instead of A; delete one of the two",
        f"error: manifest.csv row 5: 'd.tif' {shows} with package_id P2 instead of P1; delete one of the two",
    ]


def test_the_range_of_sixteen_bit_samples(folder: "DataFolder", tmp_path: Path) -> None:
    whole(folder)
    for n in range(12):
        for cycles, peak in ((0, 3000 + n), (100, 4096 if n == 5 else 3100 + n)):
            samples = np.linspace(0, peak, 256).astype(np.uint16).reshape(16, 16)
            Image.fromarray(samples).save(folder.root / f"p{n}_{cycles}.png")
    done = check(f"data.root={folder.root}", cwd=tmp_path)
    assert done.returncode == 0, done.stdout
    assert done.stdout.startswith(
        "warning: manifest.csv row 19: 'p5_100.png' has a sample of 4096, so all scans are mapped from a range of "
        "16 bits, which leaves half of them 13 of 256 grey levels at most; "
        "if that is a hot pixel, mend it or delete the row\n"
    )
    assert "\nkinds of pixels: 16-bit grey (24)\nrange of the 16-bit samples: 16 bits, 0 to 65535\n" in done.stdout
    Image.fromarray(np.linspace(0, 4095, 256).astype(np.uint16).reshape(16, 16)).save(folder.root / "p5_100.png")
    mended = check(f"data.root={folder.root}", cwd=tmp_path)
    assert "\nrange of the 16-bit samples: 12 bits, 0 to 4095\n" in mended.stdout
    assert mended.stdout.endswith("0 errors, 0 warnings\n")


def test_a_table_of_thousands_of_rows_is_judged_in_seconds(folder: "DataFolder") -> None:
    rows = [f"{n}.png,{'AB'[n % 2]},P{n % 997},{n % 6}" for n in range(20_000)]
    folder.image("0.png")
    folder.listed(*rows, header=HEADER, images=False)
    start = time.process_time()
    manifest, problems = folder.read()
    assert time.process_time() - start < 10
    assert manifest is not None
    assert sum(problem.severity == "error" for problem in problems) == 19_999


# Real images, where there are some


@pytest.mark.skipif(REAL not in os.environ, reason=f"{REAL} names no folder with manifest.csv and real images")
def test_real_images_have_no_errors(tmp_path: Path) -> None:
    root = Path(os.environ[REAL]).resolve()
    done = check(f"data.root={root}", cwd=tmp_path)
    assert done.returncode == 0, done.stdout
    assert done.stdout.splitlines()[-1].startswith("0 errors")


def test_rare_label_that_reads_like_another_is_named(folder: "DataFolder", tmp_path: Path) -> None:
    rows = whole(folder)
    rows[3] = rows[3].replace(",B,", ",BB,")
    folder.listed(*rows, header=HEADER, images=False)
    done = check(f"data.root={folder.root}", cwd=tmp_path)
    assert done.returncode == 2
    assert "class BB has 1 package, fewer than the 5 folds (is it a slip for 'B', as in p3_0.png?); " in done.stdout
