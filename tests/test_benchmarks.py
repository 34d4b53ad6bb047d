"""The benchmarks run, and what they print is what was measured."""

import shutil
import subprocess
import sys
import time
from argparse import ArgumentParser, Namespace
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from multiprocessing import Pipe, get_context
from pathlib import Path
from threading import Barrier, Thread

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from benchmarks import __main__ as command
from benchmarks import cells, choice, gpu, images, layouts, results, scores, startup, together, training, usual
from benchmarks.cell import LATE, CellRounds, CellTask
from benchmarks.clock import Spent
from benchmarks.fold import FoldFigures, Rounds, measure_rounds
from benchmarks.gpu import verdict
from benchmarks.growth import draw_growth
from benchmarks.image_steps import STEPS, Step
from benchmarks.images import FEW, LEAST, costs, write_data_set
from benchmarks.layouts import rows_of
from benchmarks.limit import GraphedLoop
from benchmarks.observer import CommandFailedError, Taken, observe
from benchmarks.populations import EASE, Grid, drawn, shares, true_scores
from benchmarks.sweeps import PAPER, Sweeps, ratio
from benchmarks.task import Task, fold_job
from benchmarks.together import Gate, Point, Work, Worked, curve, images_per_second, limit, ours
from benchmarks.training import cell_table, parts_table, speed_table
from benchmarks.turn_taker import TurnTaker
from benchmarks.usual_fold import described_fold
from csam_lightning.acceleration import layout
from csam_lightning.errors import InputError
from csam_lightning.evaluation.clusters import macro_f1
from csam_lightning.reporting.tables import Table

TASK = Task(32, 8, 16)


def test_every_part_of_an_epoch_is_timed_each_round(work_folder: Path) -> None:
    rounds = measure_rounds(replace(TASK, precision="bf16-mixed"), 2, work_folder)
    for part in ("ours", "steps", "validation", "input", "metrics", "logging", "checkpoint"):
        taken = getattr(rounds, part)
        assert len(taken) == 2
        assert all(spent.wall > 0 for spent in taken)
    assert len(rounds.augmentation) == 2


