"""The real command on a tiny grid: what it says, what it leaves behind, what it takes up."""

import csv
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from mlflow.tracking import MlflowClient

from tests.conftest import heed_interrupts, wait_for_orphans

Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def settings(scans_folder: Path, tmp_path: Path) -> list[str]:
    small = ["data.image_size=32", "data.num_folds=3", "trainer.max_epochs=1", "folds=[0,1]"]
    return ["data=folder", f"data.root={scans_folder}", f"cache_dir={tmp_path}/cache", *small]


def runs(work: Path) -> list[Any]:
    client = MlflowClient(f"sqlite:///{work}/mlflow.db")
    experiment = client.get_experiment_by_name("csam_lightning")
    assert experiment is not None
    return list(client.search_runs([experiment.experiment_id], order_by=["attributes.start_time"]))


def below(found: list[Any], parent: Any) -> list[Any]:
    return [run for run in found if run.data.tags.get("mlflow.parentRunId") == parent.info.run_id]


def sweeps(found: list[Any]) -> list[Any]:
    return [run for run in found if "mlflow.parentRunId" not in run.data.tags]


def summary(work: Path) -> list[dict[str, str]]:
    """Return the rows of the latest sweep's summary."""
    with max(work.glob("outputs/sweeps/*/summary.csv")).open() as file:
        return list(csv.DictReader(file))


def test_failing_cell_fails_alone_and_a_sweep_takes_up_what_is_trained(
    command: Command, settings: list[str], tmp_path: Path
) -> None:
    work = tmp_path / "work"
    done = command("train", *settings, "data.batch_size=4,8", "trainer.accelerator=cpu,abacus", "-m")
    assert done.returncode == 1
    assert "4 cells, 8 trainings (folds), of which 0 are there already" in done.stdout
    assert "cells: 1 done, 1 failed, 2 left; about" in done.stderr
    assert done.stderr.splitlines()[-1] == "error: 2 of 4 cells failed, see above; the others are done"
    assert "Traceback" not in done.stderr
    assert "data.batch_size=8 trainer.accelerator=abacus: trainer.accelerator=abacus: " in done.stdout
    rows = summary(work)
    assert [bool(row["reason"]) for row in rows] == [False, False, True, True]
    assert float(rows[0]["val_f1"]) >= float(rows[1]["val_f1"])
    assert (max(work.glob("outputs/sweeps/*")) / "ranking.png").stat().st_size > 1000

    found = runs(work)
    [sweep] = sweeps(found)
    assert sweep.info.status == "FAILED"
    assert sweep.data.metrics == {"cells/done": 2, "cells/failed": 2, "cells/impossible": 0}
    cells = {run.info.run_name: run for run in below(found, sweep) if run.info.status == "FINISHED"}
    assert set(cells) == {"24 px32 b4", "24 px32 b8"}
    assert len(below(found, cells["24 px32 b4"])) == 2
    assert {run.info.status for run in below(found, cells["24 px32 b4"])} == {"FINISHED"}

    other = command("train", *settings, "data.batch_size=8,16", "-m", "trainer.accelerator=cpu")
    assert other.returncode == 0, other.stderr
    assert "2 cells, 4 trainings (folds), of which 2 are there already" in other.stdout
    assert other.stderr.count("epoch 1/1") == 2
    again = command("train", *settings, "data.batch_size=16,8", "trainer.accelerator=cpu", "-m")
    assert "2 cells, 4 trainings (folds), of which 4 are there already" in again.stdout
    assert "epoch 1/1" not in again.stderr
    found = runs(work)
    assert [run.info.status for run in sweeps(found)] == ["FAILED", "FINISHED"]  # the third was the second's grid
    assert {run.info.run_name for run in below(found, sweeps(found)[1])} == {"24 px32 b8", "24 px32 b16"}


