import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from hydra import compose, initialize_config_module
from omegaconf import DictConfig, OmegaConf

from csam_lightning import processes, sharing
from csam_lightning.config import TrainConfig
from csam_lightning.sharing import with_share_of_machine
from csam_lightning.sweeps import closing
from csam_lightning.sweeps.session import job_settings

GIGABYTE = 10**9


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TrainConfig:
    monkeypatch.setattr(sharing, "usable_cores", lambda: 8)
    monkeypatch.setattr(sharing, "usable_memory", lambda: 1000 * GIGABYTE)
    with initialize_config_module("csam_lightning.conf", version_base="1.3"):
        return job_settings(compose("train", [f"cache_dir={tmp_path}"]))


def launcher(**settings: object) -> DictConfig:
    return OmegaConf.create({"_target_": "some.Launcher", **settings})


def test_folds_of_two_devices_take_twice_the_cores(config: TrainConfig) -> None:
    asked = replace(config, trainer=replace(config.trainer, threads_per_fold=2, devices=2))
    assert with_share_of_machine(asked, launcher(n_jobs=1)).trainer.processes == 2


@pytest.mark.parametrize(
    ("jobs", "threads", "folds"), [(-1, 1, 1), (2, 1, 4), (3, 1, 2), (2, 2, 2), (1, 3, 2), (16, 1, 1)]
)
def test_cells_side_by_side_share_the_cores(config: TrainConfig, jobs: int, threads: int, folds: int) -> None:
    asked = replace(config, trainer=replace(config.trainer, threads_per_fold=threads))
    assert with_share_of_machine(asked, launcher(n_jobs=jobs)).trainer.processes == folds


@pytest.mark.parametrize(("cores", "threads", "folds"), [(1, 1, 1), (4, 1, 4), (4, 3, 1), (0.5, 1, 1), (None, 1, 1)])
def test_folds_follow_from_the_cores_that_ray_gives_a_cell(
    config: TrainConfig, cores: float | None, threads: int, folds: int
) -> None:
    asked = replace(config, trainer=replace(config.trainer, threads_per_fold=threads))
    ray = launcher(ray={"init": {}, "remote": {"num_cpus": cores}})
    assert with_share_of_machine(asked, ray).trainer.processes == folds


def test_a_cell_alone_has_all_cores_and_a_given_number_stays(config: TrainConfig) -> None:
    assert with_share_of_machine(config, launcher()).trainer.processes == 8
    given = replace(config, trainer=replace(config.trainer, processes=3))
    assert with_share_of_machine(given, launcher(n_jobs=8)).trainer.processes == 3


def test_no_more_folds_side_by_side_than_memory_holds(config: TrainConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fold of 64 images of 350 px takes 1.25 + 64 · 350² · 650 / 10⁹ = 6.3 gigabytes."""
    monkeypatch.setattr(sharing, "usable_memory", lambda: 32 * GIGABYTE)
    large = replace(config, data=replace(config.data, image_size=350, batch_size=64))
    assert with_share_of_machine(large, launcher()).trainer.processes == 4
    assert with_share_of_machine(large, launcher(n_jobs=2)).trainer.processes == 2
    assert with_share_of_machine(large, launcher(n_jobs=8)).trainer.processes == 1
    assert with_share_of_machine(config, launcher()).trainer.processes == 8


def test_control_groups_limit_memory(tmp_path: Path) -> None:
    membership, inside = tmp_path / "cgroup", tmp_path / "groups" / "job" / "step"
    membership.write_text("1:cpu:/elsewhere\n0::/job/step\n")
    inside.mkdir(parents=True)
    (inside / "memory.max").write_text("max\n")
    (inside.parent / "memory.max").write_text("5000\n")
    assert processes._memory_limits(membership, tmp_path / "groups") == [5000]
    assert processes._memory_limits(tmp_path / "absent", tmp_path / "groups") == []
    assert processes.usable_memory() > GIGABYTE


def test_being_asked_to_end_under_ray_sums_the_sweep_up(monkeypatch: pytest.MonkeyPatch) -> None:
    closed: list[bool] = []
    monkeypatch.setattr(closing, "begun", [SimpleNamespace(close=lambda *, over: closed.append(over))])
    with pytest.raises(KeyboardInterrupt), closing.sweep_closed():
        sys.exit(15)
    assert closed == [False]