@pytest.mark.filterwarnings("ignore")  # what Lightning says of the defaults that the usual way leaves alone
def test_the_usual_way_trains_an_epoch_each_time_it_is_asked(
    tmp_path: Path, empty_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copy(empty_store, "usual.db")
    described = described_fold(TASK, fold_job(TASK, tmp_path, epochs=1), tmp_path / "scans", epochs=2)
    mine, theirs = Pipe()
    for _ in range(2):
        mine.send("go")
    usual.train_fold(described, 0, [TurnTaker(theirs)])
    (start, _), (first, memory) = mine.recv(), mine.recv()
    assert not mine.poll()
    assert start.wall > 0
    assert first.cpu > 0
    assert memory > 10**8


def test_tables_hold_medians_and_shares() -> None:
    def times(*seconds: float) -> list[Spent]:
        return [Spent(wall, wall / 2) for wall in seconds]

    rounds = Rounds(
        ours=times(4, 2, 5),
        usual=times(6, 8, 5),
        steps=times(1.5, 1, 1),
        validation=times(0.5, 0.5, 3),
        input=times(0.2, 0.2, 9),
        augmentation=times(0.3, 0.1, 0.1),
        metrics=times(0.02, 0.02, 0.1),
        logging=times(0.04, 0.04, 0.02),
        checkpoint=times(0.1, 0.1, 0),
        usual_bytes=[300_000_000, 400_000_000],
    )
    figures = FoldFigures(TASK, rounds, ours_bytes=300_000_000, limit_bytes=200_000_000)
    first, second, third = speed_table([figures]).rows
    assert first == [TASK.name, "limit", 16 / 1.5, 1000 * 0.75 / 16, 200.0, 1.0, 6 / 2]
    assert second == [TASK.name, "ours", 16 / 4, 1000 * 2 / 16, 300.0, 0.75, 1.5]
    assert third == [TASK.name, "usual", 16 / 6, 1000 * 3 / 16, 400.0, None, 1.0]
    names, seconds = zip(*parts_table([figures]).rows, strict=True)
    assert list(seconds) == pytest.approx([2, 0.5, 0.25, 0.1, 0.05, 0.01, 0.02, 0.05, 1.02, 0.075])
    assert (names[0], names[-2]) == ("ours", "the rest")


def test_the_limit_of_a_cell_is_that_of_its_folds_on_every_core(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "usable_cores", lambda: 2)
    cell = CellTask(40, TASK.image_size, TASK.batch_size, epochs=3)
    cells = CellRounds(usual=[Taken(wall=30, cpu=50, memory=10**9)])
    cells.ours["32-true"].append(Taken(wall=15, cpu=28, memory=2 * 10**9))
    once = [Spent(0.0, 0.0)]
    rounds = Rounds(ours=once, steps=[Spent(4, 2)], validation=[Spent(0.75, 0.3)])
    fold = FoldFigures(TASK, rounds, ours_bytes=1, limit_bytes=300_000_000)
    usual, limit_, ours_ = cell_table(cell, cells, [fold, replace(fold, task=replace(TASK, batch_size=4))]).rows
    assert usual == ["usual", 30, 20, 50, pytest.approx(1000 / 12), pytest.approx(5 / 3), 1000, 1]
    assert ours_ == ["ours", 15, 40, 28, pytest.approx(28 / 0.6), pytest.approx(28 / 15), 2000, 2]
    # An epoch of a fold: 32 images at 4 s for 16, and 8 scans at 0.75 s for 3.
    wall, cpu = 3 * 5 * (8 + 2) / 2, 3 * 5 * (4 + 0.8)
    expected = [wall, 600 / wall, cpu, 1000 * cpu / 600, cpu / wall, 600, 30 / wall]
    assert limit_ == ["limit", *(pytest.approx(number) for number in expected)]


def test_a_fold_in_bf16_has_no_usual_row() -> None:
    once = [Spent(1, 1)]
    rounds = Rounds(ours=once, steps=once, validation=once)
    figures = FoldFigures(replace(TASK, precision="bf16-mixed"), rounds, ours_bytes=1, limit_bytes=1)
    assert [(row[1], row[-1]) for row in speed_table([figures]).rows] == [("limit", None), ("ours", None)]


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads /proc")
def test_cost_per_image_leaves_out_what_few_images_take() -> None:
    few = [{"check": Step(seconds, 0), "training": Step(1.0, 0)} for seconds in (1.0, 2.0, 9.0)]
    many = [{"check": Step(4.8, 10**6, 5 * 10**5), "training": Step(2.12, 0)}]
    check, training = costs(FEW + 1400, many, few)
    assert check[:2] == (1700, "check")
    assert check[2:] == pytest.approx((4.8, 2000, 1.0, 0.5))
    assert training[3] == pytest.approx(1000)  # of 1,400 images 1,120 train
    assert training.kept is None


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads /proc")
def test_steps_of_a_data_set_are_timed_in_processes_of_their_own(tmp_path: Path) -> None:
    write_data_set(tmp_path / "few", FEW)
    write_data_set(tmp_path / "scans", FEW + 300)
    for step in STEPS:
        taken = images._step(step, tmp_path / "scans", tmp_path / "few", tmp_path)
        assert taken.seconds > 0
        assert taken.memory > 10**7
        assert (taken.kept or 0) > 10**7
        assert len(list(tmp_path.glob("cache/scans-*px-*/"))) == (step in {"cache", "folds"})


def test_a_command_is_measured_with_all_that_it_starts(tmp_path: Path) -> None:
    work = "import time; x = bytearray(10**8); sum(range(4 * 10**7)); time.sleep(5)"  # memory is looked at now and then
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {work!r}])"
    taken = observe([sys.executable, "-c", code], folder=tmp_path)
    assert taken.wall > 5
    assert taken.cpu > 0.1
    assert taken.memory > 10**8


def test_the_peak_of_a_process_is_its_own_and_not_that_of_the_one_that_started_it() -> None:
    child = "from benchmarks.clock import peak_memory; held = b'.' * 200_000_000; del held; print(peak_memory())"
    parent = f"""
import subprocess, sys
held = b"." * 600_000_000
subprocess.run([sys.executable, "-c", {child!r}], check=True)
"""
    done = subprocess.run([sys.executable, "-c", parent], check=True, capture_output=True, text=True)
    assert 200_000_000 < int(done.stdout) < 400_000_000


