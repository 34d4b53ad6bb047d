from dataclasses import replace
from pathlib import Path

import pytest
from hydra import compose, initialize_config_module

from csam_lightning.cli import typed
from csam_lightning.config import TrainConfig
from csam_lightning.training.timing import LEAST, MOST, time_steps


@pytest.fixture
def settings(tmp_path: Path) -> TrainConfig:
    with initialize_config_module("csam_lightning.conf", version_base="1.3"):
        return typed(compose("train", [f"cache_dir={tmp_path}", "trainer.accelerator=cpu"]), TrainConfig)


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_a_few_steps_are_timed_as_a_fold_takes_them(precision: str, settings: TrainConfig) -> None:
    settings = replace(settings, trainer=replace(settings.trainer, precision=precision))
    seconds, count = time_steps(4, 32, of=settings, place=0, seconds=1.0)
    assert LEAST <= count <= MOST
    assert seconds > 0


def test_no_further_step_is_begun_when_the_time_is_over(settings: TrainConfig) -> None:
    assert time_steps(2, 32, of=settings, place=0, seconds=0.0)[1] == LEAST


def test_larger_steps_take_longer(settings: TrainConfig) -> None:
    small, large = (time_steps(batch, 64, of=settings, place=0, seconds=0.5)[0] for batch in (2, 32))
    assert large > small
