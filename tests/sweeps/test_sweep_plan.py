"""What a sweep is going to do, worked out without training anything."""

import json
from pathlib import Path

import pytest
from hydra import initialize_config_module
from hydra.core.global_hydra import GlobalHydra
from omegaconf import DictConfig, OmegaConf

from csam_lightning.sweeps.plan import SweepPlan, plan_sweep, work
from csam_lightning.sweeps.session import _description, job_settings, told

CONF = Path(__file__).parents[2] / "conf" / "experiment"


def planned(scans: Path, *overrides: str) -> SweepPlan:
    base = ["data=folder", f"data.root={scans}", "data.num_folds=3", f"cache_dir={scans.parent}/cache"]
    with initialize_config_module("csam_lightning.conf", version_base="1.3"):
        return plan_sweep(multirun(*base, f"output_dir={scans.parent}/outputs", *overrides), job_settings)


def multirun(*overrides: str) -> DictConfig:
    """Return what Hydra hands to the hook before a multirun."""
    from hydra.types import RunMode

    loader = GlobalHydra.instance().config_loader()
    return loader.load_configuration("train", list(overrides), RunMode.MULTIRUN)


@pytest.mark.parametrize(
    ("experiment", "cells"),
    [
        ("fold_sweep", 20),
        ("data_size", 4),
        ("image_size", 7),
        ("batch_size", 5),
        ("headline", 2),
        ("protocols", 2),
        ("seeds", 5),
    ],
)
def test_experiments_make_the_paper_s_cells(experiment: str, cells: int, scans_folder: Path) -> None:
    sizes = "data.size=21,22,23,24" if experiment in {"fold_sweep", "data_size"} else "data.size=20,24"
    smaller = [sizes] if experiment in {"fold_sweep", "data_size", "headline"} else ["data.size=null"]
    smaller += ["data.image_size=100"] if experiment == "fold_sweep" else []  # for its axes see the next test
    plan = planned(scans_folder, f"+experiment={experiment}", *smaller)
    assert [job.reason for job in plan.jobs] == [None] * cells
    assert len(plan.cells) == cells
    assert plan.trainings == 3 * cells


def test_the_whole_grid_is_the_paper_s() -> None:
    params = OmegaConf.load(CONF / "fold_sweep.yaml").hydra.sweeper.params
    assert {axis: [int(value) for value in values.split(",")] for axis, values in params.items()} == {
        "data.size": [420, 560, 700, 840],
        "data.image_size": [50, 100, 150, 200, 250, 300, 350],
        "data.batch_size": [4, 8, 16, 32, 64],
    }


def test_axes_are_overridden_on_the_command_line(scans_folder: Path) -> None:
    plan = planned(scans_folder, "+experiment=batch_size", "data.batch_size=4,8", "data.size=null", "seed=0,1")
    assert [job.label for job in plan.jobs] == [
        "data.batch_size=4 seed=0",
        "data.batch_size=4 seed=1",
        "data.batch_size=8 seed=0",
        "data.batch_size=8 seed=1",
    ]


def test_a_cell_asked_for_twice_counts_once_and_a_bad_one_is_named(scans_folder: Path) -> None:
    plan = planned(scans_folder, "data.size=24,24,20,-1")
    assert len(plan.jobs) == 4
    assert len(plan.cells) == 2
    assert told(plan).splitlines() == [
        f"sweep {plan.id}: 2 cells, 6 trainings (folds), of which 0 are there already",
        "3 jobs ask for them; a cell that is asked for again is trained once",
        "These will fail, the others go on:",
        f"  data.size=-1: {plan.jobs[3].reason}",
    ]
    assert "data.size" in str(plan.jobs[3].reason)


def test_jobs_that_fail_for_one_reason_are_told_together(scans_folder: Path) -> None:
    plan = planned(scans_folder, "data.size=24,-1", "data.batch_size=4,8,16,32")
    assert f"  4 jobs with data.size=-1: {plan.jobs[4].reason}" in told(plan).splitlines()


def test_the_same_grid_is_the_same_sweep_in_any_order(scans_folder: Path) -> None:
    ids = {planned(scans_folder, f"seed={seeds}").id for seeds in ("0,1", "1,0")}
    assert len(ids) == 1
    assert ids != {planned(scans_folder, "seed=0,2").id}


def test_finished_folds_are_counted_and_cost_nothing(scans_folder: Path) -> None:
    plan = planned(scans_folder, "seed=0,1")
    key = next(iter(plan.cells.values()))
    before = work(key)
    outcome = key.fold_folder(1).outcome
    outcome.parent.mkdir(parents=True)
    outcome.write_text("{}")
    assert planned(scans_folder, "seed=0,1").finished == 1
    assert work(key) == pytest.approx(before * 2 / 3)


def test_epochs_of_a_fold_under_way_are_no_work_any_more(scans_folder: Path) -> None:
    key = next(iter(planned(scans_folder, "seed=0,1", "trainer.max_epochs=4").cells.values()))
    before = work(key)
    history = key.fold_folder(0).history
    history.parent.mkdir(parents=True)
    history.write_text(json.dumps([{"seconds": 1.0}] * 3))
    assert work(key) == pytest.approx(before * (12 - 3) / 12)


def test_work_grows_with_images_pixels_and_steps(scans_folder: Path) -> None:
    plan = planned(scans_folder, "data.image_size=100,200", "data.batch_size=4,8")
    works = [work(job.key) for job in plan.jobs if job.key]
    images = 24 * 2 / 3 * 20 * 3
    assert works == pytest.approx([images * (area + 10 / 3 / batch) for area in (1, 4) for batch in (4, 8)])


def test_password_of_the_store_is_not_among_a_sweep_s_params(scans_folder: Path) -> None:
    plan = planned(scans_folder, "seed=0,1")
    with initialize_config_module("csam_lightning.conf", version_base="1.3"):
        config = multirun("seed=0,1", "tracking.uri=http://me:secret@127.0.0.1:9")
    _, params, _ = _description(plan, config)
    assert params["tracking.uri"] == "http://127.0.0.1:9"
    assert params["seed"] == "0,1"
