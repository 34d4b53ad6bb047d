from dataclasses import replace
from pathlib import Path

import pytest
from hydra import compose, initialize_config_module
from omegaconf import DictConfig, OmegaConf

from csam_lightning.config import TrainConfig
from csam_lightning.sweeps import sharing
from csam_lightning.sweeps.session import job_settings
from csam_lightning.sweeps.sharing import with_share_of_cores


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TrainConfig:
    monkeypatch.setattr(sharing, "usable_cores", lambda: 8)
    with initialize_config_module("csam_lightning.conf", version_base="1.3"):
        return job_settings(compose("train", [f"cache_dir={tmp_path}"]))


def launcher(**settings: object) -> DictConfig:
    return OmegaConf.create({"_target_": "some.Launcher", **settings})


def test_folds_of_two_devices_take_twice_the_cores(config: TrainConfig) -> None:
    asked = replace(config, trainer=replace(config.trainer, threads_per_fold=2, devices=2))
    assert with_share_of_cores(asked, launcher(n_jobs=1)).trainer.processes == 2


@pytest.mark.parametrize(
    ("jobs", "threads", "processes"), [(-1, 1, 1), (2, 1, 4), (3, 1, 2), (2, 2, 2), (1, 3, 2), (16, 1, 1)]
)
def test_cells_side_by_side_share_the_cores(config: TrainConfig, jobs: int, threads: int, processes: int) -> None:
    asked = replace(config, trainer=replace(config.trainer, threads_per_fold=threads))
    assert with_share_of_cores(asked, launcher(n_jobs=jobs)).trainer.processes == processes


def test_a_cell_alone_has_all_cores_and_a_given_number_stays(config: TrainConfig) -> None:
    assert with_share_of_cores(config, launcher()).trainer.processes is None
    given = replace(config, trainer=replace(config.trainer, processes=3))
    assert with_share_of_cores(given, launcher(n_jobs=8)).trainer.processes == 3
