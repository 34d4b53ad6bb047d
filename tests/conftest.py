"""Tiny data sets and the real command line, for all tests."""

import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import settings
from PIL import Image

from csam_lightning.tracking.store import open_store
from tests import warm

settings.register_profile("untimed", deadline=None)  # a slow machine must not fail a test
settings.load_profile("untimed")

CLASSES = ("A", "B", "C", "D")
SIDE = 32


def tiny_table(packages: int = 12, read_outs: tuple[int, ...] = (0, 100), test_packages: int = 4) -> pd.DataFrame:
    """A manifest in which the classes take turns over the packages."""
    rows = [
        {
            "path": f"images/p{package:02d}-{cycles}.png",
            "label": CLASSES[package % len(CLASSES)],
            "package_id": f"p{package:02d}",
            "metallization": ("Ag", "NiPdAu", "Cu")[package % 3],
            "cycles": cycles,
            "split": "train" if package < packages else "test",
        }
        for package in range(packages + test_packages)
        for cycles in read_outs
    ]
    return pd.DataFrame(rows)


def write_scans(root: Path, table: pd.DataFrame, *, manifest: bool = True) -> Path:
    """Write a scan for each row: a bright quarter says the class, noise makes every scan unique."""
    for position, (name, label) in enumerate(zip(table["path"], table["label"], strict=True)):
        pixels = np.random.default_rng(position).integers(40, 120, (SIDE, SIDE), dtype=np.uint8)
        half, code = SIDE // 2, CLASSES.index(label)
        pixels[half * (code // 2) :, half * (code % 2) :][:half, :half] += 100
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(file)
    if manifest:
        table.to_csv(root / "manifest.csv", index=False)
    return root


@pytest.fixture
def scans_folder(tmp_path: Path) -> Path:
    """A folder of 24 training and 8 test scans with a manifest."""
    return write_scans(tmp_path / "scans", tiny_table())


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite store of MLflow that holds nothing; making one takes seconds."""
    file = tmp_path_factory.mktemp("store") / "mlflow.db"
    open_store(f"sqlite:///{file}")
    return file


@pytest.fixture
def work_folder(tmp_path: Path, empty_store: Path) -> Path:
    """A working folder that holds an MLflow store alone."""
    folder = tmp_path / "work"
    folder.mkdir()
    shutil.copy(empty_store, folder)
    return folder


@pytest.fixture
def command(work_folder: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run ``python -m csam_lightning.<name>`` as a user would, in the working folder.

    See :mod:`tests.warm` for what is not quite as a user would.
    """
    context = warm.warm_context()

    def run(name: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return warm.run(context, name, arguments, work_folder, {"MLFLOW_TRACKING_URI": "", **environment})

    return run


def heed_interrupts() -> None:
    """Undo what a shell does to a test run in the background: let Ctrl-C be ignored."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def wait_for_orphans(work: Path) -> None:
    """Wait until the folds' processes have noticed that the one that watched them is gone."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        alive = [pid for pid in Path("/proc").glob("[0-9]*") if belongs_to(pid, work)]
        if not alive:
            return
        time.sleep(0.2)
    pytest.fail(f"processes left behind: {alive}")


def belongs_to(process: Path, work: Path) -> bool:
    try:
        return (process / "cwd").readlink() == work and b"python" in (process / "cmdline").read_bytes()
    except OSError:
        return False
