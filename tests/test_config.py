import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hydra import compose, initialize_config_module
from omegaconf import DictConfig
from PIL import Image

from csam_lightning.cells.cell import prepare_cell
from csam_lightning.cells.composed import flatten
from csam_lightning.cells.identity import read_data
from csam_lightning.cli import typed
from csam_lightning.config import Arch, TrainConfig, check_values
from csam_lightning.errors import InputError
from csam_lightning.machine.processes import usable_cores
from csam_lightning.model.resnet import ARCHITECTURES
from csam_lightning.training.fold import train_fold

CONF = Path(__file__).parents[1] / "conf"
GROUPS = ("data", "augment", "network", "trainer", "tracking", "experiment")
CHOICES = [f"{group}={file.stem}" for group in GROUPS for file in sorted((CONF / group).glob("*.yaml"))]
SMALL_SIMULATION = (
    "data.simulation.packages={Ag:12,NiPdAu:24,Cu:8}",
    "data.simulation.read_outs=[0,300,500]",
    "data.simulation.test_counts={A:2,B:2,C:2,D:2}",
)

Compose = Callable[..., DictConfig]


@pytest.fixture
def composed(tmp_path: Path) -> Compose:
    def make(*overrides: str) -> DictConfig:
        with initialize_config_module("csam_lightning.conf", version_base="1.3"):
            return compose("train", [f"cache_dir={tmp_path}/cache", f"output_dir={tmp_path}/outputs", *overrides])

    return make


def test_every_group_of_the_tree_is_known_here() -> None:
    other = {"hydra", "simulation"}
    assert {folder.name for folder in CONF.iterdir() if folder.is_dir()} - {"__pycache__"} == {*GROUPS, *other}


@pytest.mark.parametrize("choice", CHOICES)
def test_every_config_file_composes_and_trains_a_step(
    choice: str, composed: Compose, scans_folder: Path, tmp_path: Path
) -> None:
    group, name = choice.split("=")
    overrides = [f"+{choice}" if group == "experiment" else choice]
    overrides += ["data.image_size=32", "data.num_folds=2", "trainer.max_epochs=1", "data.size=null"]
    if choice == "data=simulated":
        overrides += SMALL_SIMULATION
    else:
        overrides += ["data=folder", f"data.root={scans_folder}"]
    config = typed(composed(*dict.fromkeys(overrides)), TrainConfig)
    check_values(config)
    cell = prepare_cell(config, read_data(config))
    train_fold(cell.job(cell.folds[0]), lambda _: None)
    assert cell.fold_folder(0).finished
    assert name
    assert cell.folder.is_relative_to(tmp_path)


@pytest.mark.parametrize("command", sorted(file.stem for file in CONF.glob("*.yaml")))
def test_every_command_composes_and_explains_itself(command: str) -> None:
    assert find_spec(f"csam_lightning.{command}")
    with initialize_config_module("csam_lightning.conf", version_base="1.3"):
        composed = compose(command, return_hydra_config=True)
    assert composed.hydra.help.app_name == f"csam_lightning.{command}"
    assert f"python -m csam_lightning.{command}" in composed.hydra.help.template


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("data.image_size=31", "data.image_size: 31 makes no sense here; give a whole number from 32"),
        ("data.batch_size=1", "data.batch_size: 1 makes no sense here; give a whole number from 2"),
        ("data.num_folds=1", "data.num_folds: 1 makes no sense here; give a whole number from 2"),
        ("trainer.max_epochs=0", "trainer.max_epochs: 0 makes no sense here; give a whole number from 1"),
        ("trainer.threads_per_fold=0", "trainer.threads_per_fold: 0 makes no sense"),
        ("trainer.devices=0", "trainer.devices: 0 makes no sense here; give a whole number from 1"),
        ("trainer.devices=3", "data.batch_size: 8 makes no sense here; give a multiple of trainer.devices=3"),
        ("trainer.strategy=fsdp", "trainer.strategy: input should be 'auto' or 'ddp', not 'fsdp'"),
        ("trainer.processes=-1", "trainer.processes: -1 makes no sense here"),
        ("sound=1", "sound: must be at least 0 and below 1, got 1; give a probability from 0 and below 1, for example"),
        ("sound=-0.1", "sound: must be at least 0 and below 1, got -0.1; give"),
        ("sound=nan", "sound: must be at least 0 and below 1, got nan; give"),
        ("sound=high", "sound: input should be a valid number"),
        ("seed=-1", "seed: -1 makes no sense here; give a whole number from 0"),
        ("trainer.learning_rate=0", "trainer.learning_rate: 0.0 makes no sense here; give a number above 0"),
        ("trainer.weight_decay=-1", "trainer.weight_decay: -1.0 makes no sense here"),
        ("trainer.warmup_epochs=-1", "trainer.warmup_epochs: -1.0 makes no sense here"),
        ("trainer.precision=64-true", "trainer.precision: 64-true makes no sense here; give 32-true or bf16-mixed"),
        ("augment.rotation_degrees=200", "augment.rotation_degrees: 200.0 makes no sense here; give degrees from 0"),
        ("augment.contrast=2", "augment.contrast: 2.0 makes no sense here; give a share from 0 to 1"),
        ("folds=[5]", "folds: 5 makes no sense here; give fold numbers from 0 to 4"),
        ("folds=[]", "folds: [] makes no sense here; give at least one fold, or null for all"),
        ("trainer.processes=0", "trainer.processes: 0 makes no sense here; give a whole number from 1"),
        ("trainer.learning_rate=inf", "trainer.learning_rate: inf makes no sense here; give a number above 0"),
        ("seed=2147483648", "seed: 2147483648 makes no sense here; give a whole number from 0 to 2147483647"),
        ("data=simulated", "data.root: scans makes no sense here; give data=folder besides, or leave data.root out"),
        ("model.arch=vgg", "model.arch: input should be 'resnet18', 'resnet34', 'resnet50' or 'resnet101', not 'vgg'"),
        ("data.root=''", "data.root:  makes no sense here; give data.root=DIR"),
        ("data.size=many", "data.size: input should be a valid integer"),
        ("data.protocol=random", "data.protocol: input should be 'grouped' or 'published', not 'random'"),
        ("augment.when=never", "augment.when: input should be 'epoch' or 'once', not 'never'"),
        ("trainer.select=first", "trainer.select: input should be 'last' or 'best', not 'first'"),
    ],
)
def test_value_that_makes_no_sense_is_an_error(override: str, message: str, composed: Compose) -> None:
    with pytest.raises(InputError) as caught:
        check_values(typed(composed("data=folder", "data.root=scans", override), TrainConfig))
    assert str(caught.value).startswith(message)


