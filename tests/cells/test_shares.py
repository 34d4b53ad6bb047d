import os
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from hydra import compose, initialize_config_module
from omegaconf import DictConfig, OmegaConf

from csam_lightning.cells import shares as sharing
from csam_lightning.cells.composed import cell_settings
from csam_lightning.cells.shares import with_share_of_machine
from csam_lightning.config import TrainConfig
from csam_lightning.machine import processes
from csam_lightning.sweeps import closing

GIGABYTE = 10**9


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TrainConfig:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setattr(sharing, "usable_cores", lambda: 8)
    monkeypatch.setattr(sharing, "usable_memory", lambda: 1000 * GIGABYTE)
    with initialize_config_module("csam_lightning.conf", version_base="1.3"):
        return cell_settings(compose("train", [f"cache_dir={tmp_path}"]))


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
    """A fold of 64 images of 350 px takes 1.35 + 64 · 350² · 650 / 10⁹ = 6.4 gigabytes."""
    monkeypatch.setattr(sharing, "usable_memory", lambda: 33 * GIGABYTE)
    large = replace(config, data=replace(config.data, image_size=350, batch_size=64))
    assert with_share_of_machine(large, launcher()).trainer.processes == 4
    assert with_share_of_machine(large, launcher(n_jobs=2)).trainer.processes == 2
    assert with_share_of_machine(large, launcher(n_jobs=8)).trainer.processes == 1
    assert with_share_of_machine(config, launcher()).trainer.processes == 8


@pytest.fixture
def gpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Put a ``nvidia-smi`` of the given shell commands before all others, and let CUDA see every GPU."""
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)

    def say(commands: str) -> None:
        program = tmp_path / "nvidia-smi"
        program.write_text(f"#!/bin/sh\n{commands}\n")
        program.chmod(0o755)

    return say


def folds(config: TrainConfig, *, jobs: int = 1, **trainer: object) -> int | None:
    asked = replace(config, trainer=replace(config.trainer, **trainer))  # type: ignore[arg-type]  # settings by name
    return with_share_of_machine(asked, launcher(n_jobs=jobs)).trainer.processes


def test_no_more_folds_side_by_side_than_the_gpus_hold(config: TrainConfig, gpus: Callable[[str], None]) -> None:
    """A fold of 8 images of 100 px takes 0.5 + 1.35 + 8 · 100² · 650 / 10⁹ = 1.902 gigabytes.

    Of 7,000 MiB free, four fifths, 5.87 GB, are for folds: three; of half of that, one. Two GPUs hold twice as many as
    the fuller one.
    """
    gpus("echo 7000")
    assert [folds(config, accelerator=name) for name in ("auto", "gpu", "cuda", "cpu")] == [3, 3, 3, 8]
    assert [folds(config, jobs=2), folds(config, processes=5), folds(config, devices=2)] == [1, 5, 4]
    gpus("echo 9000; echo 7000")
    assert folds(config) == 6
    gpus("echo 100")
    assert folds(config) == 1


def test_gpus_that_cuda_may_not_see_are_not_asked(
    config: TrainConfig, gpus: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    gpus('test "$*" = "--query-gpu=memory.free --format=csv,noheader,nounits -i 2,GPU-8a" && echo 3000 && echo 3000')
    for visible, many in {"2,GPU-8a": 2, "2, GPU-8a ,-1,0": 2, "0": 8, "": 8, "-1,2": 8}.items():
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
        assert folds(config) == many, visible


@pytest.mark.parametrize("commands", ["exit 9", "echo '[N/A]'", "sleep 5", None])
def test_gpus_that_cannot_be_asked_leave_the_number_to_cores_and_memory(
    config: TrainConfig, gpus: Callable[[str], None], monkeypatch: pytest.MonkeyPatch, commands: str | None
) -> None:
    monkeypatch.setattr("csam_lightning.machine.gpus.PATIENCE_SECONDS", 0.2)
    if commands is None:
        monkeypatch.setenv("PATH", "")
    else:
        gpus(commands)
    assert folds(config) == 8


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