def test_impossible_cells_are_listed_once_never_launched_and_no_failure(
    command: Command, settings: list[str], tmp_path: Path
) -> None:
    work = tmp_path / "work"
    grid = [*settings, "data.batch_size=4,8", "data.size=-1,24", "hydra.sweeper.max_batch_size=1", "-m"]
    done = command("train", *grid)
    assert done.returncode == 0, done.stderr
    reason = (
        "data.size: data size -1 cannot be reached with 24 training scans; choose a size from 1 to 24, or null for all"
    )
    assert f"  data.batch_size=4 data.size=-1; data.batch_size=8 data.size=-1: {reason}" in done.stdout.splitlines()
    assert (done.stdout + done.stderr).count(reason) == 1
    assert "2 cells done, 0 failed, 2 impossible (listed above)" in done.stdout.splitlines()
    assert "cells: 2 done, 0 failed, 0 left" in done.stderr
    assert {folder.name for folder in work.glob("outputs/sweeps/*/[0-9]*")} == {"0", "1"}
    assert [(row["outcome"], row["reason"] == reason) for row in summary(work)] == [
        *[("done", False)] * 2,
        *[("impossible", True)] * 2,
    ]
    found = runs(work)
    [sweep] = sweeps(found)
    assert sweep.info.status == "FINISHED"
    assert sweep.data.metrics == {"cells/done": 2, "cells/failed": 0, "cells/impossible": 2}
    assert {run.info.run_name for run in below(found, sweep)} == {"24 px32 b4", "24 px32 b8"}

    again = command("train", *grid)
    assert again.returncode == 0
    assert "2 cells, 4 trainings (folds), of which 4 are there already" in again.stdout
    assert len(sweeps(runs(work))) == 1


def test_long_sweep_says_how_long_it_takes(settings: list[str], work_folder: Path) -> None:
    grid = [*settings, "trainer.max_epochs=20000", "seed=0,1", "-m"]
    told, *rest = interrupted(grid, work_folder, signal.SIGINT, after="on this machine")
    expected = (
        r"about (?:\d+ days? )?\d+ h.* on this machine \(estimate from \d+ timed steps; corrected as cells end\)\n"
    )
    assert re.fullmatch(expected, told), told
    assert rest[-1] == "error: interrupted: run the same command again to go on from here\n"
    assert "Traceback" not in "".join(rest)
    wait_for_orphans(work_folder)


@pytest.mark.parametrize("how", [signal.SIGINT, pytest.param(signal.SIGKILL, marks=pytest.mark.faults)])
def test_interrupted_sweep_goes_on_with_the_same_command(
    how: signal.Signals, command: Command, settings: list[str], tmp_path: Path
) -> None:
    work = tmp_path / "work"
    grid = [*settings, "+experiment=seeds", "trainer.max_epochs=3", "seed=0,1", "-m"]
    rest = "".join(interrupted(grid, work, how, after="fold 0 epoch 2/3"))
    assert "Traceback" not in rest, rest
    wait_for_orphans(work)
    if how == signal.SIGKILL:
        others_show_the_dead_as_dead(command, settings, work)
    resumed = command("train", *grid)
    assert resumed.returncode == 0, resumed.stderr
    assert resumed.stderr.count("fold 0 epoch 1/3") == 1  # of the second cell alone
    found = runs(work)
    sweep = sweeps(found)[0]
    assert {run.info.status for run in found} == {"FINISHED"}
    assert sweep.info.run_name == "seeds · 2 cells"
    assert sweep.data.params["seed"] == "0,1"
    cells = below(found, sweep)
    assert len(cells) == 2
    assert [len(below(found, cell)) for cell in cells] == [2, 2]
    assert [row["reason"] for row in summary(work)] == ["", ""]


def others_show_the_dead_as_dead(command: Command, settings: list[str], work: Path) -> None:
    """Train another cell, which ends the runs that the killed sweep has left open."""
    assert "RUNNING" in {run.info.status for run in runs(work)}
    assert command("train", *settings, "seed=7").returncode == 0
    found = runs(work)
    assert sweeps(found)[0].info.status == "KILLED"
    assert "RUNNING" not in {run.info.status for run in found}