def cell_id(composed: Compose, scans: Path, *overrides: str) -> str:
    base = ["data=folder", f"data.root={scans}", "data.image_size=32", "data.num_folds=2"]
    config = typed(composed(*base, *overrides), TrainConfig)
    return prepare_cell(config, read_data(config)).id


@pytest.mark.parametrize(
    "override",
    [
        "seed=1",
        "data.batch_size=4",
        "trainer.max_epochs=3",
        "augment=none",
        "model.arch=resnet34",
        "data.size=8",
        "trainer.devices=2",
        "trainer.cuda_graphs=true",
    ],
)
def test_what_touches_numbers_makes_another_cell(override: str, composed: Compose, scans_folder: Path) -> None:
    assert cell_id(composed, scans_folder) != cell_id(composed, scans_folder, override)


@pytest.mark.parametrize(
    "override",
    [
        "trainer.processes=1",
        "trainer.strategy=ddp",
        "tracking.experiment=other",
        "folds=[1]",
        "output_dir=elsewhere",
        "sound=0.3",
        "prevalence={A:0.01,B:0.01,C:0.01,D:0.97}",
    ],
)
def test_what_touches_no_number_makes_no_other_cell(override: str, composed: Compose, scans_folder: Path) -> None:
    assert cell_id(composed, scans_folder) == cell_id(composed, scans_folder, override)


def test_identity_of_a_cell_stays_as_it_was(composed: Compose, scans_folder: Path) -> None:
    """As it was computed before there was ``sound``."""
    assert cell_id(composed, scans_folder) == "06b8f1623892"


def test_cells_from_before_a_setting_keep_their_identity(composed: Compose, scans_folder: Path) -> None:
    """As they were identified before there were CUDA graphs: by these settings of the trainer and no others."""
    base = ["data=folder", f"data.root={scans_folder}", "data.image_size=32", "data.num_folds=2"]
    config = typed(composed(*base), TrainConfig)
    assert set(prepare_cell(config, read_data(config)).identity["trainer"]) == {
        *("max_epochs", "learning_rate", "weight_decay", "warmup_epochs", "select"),
        *("accelerator", "precision", "threads_per_fold"),
    }


def test_cuda_graphs_are_for_one_device(composed: Compose) -> None:
    with pytest.raises(InputError) as caught:
        check_values(typed(composed("trainer.cuda_graphs=true", "trainer.devices=2"), TrainConfig))
    assert str(caught.value) == (
        "trainer.cuda_graphs: True makes no sense here; give false, or trainer.devices=1 instead of 2"
    )


def test_changed_image_makes_another_cell(composed: Compose, scans_folder: Path) -> None:
    before = cell_id(composed, scans_folder)
    file = next(scans_folder.glob("images/*.png"))
    pixels = np.array(Image.open(file))
    pixels[0, 0] ^= 255
    Image.fromarray(pixels).save(file)
    assert before != cell_id(composed, scans_folder)


def test_changed_weights_make_another_cell(composed: Compose, scans_folder: Path, tmp_path: Path) -> None:
    weights = tmp_path / "weights.pt"
    ids = []
    for content in ("one", "two"):
        weights.write_text(content)
        ids.append(cell_id(composed, scans_folder, f"model.weights={weights}"))
    assert len({*ids, cell_id(composed, scans_folder)}) == 3


def test_missing_weights_are_an_error_before_anything_is_trained(composed: Compose, scans_folder: Path) -> None:
    with pytest.raises(
        InputError, match=r"^model.weights: no file nowhere.pt; give null, imagenet or an existing file$"
    ):
        cell_id(composed, scans_folder, "model.weights=nowhere.pt")


def test_published_protocol_makes_its_copies_once_whatever_is_asked(composed: Compose, scans_folder: Path) -> None:
    ids = {
        cell_id(composed, scans_folder, "data.protocol=published", f"augment.when={when}") for when in ("epoch", "once")
    }
    assert len(ids) == 1


def test_networks_of_the_configuration_are_those_of_the_model() -> None:
    assert tuple(Arch) == ARCHITECTURES


def test_flatten_joins_keys() -> None:
    nested: dict[str, Any] = {"a": {"b": 1, "c": {"d": [1, 2]}}, "e": None}
    assert flatten(nested) == {"a.b": "1", "a.c.d": "[1, 2]", "e": "None"}


def test_the_command_alone_knows_what_its_launchers_ask_for() -> None:
    """Hydra resolves a launcher's settings before any job has imported anything."""
    code = "import csam_lightning.train, omegaconf; print(omegaconf.OmegaConf.create({'n': '${usable_cores:}'}).n)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(done.stdout) == usable_cores()
