"""A small sweep killed at random moments, each time taken up by the same command.

Run it with ``pytest -m faults``; ``CSAM_KILLS`` sets how many kills there are, ``CSAM_KILL_SEED`` when they come.
"""

import csv
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from mlflow.tracking import MlflowClient

from tests.conftest import belongs_to, tiny_table, wait_for_orphans, write_scans

pytestmark = pytest.mark.faults

KILLS = int(os.environ.get("CSAM_KILLS", "20"))
CLOCKED = ("seconds", "train_images_per_second")
CELLS, FOLDS, EPOCHS = 2, 2, 4


def test_sweep_killed_at_random_moments_loses_and_repeats_nothing(tmp_path: Path) -> None:
    chance = random.Random(os.environ.get("CSAM_KILL_SEED", "0"))  # noqa: S311 - moments, not secrets
    scans = write_scans(tmp_path / "scans", tiny_table())
    begun = time.monotonic()
    undisturbed = tmp_path / "undisturbed"
    assert begin(undisturbed, scans, tmp_path).wait() == 0
    lasted = time.monotonic() - begun
    assert "Warning" not in (undisturbed / "said.txt").read_text()
    expected = outcome(undisturbed)
    assert len(expected) == CELLS * (2 + FOLDS)

    kills: Counter[str] = Counter()
    sweeps = 0
    while kills.total() < KILLS:
        work = tmp_path / f"killed_{sweeps}"
        sweeps += 1
        survive(work, scans, tmp_path, lasted=lasted, chance=chance, kills=kills)
        assert outcome(work) == expected
        assert_runs_are_whole(work)
    print(f"{dict(kills)}: {kills.total()} kills in {sweeps} sweeps of {lasted:.0f} s each")  # noqa: T201 - with -s


def survive(work: Path, scans: Path, cache: Path, *, lasted: float, chance: random.Random, kills: Counter[str]) -> None:
    """Start the sweep again and again, killing something of it each time, until it comes to its end."""
    finished: dict[Path, int] = {}
    while True:
        process = begin(work, scans, cache)
        if kills.total() < KILLS:
            try:
                process.wait(timeout=chance.uniform(0, lasted))
            except subprocess.TimeoutExpired:
                victim = chance.choice(["fold", "launcher", "group"])
                kills[victim if kill(victim, process, work) else "launcher"] += 1
        status = process.wait()
        wait_for_orphans(work)
        for file, made in finished.items():
            assert file.stat().st_mtime_ns == made, "a finished fold was trained again"
        finished = {file: file.stat().st_mtime_ns for file in work.glob("outputs/cells/*/fold_*/outcome.json")}
        if status == 0:
            return


def begin(work: Path, scans: Path, cache: Path) -> subprocess.Popen[bytes]:
    work.mkdir(exist_ok=True)
    grid = ["seed=0,1", "data.image_size=32", f"data.num_folds={FOLDS}", f"trainer.max_epochs={EPOCHS}"]
    with (work / "said.txt").open("ab") as said:
        return subprocess.Popen(
            [
                *(sys.executable, "-m", "csam_lightning.train", "-m", "data=folder", f"data.root={scans}"),
                *(f"cache_dir={cache}/cache", *grid),
            ],
            cwd=work,
            env={**os.environ, "MLFLOW_TRACKING_URI": ""},
            stdout=said,
            stderr=said,
            start_new_session=True,
        )


def kill(victim: str, process: subprocess.Popen[bytes], work: Path) -> bool:
    """Kill a process of the sweep's, or all; return False where there was no fold to kill and the launcher fell."""
    if victim == "group":
        os.killpg(process.pid, signal.SIGKILL)
        return True
    folds = [
        int(entry.name)
        for entry in Path("/proc").glob("[0-9]*")
        if int(entry.name) != process.pid and belongs_to(entry, work)
    ]
    chosen = folds[-1] if victim == "fold" and folds else process.pid
    os.kill(chosen, signal.SIGKILL)
    return chosen != process.pid or victim == "launcher"


def outcome(work: Path) -> dict[str, Any]:
    """Return everything that a sweep ended in, but for times and the ids of runs."""
    rows = read_summary(max(work.glob("outputs/sweeps/*/summary.csv")))
    ended: dict[str, Any] = {f"row {row['cell']}": row for row in rows}
    for file in work.glob("outputs/cells/*/results/result.json"):
        ended[f"result {file.parts[-3]}"] = timeless(json.loads(file.read_text()))
    for file in work.glob("outputs/cells/*/fold_*/predictions.npz"):
        ended["/".join(file.parts[-3:])] = file.read_bytes()
    return ended


def read_summary(file: Path) -> list[dict[str, str]]:
    with file.open() as table:
        return [
            {name: value for name, value in row.items() if name not in {"run_id", "seconds"}}
            for row in csv.DictReader(table)
        ]


def timeless(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: timeless(part) for name, part in value.items() if name not in {*CLOCKED, "run_id"}}
    return [timeless(part) for part in value] if isinstance(value, list) else value


def assert_runs_are_whole(work: Path) -> None:
    """Check that MLflow holds one sweep, its cells and their folds, each once, finished, with all epochs once."""
    client = MlflowClient(f"sqlite:///{work}/mlflow.db")
    experiment = client.get_experiment_by_name("csam_lightning")
    assert experiment is not None
    found = client.search_runs([experiment.experiment_id])
    assert Counter(run.info.status for run in found) == {"FINISHED": 1 + CELLS + CELLS * FOLDS}
    names = Counter(run.info.run_name for run in found)
    assert max(names.values()) == 1, names
    for run in found:
        if "fold" in run.info.run_name:
            steps = [metric.step for metric in client.get_metric_history(run.info.run_id, "val/loss")]
            assert steps == list(range(1, EPOCHS + 1)) or steps == list(range(EPOCHS)), steps
