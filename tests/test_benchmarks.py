"""The benchmarks run, and what they print is what was measured."""

import sys
from pathlib import Path

import pytest

from benchmarks import results
from benchmarks.fold import FoldFigures, Rounds, Spent, measure_rounds
from benchmarks.observer import CommandFailedError, observe
from benchmarks.task import Task
from benchmarks.training import parts_table, speed_table
from csam_lightning.reporting.tables import Table

TASK = Task(32, 8, 16)


def test_every_part_of_an_epoch_is_timed_each_round() -> None:
    rounds = measure_rounds(TASK, 2)
    for part in ("ours", "steps", "validation", "input", "checkpoint"):
        taken = getattr(rounds, part)
        assert len(taken) == 2
        assert all(spent.wall > 0 for spent in taken)


def test_tables_hold_medians_and_shares() -> None:
    def times(*seconds: float) -> list[Spent]:
        return [Spent(wall, wall / 2) for wall in seconds]

    rounds = Rounds(times(4, 2, 5), times(1.5, 1, 1), times(0.5, 0.5, 3), times(0.2, 0.2, 9), times(0.1, 0.1, 0))
    figures = FoldFigures(TASK, rounds, ours_bytes=300_000_000, limit_bytes=200_000_000)
    limit, ours = speed_table([figures]).rows
    assert limit == [TASK.name, "limit", 16 / 1.5, 1000 * 0.75 / 16, 200.0, 1.0]
    assert ours == [TASK.name, "ours", 16 / 4, 1000 * 2 / 16, 300.0, 0.75]
    [parts] = parts_table([figures]).rows
    assert parts[1:] == pytest.approx([2, 0.5, 0.25, 0.1, 0.05, 1.1, 0.05])


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads /proc")
def test_a_command_is_measured_with_all_that_it_starts(tmp_path: Path) -> None:
    work = "import time; x = bytearray(10**8); sum(range(4 * 10**7)); time.sleep(2)"  # memory is looked at each second
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {work!r}])"
    taken = observe([sys.executable, "-c", code], folder=tmp_path)
    assert taken.wall > 2
    assert taken.cpu > 0.1
    assert taken.memory > 10**8


def test_a_command_that_fails_is_told(tmp_path: Path) -> None:
    with pytest.raises(CommandFailedError, match=r"(?s)failed:.*no such luck"):
        observe([sys.executable, "-c", "raise SystemExit('no such luck')"], folder=tmp_path)


def test_results_are_kept_with_the_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(results, "FOLDER", tmp_path)
    table = Table("speed", "How fast", ["who", "images/s"], [["ours", 61.25]])
    path = results.publish("training", "python -m benchmarks training", results.machine(), [table], ["A note."])
    text = path.read_text()
    assert "`python -m benchmarks training`" in text
    assert "| ours | 61.2 |" in text
    assert " cores, " in text
    assert "torch 2." in text
    assert "A note." in text
    assert "61.2" in capsys.readouterr().out
