"""What a sweep is going to do, worked out without training anything."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hydra import initialize_config_module
from hydra.core.global_hydra import GlobalHydra
from omegaconf import DictConfig, OmegaConf

from csam_lightning.config import TrainConfig
from csam_lightning.data.manifest import Manifest
from csam_lightning.simulation.inspection import inspect_all
from csam_lightning.simulation.workers import worker_pool
from csam_lightning.sweeps import plan as planning
from csam_lightning.sweeps.estimate import Speed, work
from csam_lightning.sweeps.plan import SweepPlan, plan_sweep
from csam_lightning.sweeps.session import _description, told
from tests.conftest import write_scans

CONF = Path(__file__).parents[2] / "conf" / "experiment"


def planned(scans: Path, *overrides: str) -> SweepPlan:
    base = ["data=folder", f"data.root={scans}", "data.num_folds=3", f"cache_dir={scans.parent}/cache"]
    with initialize_config_module("csam_lightning.conf", version_base="1.3"):
        return plan_sweep(multirun(*base, f"output_dir={scans.parent}/outputs", *overrides))


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
    assert [job.number for job in plan.jobs] == list(range(cells))
    assert not plan.impossible
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
    assert [job.label for job in plan.jobs] == ["data.size=24", "data.size=24", "data.size=20"]
    assert len(plan.cells) == 2
    [bad] = plan.impossible
    assert told(plan).splitlines() == [
        f"sweep {plan.id}: 2 cells, 6 trainings (folds), of which 0 are there already",
        "3 jobs ask for them; a cell that is asked for again is trained once",
        "Impossible, and left out:",
        f"  data.size=-1: {bad.reason}",
    ]
    assert bad.reason.startswith("data.size: data size -1 cannot be reached with 24 training scans; ")


@pytest.mark.parametrize(
    ("axis", "reason"),
    [
        ("data.size=24,-1", "data.size: data size -1 cannot be reached with 24 training scans; "),
        ("data.num_folds=3,4", "data size 24: class A has 3 packages, fewer than the 4 folds; "),
        ("data.image_size=32,31", "data.image_size: 31 makes no sense here; "),
        ("model.weights=null,nowhere.pt", "model.weights: no file nowhere.pt; "),
        ("data.root=${oc.env:SCANS},nowhere", "nowhere: "),
    ],
)
def test_impossible_jobs_of_one_reason_are_one_line(
    axis: str, reason: str, scans_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCANS", str(scans_folder))
    plan = planned(scans_folder, axis, "data.batch_size=4,8,16,32")
    assert [job.number for job in plan.jobs] == [0, 1, 2, 3]
    bad = axis.partition("=")[0] + "=" + axis.rpartition(",")[2]
    [line] = [line for line in told(plan).splitlines() if line.startswith(f"  4 jobs with {bad}: ")]
    assert line.partition(f"{bad}: ")[2].startswith(reason)


def test_what_only_the_split_into_folds_shows_is_known_when_a_sweep_is_planned(tmp_path: Path) -> None:
    """Six packages, six classes, each class on another five of them: no five folds can all hold every class."""
    pairs = [(package, code) for code in range(6) for package in range(6) if package != code]
    table = pd.DataFrame([(f"{p}-{c}.png", "A", f"p{p}") for p, c in pairs], columns=["path", "label", "package_id"])
    scans = write_scans(tmp_path / "scans", table)
    table.assign(label=[f"c{code}" for _, code in pairs]).to_csv(scans / "manifest.csv", index=False)
    plan = planned(scans, "data.num_folds=5,2")
    assert [job.label for job in plan.jobs] == ["data.num_folds=2"]
    assert "no split into 5 folds gives every class a package in every fold" in plan.impossible[0].reason


def test_shipped_experiments_hold_no_impossible_job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planning, "read_data", embedded())
    monkeypatch.setattr(planning, "identify", lambda _: ("0", True))

    def plan(*overrides: str) -> SweepPlan:
        with initialize_config_module("csam_lightning.conf", version_base="1.3"):
            return plan_sweep(multirun(f"output_dir={tmp_path}/outputs", *overrides))

    for file in sorted(CONF.glob("*.yaml")):
        # its axes of image and batch sizes are those of other experiments; 140 cells take half a minute to compose
        fewer = ["data.image_size=50", "data.batch_size=4"] if file.stem == "fold_sweep" else []
        shipped = plan(f"+experiment={file.stem}", *fewer)
        assert shipped.jobs
        assert shipped.impossible == (), file.stem
    [impossible] = plan("+experiment=data_size", "data.size=280,420").impossible
    assert impossible.label == "data.size=280"


def embedded() -> Callable[[TrainConfig], Manifest]:
    """Return what reads the training split of the embedded data: its labels, without images, which take minutes."""
    known: list[Manifest] = []

    def read(config: TrainConfig) -> Manifest:
        if not known:
            assert config.data.simulation is not None
            with worker_pool(1) as pool:
                found = inspect_all(config.data.simulation, pool)
            rows = [(str(n), one.label, one.package.name, one.read_out, "train") for n, one in enumerate(found)]
            table = pd.DataFrame(rows, columns=["path", "label", "package_id", "cycles", "split"])
            known.append(Manifest(Path(), table, ("A", "B", "C", "D"), "manifest.csv", np.arange(len(table))))
        return known[0]

    return read


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
    history = key.fold_folder(0).history
    history.parent.mkdir(parents=True)
    history.write_text(json.dumps([{"seconds": 1.0}] * 3))
    epochs = Speed(per_step=1.0, per_image=0.0)
    assert work(key, epochs) == pytest.approx((12 - 3) * 24 * 2 / 3 / 8)


def test_work_grows_with_images_pixels_and_steps(scans_folder: Path) -> None:
    plan = planned(scans_folder, "data.image_size=100,200", "data.batch_size=4,8")
    images, judged = 24 * 2 / 3 * 20 * 3, 24 / 3 * 20 * 3 + 24 * 3
    assert [work(job.key, Speed(per_step=2.0, per_image=0.3)) for job in plan.jobs] == pytest.approx(
        [images * (2.0 / batch + 0.3 * area) + judged / 3 * 0.3 * area for area in (1, 4) for batch in (4, 8)]
    )


def test_devices_of_a_fold_share_its_images(scans_folder: Path) -> None:
    alone, shared = planned(scans_folder, "trainer.devices=1,2", "data.batch_size=8").jobs
    steps = Speed(per_step=1.0, per_image=0.0)
    assert work(alone.key, steps) == work(shared.key, steps)
    learnt = Speed(per_step=0.0, per_image=1.0)
    assert work(shared.key, learnt) < 0.6 * work(alone.key, learnt)


def test_password_of_the_store_is_not_among_a_sweep_s_params(scans_folder: Path) -> None:
    plan = planned(scans_folder, "seed=0,1")
    with initialize_config_module("csam_lightning.conf", version_base="1.3"):
        config = multirun("seed=0,1", "tracking.uri=http://me:secret@127.0.0.1:9")
    _, params, _ = _description(plan, config)
    assert params["tracking.uri"] == "http://127.0.0.1:9"
    assert params["seed"] == "0,1"
