"""The types of the training configuration; the values stand in ``conf/``.

Every field here is one setting of ``conf/train.yaml`` and its groups, where it is explained. A composed configuration
is turned into these classes by :func:`csam_lightning.cli.typed`, which refuses unknown settings and wrong types;
:func:`check_values` refuses values that make no sense.
"""

from dataclasses import dataclass
from enum import StrEnum
from math import inf
from typing import Annotated

from pydantic import Field

from csam_lightning.data.colour_rule import ColourRule, Overlay
from csam_lightning.errors import InputError
from csam_lightning.simulation.config import SimulationConfig

Name = Annotated[str, Field(coerce_numbers_to_str=True)]
"""A name that may look like a number on the command line."""

PRECISIONS = ("32-true", "bf16-mixed")
HALF_TURN = 180.0
MAX_SEED = 2**31 - 1  # what scikit-learn takes, with room for further tries of a split


class DataKind(StrEnum):
    """Where scans come from."""

    simulated = "simulated"
    folder = "folder"


class ProtocolName(StrEnum):
    """How scans are split and balanced; see :mod:`csam_lightning.data.folds`."""

    grouped = "grouped"
    published = "published"


class When(StrEnum):
    """When images are augmented: anew each epoch, or the copies once."""

    epoch = "epoch"
    once = "once"


class Arch(StrEnum):
    """Networks; see :data:`csam_lightning.model.resnet.ARCHITECTURES`."""

    resnet18 = "resnet18"
    resnet34 = "resnet34"
    resnet50 = "resnet50"
    resnet101 = "resnet101"


class Select(StrEnum):
    """Which epoch's network a fold keeps."""

    last = "last"
    best = "best"


class Strategy(StrEnum):
    """How the devices of a fold share its training; ``auto`` is ``ddp`` where there are several."""

    auto = "auto"
    ddp = "ddp"


@dataclass(frozen=True)
class DataConfig:
    """``conf/data``: scans, folds and batches."""

    kind: DataKind
    root: str | None
    classes: list[Annotated[str, Field(coerce_numbers_to_str=True)]] | None
    package_pattern: str | None
    size: int | None
    image_size: int
    batch_size: int
    protocol: ProtocolName
    num_folds: int
    overlay: Overlay
    palette: list[str] | str | None
    simulation: SimulationConfig | None

    @property
    def colours(self) -> ColourRule:
        """How colours become grey.

        Raises:
            InputError: The palette is none.
        """
        return ColourRule.of(self.overlay, self.palette)


@dataclass(frozen=True)
class AugmentConfig:
    """``conf/augment``: random changes to training images."""

    rotation_degrees: float
    contrast: float
    when: When


@dataclass(frozen=True)
class ModelConfig:
    """``conf/network``: the network and its initial weights."""

    arch: Arch
    weights: str | None


@dataclass(frozen=True)
class TrainerConfig:
    """``conf/trainer``: optimisation and hardware."""

    max_epochs: int
    learning_rate: float
    weight_decay: float
    warmup_epochs: float
    select: Select
    accelerator: str
    devices: int
    strategy: Strategy
    precision: str
    cuda_graphs: bool
    threads_per_fold: int
    processes: int | None

    @property
    def cores_per_fold(self) -> int:
        """CPU cores that a fold keeps busy: the threads of all its devices' processes."""
        return self.threads_per_fold * self.devices


@dataclass(frozen=True)
class TrackingConfig:
    """``conf/tracking``: the MLflow store."""

    uri: str | None
    experiment: str


@dataclass(frozen=True)
class TrainConfig:
    """``conf/train.yaml``: one cell."""

    data: DataConfig
    augment: AugmentConfig
    model: ModelConfig
    trainer: TrainerConfig
    tracking: TrackingConfig
    folds: list[int] | None
    force: bool
    sound: float
    prevalence: dict[Name, float] | None
    seed: int
    output_dir: str
    cache_dir: str


def check_values(config: TrainConfig) -> None:
    """Check that every value makes sense.

    Raises:
        InputError: The first one that does not.
    """
    check_data_values(config.data)
    trainer = config.trainer
    _at_least(1, "trainer.max_epochs", trainer.max_epochs)
    _at_least(1, "trainer.threads_per_fold", trainer.threads_per_fold)
    _at_least(1, "trainer.devices", trainer.devices)
    batch, devices = config.data.batch_size, trainer.devices
    _require(batch % devices == 0, "data.batch_size", batch, f"a multiple of trainer.devices={devices}")
    alone = devices == 1 or not trainer.cuda_graphs
    _require(alone, "trainer.cuda_graphs", trainer.cuda_graphs, f"false, or trainer.devices=1 instead of {devices}")
    if trainer.processes is not None:
        _at_least(1, "trainer.processes", trainer.processes)
    check_sound(config.sound)
    check_seed(config.seed)
    rate, decay, warmup = trainer.learning_rate, trainer.weight_decay, trainer.warmup_epochs
    _require(0 < rate < inf, "trainer.learning_rate", rate, "a number above 0")
    _require(0 <= decay < inf, "trainer.weight_decay", decay, "a number from 0")
    _require(0 <= warmup < inf, "trainer.warmup_epochs", warmup, "a number from 0")
    _require(trainer.precision in PRECISIONS, "trainer.precision", trainer.precision, " or ".join(PRECISIONS))
    degrees, contrast = config.augment.rotation_degrees, config.augment.contrast
    _require(0 <= degrees <= HALF_TURN, "augment.rotation_degrees", degrees, "degrees from 0 to 180")
    _require(0 <= contrast <= 1, "augment.contrast", contrast, "a share from 0 to 1")
    last = config.data.num_folds - 1
    for number in config.folds or ():
        _require(0 <= number <= last, "folds", number, f"fold numbers from 0 to {last}")
    _require(config.folds is None or bool(config.folds), "folds", config.folds, "at least one fold, or null for all")


def check_data_values(data: DataConfig) -> None:
    """Check that the settings of the data make sense.

    Raises:
        InputError: The first one that does not.
    """
    _at_least(32, "data.image_size", data.image_size)
    _at_least(2, "data.batch_size", data.batch_size)
    _at_least(2, "data.num_folds", data.num_folds)
    if isinstance(data.colours.palette, tuple):
        from csam_lightning.data.palette import parse_palette  # takes NumPy, which --help does without

        parse_palette(data.colours.palette, where="data.palette")
    if data.kind == "folder":
        _require(bool(data.root), "data.root", data.root, "data.root=DIR, the folder of the scans")
    else:
        _require(data.root is None, "data.root", data.root, "data=folder besides, or leave data.root out")


def check_seed(seed: int) -> None:
    """Check that ``seed`` is one.

    Raises:
        InputError: It is not.
    """
    _require(0 <= seed <= MAX_SEED, "seed", seed, f"a whole number from 0 to {MAX_SEED}")


def check_sound(sound: float | None) -> None:
    """Check that ``sound``, the probability that class D must exceed, can be one.

    Args:
        sound: None: not given.

    Raises:
        InputError: It cannot.
    """
    if sound is not None and not 0 <= sound < 1:
        mend = "give a probability from 0 and below 1, for example 0.5"
        raise InputError(f"must be at least 0 and below 1, got {sound:g}", where="sound", mend=mend)


def _at_least(least: int, setting: str, value: int) -> None:
    _require(value >= least, setting, value, f"a whole number from {least}")


def _require(holds: bool, setting: str, value: object, wanted: str) -> None:
    if not holds:
        raise InputError(f"{value} makes no sense here", where=setting, mend=f"give {wanted}")