def test_two_sweeps_at_once_train_no_cell_twice(settings: list[str], work_folder: Path) -> None:
    work = work_folder
    both = [
        subprocess.Popen(
            [sys.executable, "-m", "csam_lightning.train", *settings, "seed=0,1", "-m"],
            cwd=work,
            env={**os.environ, "MLFLOW_TRACKING_URI": ""},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    said = [process.communicate(timeout=300) for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    assert sum(text.count("epoch 1/1") for _, text in said) == 4
    found = runs(work)
    assert len(sweeps(found)) == 1
    assert len(found) == 1 + 2 + 4
    assert {run.info.status for run in found} == {"FINISHED"}


def interrupted(arguments: list[str], work: Path, how: signal.Signals, *, after: str) -> Iterator[str]:
    """Start a training, end it as soon as a line with ``after`` has come; yield that line and what is said then."""
    with subprocess.Popen(
        [sys.executable, "-m", "csam_lightning.train", *arguments],
        cwd=work,
        env={**os.environ, "MLFLOW_TRACKING_URI": ""},
        stderr=subprocess.STDOUT,
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=heed_interrupts,  # noqa: PLW1509 - no threads are running here
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if after in line:
                yield line
                break
        process.send_signal(how)
        yield from process.stdout


def test_cells_side_by_side_with_joblib(settings: list[str], work_folder: Path) -> None:
    work = work_folder
    grid = [*settings, "hydra/launcher=joblib", "hydra.launcher.n_jobs=2", "seed=0,1", "trainer.accelerator=cpu,abacus"]
    grid += ["data.size=24,-1"]
    done = subprocess.run(
        [sys.executable, "-m", "csam_lightning.train", *grid, "-m"],
        cwd=work,
        env={**os.environ, "MLFLOW_TRACKING_URI": ""},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    assert "cells: 2 done, 2 failed, 0 left" in done.stderr
    assert "is launching 4 jobs" in done.stderr
    assert "2 cells done, 2 failed, 4 impossible (listed above)" in done.stdout
    assert "Warning" not in done.stderr
    assert sorted(row["cell"] for row in summary(work) if not row["reason"]) == [
        "24 px32 b8",
        "24 px32 b8 seed1",
    ]
    found = runs(work)
    [sweep] = sweeps(found)
    assert [run.info.status for run in below(found, sweep)].count("FINISHED") == 2


def test_sweep_without_its_flag_is_refused(command: Command, tmp_path: Path) -> None:
    done = command("train", "+experiment=seeds")
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1] == "error: experiment: it is a sweep of many cells; add -m to run it"
    assert not list((tmp_path / "work").glob("outputs/*/*"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["seed=0,1", "tracking.uri=foo://bar"], "error: tracking.uri: 'foo://bar' is no address of an MLflow store;"),
        (["seed=0,1", "output_dir=/proc/nowhere"], "error: /proc/nowhere"),
        (["hydra/launcher=joblib", "hydra.launcher.n_jobs=0"], "error: hydra.launcher.n_jobs: no cell would run;"),
        (
            ["data.batch_size=0,-1"],
            "error: configuration: none of the sweep's 2 jobs can run; the first, data.batch_size=0, says: ",
        ),
    ],
)
def test_sweep_that_cannot_begin_is_refused(
    arguments: list[str], message: str, command: Command, settings: list[str], tmp_path: Path
) -> None:
    done = command("train", *settings, *arguments, "-m")
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith(message)
    assert not {"Traceback", "Warning"} & set(done.stderr.replace(":", " ").split())
    assert not list((tmp_path / "work").glob("outputs/cells/*"))


def test_sweep_s_store_that_is_away_costs_no_result(command: Command, settings: list[str], tmp_path: Path) -> None:
    work = tmp_path / "work"
    (tmp_path / "blocked").write_text("")
    uri = f"sqlite:///{tmp_path}/blocked/mlflow.db"
    away = command("train", *settings, "seed=0,1", "-m", MLFLOW_TRACKING_URI=uri)
    assert away.returncode == 0, away.stderr
    assert "The sweep's run" in away.stderr
    results = [json.loads(file.read_text()) for file in work.glob("outputs/sweeps/*/*/result.json")]
    assert [result["run_id"] for result in results] == [None, None]
    (tmp_path / "blocked").unlink()
    assert command("train", *settings, "seed=0", MLFLOW_TRACKING_URI=uri).returncode == 0
    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name("csam_lightning")
    assert experiment is not None
    found = list(client.search_runs([experiment.experiment_id]))
    sweep = next(run for run in sweeps(found) if "sweep.id" in run.data.tags)
    assert sweep.info.status == "FINISHED"
    assert len(below(found, sweep)) == 2
    assert [file.path for file in client.list_artifacts(sweep.info.run_id)] == ["ranking.png", "summary.csv"]