def test_a_command_that_fails_is_told(tmp_path: Path) -> None:
    with pytest.raises(CommandFailedError, match=r"(?s)failed:.*no such luck"):
        observe([sys.executable, "-c", "raise SystemExit('no such luck')"], folder=tmp_path)


def test_results_are_kept_with_the_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(results, "FOLDER", tmp_path)
    table = Table("speed", "How fast", ["who", "images/s"], [["ours", 61.25]])
    figure = draw_growth({"µs per image": {"check": {10: -1.0, 100: 5.0, 1000: 6.0}}}, over="images")
    [line] = figure.axes[0].get_lines()
    assert np.asarray(line.get_xdata()).tolist() == [100, 1000]  # what was lost in noise is left out
    command = "python -m benchmarks training"
    path = results.publish("training", command, results.machine(), [table], ["A note."], figure=figure)
    text = path.read_text()
    assert "`python -m benchmarks training`" in text
    assert "| ours | 61.2 |" in text
    assert " cores, " in text
    assert "torch 2." in text
    assert f"]({path.stem}.png)" in text
    assert path.with_suffix(".png").read_bytes().startswith(b"\x89PNG")
    assert "A note." in text
    assert "61.2" in capsys.readouterr().out


def test_processes_are_counted_while_all_of_them_work() -> None:
    one_epoch_a_second = [0.0, 1.0, 2.0, 3.0, 4.0]
    late_and_slow = [1.0, 3.0]
    assert images_per_second([one_epoch_a_second, late_and_slow], 10) == pytest.approx((2 * 10 + 1 * 10) / 2)


@pytest.mark.parametrize("work", [limit, ours])
def test_a_process_marks_its_epochs_after_all_are_warm(work: Work) -> None:
    worked = work(replace(TASK, precision="bf16-mixed"), 1, Barrier(1))
    assert len(worked.marks) == 2
    assert worked.marks == sorted(worked.marks)
    assert worked.memory > 10**8


def test_more_processes_are_tried_as_long_as_they_pay(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = {1: 1.0, 2: 1.2, 4: 2.4, 8: 2.4}

    def run(_: Work, __: Task, *, epochs: int, processes: int) -> list[Worked]:
        return [Worked([0, seconds[processes] * epochs], 7)] * processes

    monkeypatch.setattr(together, "run_together", run)
    points = curve(limit, TASK, epochs=1, counts=[1, 2, 4, 8])
    assert [point.processes for point in points] == [1, 2, 4]
    assert [point.rate for point in points] == pytest.approx([16, 2 * 16 / 1.2, 4 * 16 / 2.4])


def test_processes_that_fail_end_the_trying(monkeypatch: pytest.MonkeyPatch) -> None:
    def run(_: Work, __: Task, *, epochs: int, processes: int) -> list[Worked]:
        if processes > 1:
            raise CommandFailedError("out of memory")
        return [Worked([0, epochs], 7)]

    monkeypatch.setattr(together, "run_together", run)
    assert curve(limit, TASK, epochs=1, counts=[1, 2, 4]) == [Point(1, 16.0, 7)]


def reach(_: gpu.Sizes, __: Namespace) -> gpu.Measured:
    """Stand for a part of ``gpu`` whose target is reached."""
    return [verdict("speed", measured=9, least=8)], Table("cell", "A cell", ["who"], [["ours"]])


def test_a_part_that_fails_ends_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(_: gpu.Sizes, __: Namespace) -> gpu.Measured:
        raise CommandFailedError("train failed:\nout of memory")

    monkeypatch.setattr(results, "FOLDER", tmp_path)
    monkeypatch.setattr(gpu, "PARTS", {"limit": fail, "cell": reach})
    monkeypatch.setattr(gpu, "check_device", lambda _: None)
    parser = ArgumentParser()
    gpu.add_arguments(parser)
    with pytest.raises(CommandFailedError, match=r"^failed: limit; see above$"):
        gpu.main(parser.parse_args([]))
    [kept] = tmp_path.iterdir()
    assert "| limit: failed, out of memory |  |  | no |" in kept.read_text()
    assert "| speed | ≥ 8 | 9 | yes |" in kept.read_text()
    assert "A cell" in capsys.readouterr().out


def test_parts_before_an_interruption_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def wait(_: gpu.Sizes, __: Namespace) -> gpu.Measured:
        raise KeyboardInterrupt

    monkeypatch.setattr(results, "FOLDER", tmp_path)
    monkeypatch.setattr(gpu, "PARTS", {"cell": reach, "grid": wait})
    monkeypatch.setattr(gpu, "check_device", lambda _: None)
    parser = ArgumentParser()
    gpu.add_arguments(parser)
    with pytest.raises(KeyboardInterrupt):
        gpu.main(parser.parse_args([]))
    [kept] = tmp_path.iterdir()
    assert "| speed | ≥ 8 | 9 | yes |" in kept.read_text()
    assert gpu.NOTES["grid"] not in kept.read_text()


def test_a_curve_without_a_point_is_a_part_that_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu, "curve", lambda work, *_, **__: [] if work is limit else [Point(1, 9.0, 7)])
    parser = ArgumentParser()
    gpu.add_arguments(parser)
    options = parser.parse_args(["--accelerator", "cpu"])
    with pytest.raises(CommandFailedError, match="limit or ours was not measured"):
        gpu._limit(gpu.TINY, options)


