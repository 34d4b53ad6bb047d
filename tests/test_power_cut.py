"""Power cuts: what has reached a disk at some moment is copied, and looked at; run as root with ``pytest -m faults``.

The disk is an ext4 in a file. A copy of that file holds what was written to it, not what the system still keeps in
memory: it is the disk of a machine whose power has failed.
"""

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from uuid import uuid4

import pytest
import torch

from csam_lightning.files import zip_is_whole
from csam_lightning.model.novelty import NoveltyStatistics
from csam_lightning.training.checkpoints import last_whole
from csam_lightning.training.fold_files import FoldFolder, FoldOutcome, FoldPredictions
from tests.conftest import tiny_table, write_scans

pytestmark = pytest.mark.faults

EPOCHS = 4


@contextmanager
def mounted(image: Path, place: Path) -> Iterator[Path]:
    place.mkdir(exist_ok=True)
    done = subprocess.run(["mount", "-o", "loop", image, place], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"no disk in a file can be mounted here: {done.stderr.strip()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", place], check=True)


@pytest.fixture
def image(tmp_path: Path) -> Path:
    if shutil.which("mkfs.ext4") is None:
        pytest.skip("no mkfs.ext4 here")
    file = tmp_path / "disk.img"
    with file.open("wb") as disk:
        disk.truncate(900 << 20)
    subprocess.run(["mkfs.ext4", "-q", file], check=True)
    return file


def begin(work: Path, scans: Path, cache: Path, said: Path) -> subprocess.Popen[bytes]:
    small = ["data.image_size=32", "data.num_folds=2", f"trainer.max_epochs={EPOCHS}", "trainer.processes=1"]
    with said.open("ab") as file:
        return subprocess.Popen(
            [
                *(sys.executable, "-m", "csam_lightning.train", "data=folder", f"data.root={scans}"),
                *(*small, f"cache_dir={cache}"),
            ],
            cwd=work,
            env={**os.environ, "MLFLOW_TRACKING_URI": ""},
            stdout=file,
            stderr=file,
            start_new_session=True,
        )


def cut(process: subprocess.Popen[bytes], image: Path, copy: Path) -> None:
    """Copy what is on the disk at this moment."""
    running = process.poll() is None
    if running:
        os.killpg(process.pid, signal.SIGSTOP)
    subprocess.run(["cp", "--sparse=always", image, copy], check=True)
    if running:
        os.killpg(process.pid, signal.SIGCONT)


def epochs_kept(work: Path) -> dict[str, int]:
    """Return up to which epoch each fold is kept; a finished one must be whole."""
    kept = {}
    for path in work.glob("outputs/cells/*/fold_*"):
        folder = FoldFolder(path)
        if folder.finished:
            assert FoldOutcome.read(folder.outcome).history == folder.read_history()
            assert zip_is_whole(folder.model)
            FoldPredictions.read(folder.predictions)
            NoveltyStatistics.read(folder.novelty)
            kept[path.name] = EPOCHS
            continue
        checkpoint = last_whole(folder.resume)
        told = len(folder.read_history())
        kept[path.name] = torch.load(checkpoint, weights_only=False)["epoch"] + 1 if checkpoint else 0
        assert kept[path.name] >= told - 1, "more than the last epoch is lost"
    return kept


def published(work: Path) -> list[Path]:
    """Return the checkpoints that MLflow has of finished runs, each of which must be whole."""
    asked = "SELECT run_uuid FROM tags JOIN runs USING (run_uuid) WHERE key = 'fold' AND status = 'FINISHED'"
    if not (work / "mlflow.db").is_file():
        return []
    with closing(sqlite3.connect(work / "mlflow.db")) as store:  # MLflow's client would keep the disk busy
        runs = [run for (run,) in store.execute(asked)]
    return [work / "mlartifacts" / run / "artifacts" / "checkpoints" / "model.ckpt" for run in runs]


def test_power_cut_at_any_moment_loses_an_epoch_at_most_and_no_finished_fold(image: Path, tmp_path: Path) -> None:
    scans, said = write_scans(tmp_path / "scans", tiny_table()), tmp_path / "said.txt"
    place, seen = tmp_path / "disk", tmp_path / "seen"
    resumed: dict[str, Path] = {}
    before: dict[str, int] = {}
    with mounted(image, place):
        (place / "work").mkdir()
        os.sync()
        process = begin(place / "work", scans, tmp_path / "cache", said)
        over = False
        while not over:
            time.sleep(1)
            over = process.poll() is not None
            copy = tmp_path / f"{uuid4().hex}.img"  # a disk of the same name might still be mounted
            cut(process, image, copy)
            with mounted(copy, seen):
                kept = epochs_kept(seen / "work")
                assert all(zip_is_whole(file) for file in published(seen / "work"))
            assert all(kept.get(fold, 0) >= epochs - 1 for fold, epochs in before.items()), (before, kept)
            before = kept
            state = "over" if over else " ".join(str(epochs) for epochs in sorted(kept.values()))
            if over or state in {"2", "1 4"}:
                resumed.setdefault(state, copy)
            if copy not in resumed.values():
                copy.unlink()
        assert process.returncode == 0, said.read_text()
    assert set(before.values()) == {EPOCHS}
    for taken in resumed.values():
        with mounted(taken, place):
            again = begin(place / "work", scans, tmp_path / "cache", said)
            assert again.wait() == 0, said.read_text()
            assert "Traceback" not in said.read_text()
            assert set(epochs_kept(place / "work").values()) == {EPOCHS}
