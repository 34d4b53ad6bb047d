"""A sweep on a real Ray of this machine; skipped where ``make ray`` has not built its environment."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from mlflow.tracking import MlflowClient

from csam_lightning.training.fold_files import FoldFolder
from tests.conftest import wait_for_orphans

ENVIRONMENT = Path(__file__).parents[2] / ".venv-ray"

pytestmark = [
    pytest.mark.ray,
    pytest.mark.skipif(not (ENVIRONMENT / "complete").exists(), reason="`make ray` has not built .venv-ray"),
]

LOOPBACK = ("0100007F", "0000000000000000FFFF00000100007F")  # 127.0.0.1 as /proc/net/tcp and tcp6 write it
LISTENING = "0A"
WAIT = 600  # seconds; two minutes on two idle cores, and other tests run beside this one


def processes(work: Path) -> Iterator[Path]:
    """Yield the sweep's processes, Ray's own among them."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (process / "cwd").readlink() == work:
                yield process
        except OSError:
            continue


def addresses(work: Path) -> set[str]:
    """Return where the sweep's processes listen, in hexadecimal digits."""
    sockets = set()
    for process in processes(work):
        for descriptor in (process / "fd").glob("*"):
            try:
                sockets.add(descriptor.readlink().name.removeprefix("socket:[").removesuffix("]"))
            except OSError:
                continue
    rows = [line.split() for name in ("tcp", "tcp6") for line in Path(f"/proc/net/{name}").read_text().splitlines()[1:]]
    return {row[1].partition(":")[0] for row in rows if row[3] == LISTENING and row[9] in sockets}


def epochs_of_fold_0(work: Path) -> int:
    return max((len(FoldFolder(folder).read_history()) for folder in work.glob("outputs/cells/*/fold_0")), default=0)


def kill_a_cell(work: Path) -> None:
    names = {process: (process / "cmdline").read_bytes() for process in processes(work)}
    cell = next(process for process, name in names.items() if name.startswith(b"ray::_run_job"))
    os.kill(int(cell.name), signal.SIGKILL)


def test_sweep_on_ray_survives_a_killed_cell_and_is_taken_up(scans_folder: Path, tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    small = ["data.image_size=32", "data.num_folds=3", "trainer.max_epochs=8", "folds=[0,1]"]
    grid = ["trainer.accelerator=cpu,abacus", "data.size=24,-1", "-m", "hydra/launcher=ray_local"]
    command = ["data=folder", f"data.root={scans_folder}", f"cache_dir={tmp_path}/cache", *small, *grid]

    def start() -> subprocess.Popen[str]:
        return subprocess.Popen(
            [ENVIRONMENT / "bin" / "python", "-m", "csam_lightning.train", *command],
            cwd=work,
            env={**os.environ, "MLFLOW_TRACKING_URI": ""},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    with start() as sweep:
        end = time.monotonic() + WAIT
        while epochs_of_fold_0(work) < 3 and sweep.poll() is None and time.monotonic() < end:
            time.sleep(0.2)
        listening = addresses(work)
        assert listening
        assert listening <= set(LOOPBACK)
        kill_a_cell(work)
        said, _ = sweep.communicate(timeout=WAIT)
    assert sweep.returncode == 1, said
    assert said.splitlines()[-1] == "error: 1 of 2 cells failed, see above; the others are done"
    assert "trainer.accelerator=abacus: " in said
    assert "1 cell done, 1 failed, 2 impossible (listed above)" in said
    assert "cells: 1 done, 1 failed, 0 left" in said
    for fold in (0, 1):
        for epoch in (1, 8):
            assert said.count(f"fold {fold} epoch {epoch}/8") == 1  # it went on where it was killed
    assert said.index("fold 0 finished") < said.index("fold 1 epoch 1/8")  # a cell had one core of the two
    client = MlflowClient(f"sqlite:///{work}/mlflow.db")
    experiment = client.get_experiment_by_name("csam_lightning")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id])
    assert sorted(run.info.status for run in runs) == ["FAILED"] + ["FINISHED"] * 3  # sweep; cell and its two folds

    with start() as sweep:
        said, _ = sweep.communicate(timeout=WAIT)
    assert sweep.returncode == 1, said
    assert "2 cells, 4 trainings (folds), of which 2 are there already" in said
    assert " epoch 1/8" not in said
    wait_for_orphans(work)