def test_a_process_that_dies_leaves_no_other_waiting() -> None:
    gate = get_context("spawn").Barrier(2)
    (mine, theirs), (from_the_dead, dead) = Pipe(), Pipe()

    def wait(_: Task, __: int, gate: Gate) -> Worked:
        gate.wait()
        return Worked([], 0)

    Thread(target=together._send, args=(theirs, wait, TASK, 1, gate)).start()
    dead.close()
    assert together._received(from_the_dead, gate) == "its process died"
    assert together._received(mine, gate) == ""


def test_a_process_that_fails_says_why() -> None:
    gate = get_context("spawn").Barrier(2)
    mine, theirs = Pipe()

    def fail(_: Task, __: int, ___: Gate) -> Worked:
        raise MemoryError("no room")

    together._send(theirs, fail, TASK, 1, gate)
    assert together._received(mine, gate) == "MemoryError: no room"
    assert gate.broken


def test_the_tenth_is_spread_evenly_over_the_grid() -> None:
    tenth = PAPER.tenth
    assert len(PAPER.cells) == 140
    assert len(set(tenth)) == 14
    assert set(tenth) < set(PAPER.cells)
    for place, values in enumerate((PAPER.sizes, PAPER.image_sizes, PAPER.batch_sizes)):
        often = Counter(cell[place] for cell in tenth)
        assert set(often) == set(values)
        assert max(often.values()) - min(often.values()) <= 1


@given(st.tuples(*[st.floats(0, 1e3)] * 3).filter(any))
def test_the_extrapolation_leaves_out_no_cost(costs: tuple[float, float, float]) -> None:
    def seconds(cells: Sequence[tuple[int, int, int]]) -> float:
        per_cell, per_step, per_pixel = costs
        return sum(per_cell + per_step * size / batch + per_pixel * size * side**2 for size, side, batch in cells)

    assert seconds(PAPER.cells) <= ratio(PAPER.cells, PAPER.tenth) * seconds(PAPER.tenth) * (1 + 1e-9)


def test_the_three_sweeps_change_one_factor_at_a_time(tmp_path: Path) -> None:
    sweeps = Sweeps(PAPER, tmp_path, "gpu", 3, ("trainer.precision=bf16-mixed",))
    _, image_size, _ = sweeps.commands()
    assert image_size[1:4] == ["-m", "csam_lightning.train", "-m"]
    assert image_size[4:8] == [
        "+experiment=image_size",
        "data.size=840",
        "data.image_size=50,100,150,200,250,300,350",
        "data.batch_size=8",
    ]
    assert {"trainer.max_epochs=20", "hydra.launcher.n_jobs=3", "trainer.precision=bf16-mixed"} < set(image_size)
    assert image_size.index("trainer.precision=bf16-mixed") < image_size.index("trainer.max_epochs=20")  # the last wins


