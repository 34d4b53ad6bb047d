"""The command line, driven as a user drives it."""

import subprocess
import sys
from pathlib import Path

import pandas as pd

ROOT = Path(__file__).parents[2]
TINY = [
    "simulation.packages.Ag=2",
    "simulation.packages.NiPdAu=0",
    "simulation.packages.Cu=1",
    "simulation.read_outs=[0,500]",
    "simulation.image_px=100",
    "simulation.pixel_um=80",
    "simulation.test_counts={A:0,B:0,C:0,D:1}",
]


def simulate(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "csam_lightning.simulate", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)


def test_writes_where_the_user_asks(tmp_path: Path) -> None:
    done = simulate(f"output={tmp_path / 'set'}", *TINY)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{tmp_path / 'set'}\n"
    assert "simulating scans: 7 of 7" in done.stderr
    table = pd.read_csv(tmp_path / "set" / "manifest.csv")
    assert table["split"].tolist() == ["train"] * 6 + ["test"]


def test_folder_in_use_ends_with_one_line(tmp_path: Path) -> None:
    (tmp_path / "mine").touch()
    done = simulate(f"output={tmp_path}", *TINY)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1] == f"error: {tmp_path}: exists already; name a new or an empty folder"
    assert "Traceback" not in done.stderr


def test_output_must_be_named() -> None:
    done = simulate()
    assert done.returncode == 2
    assert "output" in done.stderr.splitlines()[-1]
