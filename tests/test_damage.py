"""Each file that a run leaves is damaged; the same command must come to the same results.

The walk over each file and each kind of damage takes long: ``pytest -m faults``.
"""

import json
import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from csam_lightning.files import zip_is_whole
from tests import warm
from tests.conftest import tiny_table, write_scans
from tests.test_train import timeless


def half(content: bytes) -> bytes:
    return content[: len(content) // 2]


def flipped(content: bytes) -> bytes:
    """Turn one bit in the middle."""
    middle = len(content) // 2
    return b"" if not content else content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda _: b"",
    "half": half,
    "garbage": lambda content: b"\xa5garbage\0" * (1 + len(content) // 9),
    "zeros": lambda content: bytes(len(content)),
    "one bit": flipped,
}


def last_result(work: Path) -> dict[str, Any]:
    return timeless(json.loads(max(work.glob("outputs/runs/*/result.json")).read_text()))


@dataclass
class Kept:
    """What a command has left, to be damaged again and again in the place where it was made."""

    work: Path
    copy: Path
    again: Callable[[], subprocess.CompletedProcess[str]]

    def restore(self) -> None:
        """Put everything back as it was, hard links too."""
        shutil.rmtree(self.work)
        subprocess.run(["cp", "-a", self.copy, self.work], check=True)

    def files(self) -> list[Path]:
        """Return the files below ``outputs``, relative to the working folder."""
        found = sorted(self.copy.glob("outputs/**/*"))
        return [file.relative_to(self.copy) for file in found if file.is_file() and file.suffix != ".lock"]


def kept(folder: Path, store: Path, *settings: str) -> Kept:
    work, copy = folder / "work", folder / "copy"
    work.mkdir()
    shutil.copy(store, work)
    scans = write_scans(folder / "scans", tiny_table())
    small = ["data.image_size=32", "data.num_folds=2", "trainer.max_epochs=1", f"cache_dir={folder}/cache"]
    arguments = ["data=folder", f"data.root={scans}", *small, *settings]
    context = warm.warm_context()

    def again() -> subprocess.CompletedProcess[str]:
        return warm.run(context, "train", arguments, work, {"MLFLOW_TRACKING_URI": ""})

    done = again()
    assert done.returncode == 0, done.stderr
    subprocess.run(["cp", "-a", work, copy], check=True)
    return Kept(work, copy, again)


@pytest.fixture(scope="module")
def cell(tmp_path_factory: pytest.TempPathFactory, empty_store: Path) -> Kept:
    return kept(tmp_path_factory.mktemp("cell"), empty_store)


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory, empty_store: Path) -> Kept:
    return kept(tmp_path_factory.mktemp("sweep"), empty_store, "-m", "seed=0,1", "folds=[0]")


def damage(kept: Kept, files: Mapping[Path, str]) -> None:
    """Put everything back and damage ``files``: path → kind of damage."""
    kept.restore()
    for file, kind in files.items():
        path = kept.work / file
        path.write_bytes(DAMAGES[kind](path.read_bytes()))


def trained(work: Path) -> dict[str, int]:
    return {
        str(file.relative_to(work)): file.stat().st_mtime_ns for file in work.glob("outputs/cells/*/fold_*/model.ckpt")
    }


def check(kept: Kept, done: subprocess.CompletedProcess[str], *, other_folds: set[str]) -> None:
    """Check that a command came to the same results, and left the folds at ``other_folds`` as they were."""
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr, done.stderr
    before, after = trained(kept.copy), trained(kept.work)
    assert {name: after[name] for name in other_folds} == {name: before[name] for name in other_folds}
    assert after.keys() == before.keys()
    assert predictions(kept.work) == predictions(kept.copy)
    assert named_runs_are_whole(kept.work)


def predictions(work: Path) -> dict[str, tuple[bytes, Any]]:
    """Return each cell's predictions and numbers."""
    return {
        folder.parent.name: (
            (folder / "predictions.csv").read_bytes(),
            timeless(json.loads((folder / "result.json").read_text())),
        )
        for folder in work.glob("outputs/cells/*/results")
    }