def test_a_further_cell_has_no_share_of_the_sweeps_start() -> None:
    start, each = 9.0, 1.8
    per_cell = {cells: start / cells + each for cells in (10, 100, 1000)}
    first, *further = cells.each_further(per_cell)
    assert first is None
    assert further == pytest.approx([each, each])


@pytest.mark.parametrize("trial", [["--tiny"], ["--accelerator", "cpu"]])
def test_a_trial_says_nothing_about_targets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trial: list[str]) -> None:
    monkeypatch.setattr(results, "FOLDER", tmp_path)
    monkeypatch.setattr(gpu, "PARTS", {"cell": reach})
    monkeypatch.setattr(gpu, "check_device", lambda _: None)
    parser = ArgumentParser()
    gpu.add_arguments(parser)
    gpu.main(parser.parse_args(trial))
    [kept] = tmp_path.iterdir()
    assert "| speed | ≥ 8 | 9 |  |" in kept.read_text()


def test_a_target_is_reached_or_not() -> None:
    assert verdict("speed", measured=0.8, least=0.8) == ["speed", "≥ 0.8", 0.8, "yes"]
    assert verdict("time", measured=45.1, most=45) == ["time", "≤ 45", 45.1, "no"]


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_each_way_of_laying_out_a_network_is_set_against_the_plain_one(precision: str) -> None:
    rows = rows_of(replace(TASK, precision=precision), 2)
    assert [row[1] for row in rows] == ["plain", "channels last", "products from 512", "products from 256"]
    assert rows[0][3:] == [1.0, 1.0, 1.0]
    for row in rows:
        milliseconds, median, least, most = (float(str(entry)) for entry in row[2:])
        assert milliseconds > 0
        assert 0 < least <= median <= most


def test_products_are_not_tried_on_a_gpu_and_several_threads_are_told_apart_by_the_wall_clock() -> None:
    assert list(layouts._ways(replace(TASK, accelerator="gpu"))) == ["plain", "channels last"]
    assert [layouts.clock_of(*case) for case in (("cpu", 1), ("cpu", 2), ("gpu", 1))] == ["cpu", "wall", "wall"]


def test_scores_are_not_compared_where_both_layouts_are_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layout, "by_products", lambda *_: False)
    parser = ArgumentParser()
    scores.add_arguments(parser)
    with pytest.raises(InputError, match=r"^32-true: this CPU trains in PyTorch's own layout; compare where"):
        scores.main(parser.parse_args(["--precisions", "32-true"]))


@pytest.mark.skipif(not layout.by_products(torch.device("cpu"), "32-true"), reason="both layouts are one on this CPU")
def test_scores_of_both_layouts_are_set_against_each_other_seed_by_seed(tmp_path: Path) -> None:
    task = CellTask(140, 32, 64, epochs=1, simulation=LATE)
    found = scores.measure(task, 2, ["32-true"], tmp_path)
    plain, ours = found.values()
    assert len(plain) == len(ours) == 2
    # rounding alone tells them apart, and it does: both layouts were really used
    assert plain != ours
    np.testing.assert_allclose([one.loss for one in ours], [one.loss for one in plain], rtol=0.05)
    rows = scores.difference_rows(found)
    assert [row[0] for row in rows] == ["loss", "accuracy", "macro recall"]
    assert rows[0][2:4] == [ours[seed].loss - plain[seed].loss for seed in range(2)]


def test_interval_of_a_mean_difference_is_students() -> None:
    differences = [0.1, -0.2, 0.4, 0.3]
    low, high = stats.ttest_1samp(differences, 0).confidence_interval(0.95)
    assert scores.half_interval(differences) == pytest.approx((high - low) / 2)


def test_true_scores_of_synthetic_cells_are_those_of_many_packages() -> None:
    population = drawn(Grid(sides=(100,), batches=(8,), epochs=(10, 20), packages=20_000), np.random.default_rng(0))
    counts = population.confusions.sum(axis=(1, 2))
    assert macro_f1(counts) == pytest.approx(population.truth, abs=0.01)
    assert counts[0].sum(axis=1) / counts[0].sum() == pytest.approx(shares(), abs=0.01)
    assert (np.diff(true_scores(np.linspace(-1, 3, len(EASE)))) > 0).all()


