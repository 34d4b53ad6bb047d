"""How long a sweep is expected to take, from timed steps that are made up."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from omegaconf import DictConfig, OmegaConf

from csam_lightning.cells.shares import cells_at_once
from csam_lightning.machine.processes import usable_cores
from csam_lightning.sweeps.estimate import (
    CELL_SECONDS,
    USUAL,
    Pace,
    Speed,
    Step,
    TimedStep,
    affordable,
    fit_speed,
    kind_of,
    seconds_to_go,
    steps_to_time,
    work,
)
from csam_lightning.sweeps.pace import expected_pace, time_told, usual_pace
from tests.sweeps.test_sweep_plan import planned

BASIC = OmegaConf.create({"_target_": "hydra._internal.core_plugins.basic_launcher.BasicLauncher"})
SLURM = OmegaConf.create({"_target_": "hydra_plugins.hydra_submitit_launcher.submitit_launcher.SlurmLauncher"})


def timed(speed: Speed, *steps: Step, off: float = 1.0) -> list[TimedStep]:
    return [TimedStep(step, speed.seconds(step) * off, 5) for step in steps]


@given(st.floats(1e-4, 1), st.floats(1e-5, 1))
def test_speed_is_found_from_exact_times(per_step: float, per_image: float) -> None:
    steps = (Step(4, 50), Step(8, 100), Step(4, 350))
    found = fit_speed(timed(Speed(per_step, per_image), *steps))
    for step in steps:
        assert found.seconds(step) == pytest.approx(Speed(per_step, per_image).seconds(step), rel=1e-6)


def test_steps_of_one_size_scale_the_usual_speed() -> None:
    found = fit_speed([TimedStep(Step(8, 100), USUAL.seconds(Step(8, 100)) * factor, 3) for factor in (2.5, 3.5)])
    assert found.per_step == pytest.approx(3 * USUAL.per_step)
    assert found.per_image == pytest.approx(3 * USUAL.per_image)


def test_no_part_of_a_speed_is_below_zero() -> None:
    slow_small, fast_large = TimedStep(Step(4, 50), 1.0, 5), TimedStep(Step(64, 50), 0.5, 5)
    found = fit_speed([slow_small, fast_large])
    assert found.per_image == 0
    assert 0.5 < found.per_step < 1


def test_cheapest_middle_and_dearest_steps_are_timed() -> None:
    works = {Step(4, 350): 10.0, Step(4, 50): 1.0, Step(64, 350): 20.0, Step(16, 100): 2.0}
    assert steps_to_time(works) == [Step(4, 50), Step(64, 350)]
    works[Step(4, 350)] = 40.0
    assert steps_to_time(works) == [Step(4, 50), Step(4, 350), Step(64, 350)]
    assert steps_to_time({Step(8, 100): 1.0}) == [Step(8, 100)]


def test_step_that_takes_too_long_is_timed_with_fewer_images() -> None:
    before = TimedStep(Step(4, 50), 2 * USUAL.seconds(Step(4, 50)), 5)  # half as fast as usual
    assert affordable(Step(4, 50), before, seconds=1.0) == Step(4, 50)
    smaller = affordable(Step(64, 350), before, seconds=10.0)
    assert smaller == Step(5, 350)  # 5 steps of 2 · (0.05 + 0.015 · 61.25) s = 9.7 s
    assert affordable(Step(64, 350), before, seconds=1.0) is None
    assert affordable(Step(64, 350), None, seconds=1.0) == Step(2, 350)  # something has to be timed


@pytest.mark.parametrize("folds_at_once", [1, 2, 5])
def test_folds_and_cells_side_by_side_share_the_time(folds_at_once: int, scans_folder: Path) -> None:
    plan = planned(scans_folder, "seed=0,1")
    [key, _] = plan.cells.values()
    pace = Pace({kind_of(key.config): USUAL}, dict.fromkeys(plan.cells, folds_at_once), 2, 12)
    assert pace.total([key]) == pytest.approx((work(key) / min(folds_at_once, 3) + CELL_SECONDS) / 2)


def test_cell_whose_folds_are_trained_takes_no_time(scans_folder: Path) -> None:
    plan = planned(scans_folder, "seed=0,1")
    key = next(iter(plan.cells.values()))
    for fold in range(3):
        key.fold_folder(fold).path.mkdir(parents=True)
        key.fold_folder(fold).outcome.write_text("{}")
    assert usual_pace(plan, BASIC).seconds(key) == 0


def test_time_to_go_moves_from_the_expected_to_the_real() -> None:
    assert seconds_to_go(left=100, trained=0, elapsed=0, faith=2) == 100
    assert seconds_to_go(left=50, trained=50, elapsed=150, faith=0) == 150
    assert 140 < seconds_to_go(left=50, trained=50, elapsed=150, faith=2) < 150


def test_time_is_told_with_what_it_rests_on() -> None:
    assert time_told(191_000, 12) == (
        "about 2 days 5 h on this machine (estimate from 12 timed steps; corrected as cells end)"
    )


def test_short_sweep_is_not_timed(scans_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    expected_pace(planned(scans_folder, "seed=0,1"), BASIC)
    assert "time" not in "".join(capsys.readouterr())


def test_time_on_other_machines_is_unknown(scans_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plan = planned(scans_folder, "seed=0,1", "trainer.max_epochs=100000")
    assert expected_pace(plan, SLURM).steps == 0
    assert capsys.readouterr().out == "time: unknown, as the cells run on other machines\n"


def test_failed_timing_says_nothing_and_goes_on(scans_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plan = planned(scans_folder, "seed=0,1", "trainer.max_epochs=100000", "trainer.accelerator=abacus")
    assert expected_pace(plan, BASIC).steps == 0
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("launcher", "cells"),
    [
        (BASIC, 1),
        (OmegaConf.create({"_target_": "x.LocalLauncher"}), 1),
        (OmegaConf.create({"_target_": "x.JoblibLauncher", "n_jobs": 3}), 3),
        (OmegaConf.create({"_target_": "x.JoblibLauncher", "n_jobs": -1}), usable_cores()),
        (
            OmegaConf.create({"_target_": "x.RayLauncher", "ray": {"init": {"address": "local"}, "remote": {}}}),
            usable_cores(),
        ),
        (OmegaConf.create({"_target_": "x.RayLauncher", "ray": {"init": {"address": "auto"}, "remote": {}}}), None),
        (SLURM, None),
        (OmegaConf.create({"_target_": "x.RQLauncher"}), None),
    ],
)
def test_cells_side_by_side_follow_from_the_launcher(launcher: DictConfig, cells: int | None) -> None:
    assert cells_at_once(launcher) == cells