def named_runs_are_whole(work: Path) -> bool:
    """Return whether the folds' runs that the results name are finished, and their checkpoints whole."""
    results = [json.loads(file.read_text()) for file in work.glob("outputs/cells/*/results/result.json")]
    named = {fold["run_id"] for result in results for fold in result["folds"]}
    with closing(
        sqlite3.connect(work / "mlflow.db")
    ) as store:  # MLflow's client would go on reading a file that is gone
        finished = {run for (run,) in store.execute("SELECT run_uuid FROM runs WHERE status = 'FINISHED'")}
    files = [work / "mlartifacts" / run / "artifacts" / "checkpoints" / "model.ckpt" for run in named]
    return named <= finished and all(zip_is_whole(file) for file in files)


@pytest.mark.parametrize("first", [0, 2])
def test_all_files_but_those_of_another_fold_are_damaged(cell: Kept, first: int) -> None:
    files = [file for file in cell.files() if "fold_1" not in file.parts]
    kinds = list(DAMAGES)
    assert len({file.name for file in files}) > 15
    damage(cell, {file: kinds[(first + number) % len(kinds)] for number, file in enumerate(files)})
    done = cell.again()
    check(cell, done, other_folds={name for name in trained(cell.copy) if "fold_1" in name})
    assert "fold 1 epoch" not in done.stderr
    assert "fold 0 epoch 1/1" in done.stderr
    assert last_result(cell.work) == last_result(cell.copy)
    assert done.stderr.count("model.ckpt is damaged (") == 1


@pytest.mark.parametrize("names", [("outcome.json", "predictions.npz"), ("history.json", "novelty.npz")])
def test_what_is_made_of_a_trained_network_is_made_again_without_training(cell: Kept, names: tuple[str, str]) -> None:
    lost = {f"fold_{number}/{name}" for number, name in enumerate(names)}
    damage(cell, {file: "empty" for file in cell.files() if "/".join(file.parts[-2:]) in lost})
    done = cell.again()
    check(cell, done, other_folds=set())
    assert " epoch 1/1" not in done.stderr, done.stderr
    assert [done.stderr.count(f"{name} is damaged") for name in names] == [1, 1]


def test_all_files_of_a_sweep_but_the_folds_are_damaged(sweep: Kept) -> None:
    damage(sweep, {file: "empty" for file in sweep.files() if not file.parts[3].startswith("fold_")})
    done = sweep.again()
    check(sweep, done, other_folds=set(trained(sweep.copy)))
    assert " epoch 1/1" not in done.stderr, done.stderr


@pytest.mark.faults
def test_damaged_cell_of_a_sweep_leaves_the_other_one(sweep: Kept) -> None:
    first = min(file.parts[2] for file in sweep.files() if file.parts[1] == "cells")
    damage(sweep, {file: "half" for file in sweep.files() if first in file.parts})
    check(sweep, sweep.again(), other_folds={name for name in trained(sweep.copy) if first not in name})


@pytest.mark.faults
@pytest.mark.parametrize("kind", list(DAMAGES))
def test_each_file_of_a_cell_is_damaged_alone(cell: Kept, kind: str) -> None:
    for file in one_of_each(cell):
        damage(cell, {file: kind})
        done = cell.again()
        own = {str(file)} if file.name == "model.ckpt" else set()
        check(cell, done, other_folds=set(trained(cell.copy)) - own - {str(file.with_name("model.ckpt"))})


@pytest.mark.faults
@pytest.mark.parametrize("kind", list(DAMAGES))
def test_each_file_of_a_sweep_is_damaged_alone(sweep: Kept, kind: str) -> None:
    for file in one_of_each(sweep):
        if file.parts[1] != "cells":
            damage(sweep, {file: kind})
            check(sweep, sweep.again(), other_folds=set(trained(sweep.copy)))


def one_of_each(kept: Kept) -> Iterator[Path]:
    """Yield each file; of the pictures of scans, which are many and alike, the first of each folder."""
    pictured = set()
    for file in kept.files():
        if file.parent.name == "examples" and file.parent in pictured:
            continue
        pictured.add(file.parent)
        yield file
