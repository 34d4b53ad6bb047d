"""Disks that are full or read-only, small ones mounted for the test: run as root with ``pytest -m faults``."""

import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from mlflow.tracking import MlflowClient

pytestmark = pytest.mark.faults

Command = Callable[..., subprocess.CompletedProcess[str]]


@contextmanager
def disk(place: Path, *, size: str) -> Iterator[Path]:
    """Mount an empty disk of ``size`` at ``place``."""
    place.mkdir()
    mounted = mount("-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(place))
    if mounted.returncode:
        pytest.skip(f"no disk can be mounted here: {mounted.stderr.strip()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


def mount(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["mount", *arguments], capture_output=True, text=True, check=False)


def remount(place: Path, options: str) -> None:
    done = mount("-o", f"remount,{options}", str(place))
    assert done.returncode == 0, done.stderr


@pytest.fixture
def settings(scans_folder: Path, tmp_path: Path) -> list[str]:
    small = ["data.image_size=32", "data.num_folds=2", "trainer.max_epochs=1"]
    return ["data=folder", f"data.root={scans_folder}", f"cache_dir={tmp_path}/cache", *small]


def statuses(uri: str) -> list[str]:
    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name("csam_lightning")
    assert experiment is not None
    found = client.search_runs([experiment.experiment_id], filter_string="params.seed = '0'")
    for run in found:
        assert client.list_artifacts(run.info.run_id), run.info.run_name
    return [run.info.status for run in found]


@pytest.mark.parametrize("trouble", ["full", "read-only"])
def test_store_on_a_disk_in_trouble_ends_no_training_and_is_told_later(
    trouble: str, command: Command, settings: list[str], empty_store: Path, tmp_path: Path
) -> None:
    with disk(tmp_path / "store", size="4m") as store:
        uri = f"sqlite:///{shutil.copy(empty_store, store)}"
        if trouble == "full":
            filled = subprocess.run(["dd", "if=/dev/zero", f"of={store}/ballast"], capture_output=True, check=False)
            assert b"No space left" in filled.stderr
        else:
            remount(store, "ro")
        done = command("train", *settings, MLFLOW_TRACKING_URI=uri)
        assert done.returncode == 0, done.stderr
        assert "Traceback" not in done.stderr
        assert done.stderr.count("Training goes on") == 1
        (store / "ballast").unlink(missing_ok=True) if trouble == "full" else remount(store, "rw")
        remount(store, "size=1g")
        later = command("train", *settings, "seed=1", "folds=[0]", MLFLOW_TRACKING_URI=uri)
        assert later.returncode == 0, later.stderr
        assert statuses(uri) == ["FINISHED"] * 3


def test_results_on_a_full_disk_fail_in_one_line_and_the_same_command_goes_on(
    command: Command, settings: list[str], tmp_path: Path
) -> None:
    with disk(tmp_path / "results", size="60m") as results:
        full = command("train", *settings, f"output_dir={results}")
        assert full.returncode == 1, full.stderr
        last = full.stderr.splitlines()[-1]
        assert last.endswith("No space left on device: make room and run the same command again"), full.stderr
        assert "Traceback" not in full.stderr
        remount(results, "size=1g")
        done = command("train", *settings, f"output_dir={results}")
        assert done.returncode == 0, done.stderr
        assert len(list(results.glob("cells/*/fold_*/outcome.json"))) == 2