def test_rules_are_set_against_each_other_on_synthetic_cells(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    small = Grid(sides=(50, 200), batches=(8,), epochs=(5, 20), packages=30)
    monkeypatch.setattr(choice, "GRIDS", {"4 cells": small})
    monkeypatch.setattr(choice, "GUESSING", ((4, 30),))
    monkeypatch.setattr(results, "FOLDER", tmp_path)
    choice.main(Namespace(populations=6))
    [kept] = tmp_path.glob("*-choice.md")
    written = kept.read_text()
    assert [line.split(" | ")[1] for line in written.splitlines() if line.startswith("| 4 cells |")] == [
        "ours",
        "overlap",
        "best score",
    ]
    assert "4 cells that guess, 30 packages | 1.000" in written
    assert "Target: a mean regret of at most 0.02" in capsys.readouterr().out


def test_the_rule_before_takes_the_fewest_seconds_of_those_whose_intervals_overlap() -> None:
    population = drawn(Grid(sides=(50, 100, 200), batches=(8,), epochs=(10,)), np.random.default_rng(0))
    folds = np.array([[0.1, 0.11, 0.12], [0.5, 0.7, 0.9], [0.7, 0.8, 0.9]])
    trial = replace(choice.tried(population, np.random.default_rng(0)), folds=folds, scores=folds.mean(axis=1))
    trial = replace(trial, population=replace(population, seconds=np.array([1.0, 2.0, 3.0])))
    assert choice.overlap(trial) == 1
    assert choice.best_score(trial) == 2


@pytest.mark.parametrize(("lacks", "expected"), [(True, ["32-true"]), (False, ["32-true", "bf16-mixed"])])
def test_bf16_is_not_measured_where_it_takes_hours(
    lacks: bool, expected: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "lacks_bf16", lambda: lacks)
    assert list(training.precisions_for("cpu")) == expected
    assert list(training.precisions_for("gpu")) == ["32-true", "bf16-mixed"]


def test_what_was_measured_is_kept_where_something_after_it_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> Table:
        raise CommandFailedError("train failed")

    once = [Spent(1, 1)]
    fold = FoldFigures(TASK, Rounds(ours=once, steps=once, validation=once), ours_bytes=1, limit_bytes=1)
    monkeypatch.setattr(results, "FOLDER", tmp_path)
    monkeypatch.setattr(training, "_folds", lambda *_: [fold])
    monkeypatch.setattr(training, "parts_table", lambda _: Table("parts", "Parts", ["part"], [["ours"]]))
    monkeypatch.setattr(startup, "measure", fail)
    parser = ArgumentParser()
    training.add_arguments(parser)
    with pytest.raises(CommandFailedError):
        training.main(parser.parse_args(["--cell-rounds", "0"]))
    [kept] = tmp_path.iterdir()
    assert "One fold, an epoch with its validation" in kept.read_text()


def test_folds_before_an_interruption_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fold_and_interruption(*_: object) -> Iterator[str]:
        yield "a fold"
        raise KeyboardInterrupt

    def named(folds: Sequence[str]) -> Table:
        return Table("folds", "Folds", ["fold"], [[fold] for fold in folds])

    monkeypatch.setattr(results, "FOLDER", tmp_path)
    monkeypatch.setattr(training, "_folds", fold_and_interruption)
    for table in ("speed_table", "parts_table"):
        monkeypatch.setattr(training, table, named)
    parser = ArgumentParser()
    training.add_arguments(parser)
    with pytest.raises(KeyboardInterrupt):
        training.main(parser.parse_args([]))
    [kept] = tmp_path.iterdir()
    assert kept.read_text().count("| a fold |") == 2


def test_sweeps_before_an_interruption_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def sweep(_: Path, cells: int) -> Taken:
        if cells > 10:
            raise KeyboardInterrupt
        return Taken(20.0, 0.0, 0)

    monkeypatch.setattr(results, "FOLDER", tmp_path)
    monkeypatch.setattr(cells, "_sweep", sweep)
    parser = ArgumentParser()
    cells.add_arguments(parser)
    with pytest.raises(KeyboardInterrupt):
        cells.main(parser.parse_args(["--cells", "10", "100"]))
    [kept] = tmp_path.glob("*.md")
    assert "| 10 | found finished | 20.0 | 0.000 | 2.000 |" in kept.read_text()


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads /proc")
def test_a_benchmark_that_is_asked_to_end_ends_with_what_it_started(tmp_path: Path) -> None:
    begun = tmp_path / "begun"
    work = f"""
import os, pathlib, tempfile, time
with tempfile.TemporaryDirectory(dir={str(tmp_path)!r}):
    pathlib.Path({str(begun)!r}).write_text(str(os.getpid()))
    time.sleep(600)
"""
    code = f"""
import sys
from benchmarks import __main__ as command, layouts
from benchmarks.pool import in_process
layouts.main = lambda _: in_process(exec, {work!r})
sys.argv[1:] = ["layouts"]
command.main()
"""
    benchmark = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True)
    while not begun.is_file() or not begun.read_text():
        assert benchmark.poll() is None
        time.sleep(0.05)
    benchmark.terminate()
    _, said = benchmark.communicate(timeout=60)
    assert (benchmark.returncode, said.splitlines()[-1]) == (130, "interrupted: the same command begins anew")
    assert not Path(f"/proc/{begun.read_text()}").exists()
    assert list(tmp_path.iterdir()) == [begun]


