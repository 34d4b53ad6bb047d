"""``~`` in settings is the home folder, for all that is written."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from csam_lightning.cli import typed
from csam_lightning.crop import CropConfig
from csam_lightning.data.colour_rule import Overlay
from csam_lightning.home import argument_at_home, at_home
from csam_lightning.tracking.store import store_uri

Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def test_paths_at_any_depth_begin_at_home(home: Path) -> None:
    values = {"a": "~/x", "b": ["~", {"c": "~/y/~/z"}], "d": "a~/b", "e": "~other/x", "f": None, "g": 7}
    assert at_home(values) == {**values, "a": f"{home}/x", "b": [str(home), {"c": f"{home}/y/~/z"}]}


@pytest.mark.parametrize(
    ("argument", "meant"),
    [
        ("output_dir=~/x", "output_dir={home}/x"),
        ('output_dir="~/x"', 'output_dir="{home}/x"'),
        ("hydra.run.dir='~'", "hydra.run.dir='{home}'"),
        ("tracking.uri=sqlite:///~/x.db", "tracking.uri=sqlite:///{home}/x.db"),
        ("data.root=~/a,~/b", "data.root={home}/a,{home}/b"),
        ("--config-dir=~/conf", "--config-dir={home}/conf"),
        ("~experiment", "~experiment"),
        ("name=a~b", "name=a~b"),
        ('package_pattern="[~/]"', 'package_pattern="[~/]"'),
    ],
)
def test_arguments_of_a_command_line(home: Path, argument: str, meant: str) -> None:
    assert argument_at_home(argument) == meant.format(home=home)


def test_settings_of_every_command_are_paths_at_home(home: Path) -> None:
    config = OmegaConf.create({"input": "~/trays", "output": "~/units", "palette": None, "overlay": "keep", "gap": 0})
    assert typed(config, CropConfig) == CropConfig(f"{home}/trays", f"{home}/units", None, Overlay.keep, 0)


def test_a_store_at_home(home: Path) -> None:
    assert store_uri("sqlite:///~/x.db") == f"sqlite:///{home}/x.db"


def small(scans: Path, tmp_path: Path) -> list[str]:
    settings = ["data.image_size=32", "data.num_folds=2", "trainer.max_epochs=1", "folds=[0]"]
    return ["data=folder", f"data.root={scans}", f"cache_dir={tmp_path}/cache", *settings]


@pytest.mark.parametrize(
    ("more", "found"),
    [
        (["output_dir=~/out"], "out/runs/*/result.json"),
        (["output_dir=~/out", "hydra.sweep.dir=~/sweep", "seed=0", "-m"], "sweep/0/result.json"),
    ],
)
def test_all_that_training_writes_is_at_home(
    command: Command, scans_folder: Path, tmp_path: Path, more: list[str], found: str
) -> None:
    home, work = tmp_path / "home", tmp_path / "work"
    home.mkdir()
    done = command("train", *small(scans_folder, tmp_path), *more, "tracking.uri=sqlite:///~/x.db", HOME=str(home))
    assert done.returncode == 0, done.stderr
    assert len(list(home.glob(found))) == 1
    assert len(list(home.glob("out/cells/*/fold_0"))) == 1
    assert (home / "x.db").is_file()
    assert (home / "mlartifacts").is_dir()
    assert {entry.name for entry in work.iterdir()} <= {"mlflow.db"}


def test_an_output_folder_of_a_configuration_file_is_at_home(
    command: Command, scans_folder: Path, tmp_path: Path
) -> None:
    home, conf = tmp_path / "home", tmp_path / "conf" / "experiment"
    home.mkdir()
    conf.mkdir(parents=True)
    (conf / "mine.yaml").write_text("# @package _global_\noutput_dir: ~/o\n")
    more = [f"--config-dir={conf.parent}", "+experiment=mine", "-m"]
    done = command("train", *more, *small(scans_folder, tmp_path), HOME=str(home))
    assert done.returncode == 0, done.stderr
    assert len(list(home.glob("o/sweeps/*/0/result.json"))) == 1
    assert not (tmp_path / "work" / "~").exists()