def test_a_command_whose_start_is_timed_says_why_it_failed() -> None:
    with pytest.raises(CommandFailedError, match=r"(?s)failed:.*no such luck"):
        startup._seconds([sys.executable, "-c", "raise SystemExit('no such luck')"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("images --images 300", f"argument --images: 300 is less than {LEAST}"),
        ("startup --rounds 0", "argument --rounds: 0 is less than 1"),
        ("layouts --rounds many", "argument --rounds: 'many' is no whole number"),
        ("training --rounds -1", "argument --rounds: -1 is less than 0"),
        ("training --rounds 0 --cell-rounds 0 --startup-rounds 0", "nothing is to be measured"),
        (
            "scores --cache-dir /dev/null/scans",
            "--cache-dir /dev/null/scans: cannot be written: Not a dir",
        ),
    ],
)
def test_numbers_that_make_no_sense_are_told_in_one_line(
    arguments: str, message: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["benchmarks", *arguments.split()])
    with pytest.raises(SystemExit) as left:
        command.main()
    assert left.value.code == 2
    assert message in capsys.readouterr().err.splitlines()[-1]


def test_benchmarks_are_listed_without_loading_pytorch() -> None:
    code = "import sys; from benchmarks.__main__ import main; sys.argv[1:] = ['--help']\ntry: main()\n"
    code += "finally: assert 'torch' not in sys.modules"
    listed = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    for name in command.BENCHMARKS:
        assert f"\n    {name} " in listed
    assert "Training speed and memory" in listed


def test_a_machine_without_a_gpu_is_told_so_in_one_line() -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    parser = ArgumentParser()
    gpu.add_arguments(parser)
    with pytest.raises(InputError) as caught:
        gpu.main(parser.parse_args([]))
    told = "--accelerator gpu: No supported gpu backend found; on a machine without one give --accelerator cpu"
    assert str(caught.value) == told


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("bogus=1", r"^--settings: .*bogus.*; give settings of csam_lightning.train"),
        ("trainer.precision=8", r"^trainer.precision.*"),
        ("trainer.max_epochs=many", r"^trainer.max_epochs: .*; --cfg job shows"),
    ],
)
def test_settings_are_checked_before_anything_is_measured(setting: str, message: str) -> None:
    parser = ArgumentParser()
    gpu.add_arguments(parser)
    with pytest.raises(InputError, match=message):
        gpu.main(parser.parse_args(["--accelerator", "cpu", "--tiny", "--settings", setting]))


def test_a_graphed_step_learns(tmp_path: Path) -> None:
    if not torch.cuda.is_available():
        pytest.skip("CUDA graphs need a GPU")
    task = replace(TASK, accelerator="gpu")
    loop = GraphedLoop(task, fold_job(task, tmp_path, epochs=1))
    before = [weight.clone() for weight in loop.weights]
    loop.train()
    assert all(weight.isfinite().all() for weight in loop.weights)
    assert any(not torch.equal(old, new) for old, new in zip(before, loop.weights, strict=True))
