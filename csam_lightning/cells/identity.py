"""Which cell a configuration and a data set make: its identity, its name and where its folds are kept."""

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from csam_lightning.cells.sources import source_of
from csam_lightning.config import TrainConfig, When
from csam_lightning.data.manifest import load_manifest
from csam_lightning.data.plain import READING
from csam_lightning.errors import InputError
from csam_lightning.training.fold_files import FoldFolder

if TYPE_CHECKING:
    from csam_lightning.data.manifest import Manifest

GENERATION = 2
"""Part of every cell's identity: raise it when a change to this package changes what a configuration means."""


@dataclass(frozen=True)
class CellKey:
    """What distinguishes a cell from every other.

    Attributes:
        config: Its settings, see :func:`settled`.
        classes: Class names in order.
        fingerprint: What the data set holds, in hex.
        training_scans: Number of scans of the training split.
        plain: Whether all files are plain grey, see :mod:`csam_lightning.data.plain`.
    """

    config: TrainConfig
    classes: tuple[str, ...]
    fingerprint: str
    training_scans: int
    plain: bool

    @cached_property
    def id(self) -> str:
        """Twelve hexadecimal digits that stand for the settings that touch numbers, and the data."""
        return hashlib.sha256(json.dumps(self.identity, sort_keys=True).encode()).hexdigest()[:12]

    @property
    def identity(self) -> dict[str, Any]:
        """The settings that touch numbers, and the data's fingerprint.

        Where results go, where data lie and how many folds run side by side touch no number. The choice of folds is
        left out too, so that the folds of a cell can be trained one by one. Several devices are part of the identity,
        since they add numbers up in another order; all of them train by the same strategy. CUDA graphs are part of it
        where they are used. How colours become grey, and the version of that, count only for data sets that are not
        plain grey.
        """
        settings = asdict(self.config)
        data = {name: settings["data"][name] for name in ("size", "image_size", "batch_size", "protocol", "num_folds")}
        told = {"devices": self.config.trainer.devices > 1, "cuda_graphs": self.config.trainer.cuda_graphs}
        no_number = {"processes", "strategy", *(name for name, differs in told.items() if not differs)}
        trainer = {name: value for name, value in settings["trainer"].items() if name not in no_number}
        weights = weights_file(self.config.model.weights)
        if weights is not None:
            settings["model"]["weights"] = hashlib.sha256(weights.read_bytes()).hexdigest()
        colours = {"reading": READING, **{name: settings["data"][name] for name in ("overlay", "palette")}}
        return {
            "generation": GENERATION,
            "fingerprint": self.fingerprint,
            "classes": self.classes,
            "data": data if self.plain else {**data, **colours},
            "augment": settings["augment"],
            "model": settings["model"],
            "trainer": trainer,
            "seed": settings["seed"],
        }

    @property
    def size(self) -> int:
        """The data size: as asked for, or the number of training scans."""
        return self.config.data.size or self.training_scans

    @property
    def name(self) -> str:
        """A name that reads well in a list, for example ``840 px100 b8``."""
        data = self.config.data
        parts = [f"{self.size} px{data.image_size} b{data.batch_size}"]
        if data.protocol == "published":
            parts.append("published")
        if self.config.seed:
            parts.append(f"seed{self.config.seed}")
        if self.config.trainer.devices > 1:
            parts.append(f"{self.config.trainer.devices} devices")
        return " ".join(parts)

    @property
    def folder(self) -> Path:
        """Where the trained folds are kept."""
        return Path(self.config.output_dir).expanduser() / "cells" / self.id

    def fold_folder(self, number: int) -> FoldFolder:
        """Return the files of a fold."""
        return FoldFolder((self.folder / f"fold_{number}").absolute())

    @property
    def chosen_numbers(self) -> list[int]:
        """Numbers of the folds that are asked for."""
        chosen = self.config.folds
        return [number for number in range(self.config.data.num_folds) if chosen is None or number in chosen]

    @property
    def unfinished_numbers(self) -> list[int]:
        """Numbers of the folds that are asked for and to be trained."""
        return [n for n in self.chosen_numbers if self.config.force or not self.fold_folder(n).finished]


def read_data(config: TrainConfig) -> "Manifest":
    """Read and check the manifest; the simulated data set is made where it is not there yet.

    Raises:
        InputError: Something about the data is wrong.
    """
    data = config.data
    return load_manifest(
        source_of(data, config.cache_dir).root(),
        classes=data.classes,
        package_pattern=data.package_pattern,
        need_labels=True,
        need_packages=data.protocol == "grouped",
    )


def settled(config: TrainConfig) -> TrainConfig:
    """Return ``config`` with a weights file's full path, and with the augmentation that its protocol makes.

    The published protocol makes its copies once, before the split, whatever ``augment.when`` says.
    """
    weights = weights_file(config.model.weights)
    if weights is not None:
        config = replace(config, model=replace(config.model, weights=str(weights)))
    if config.data.protocol == "published":
        config = replace(config, augment=replace(config.augment, when=When.once))
    return config


def weights_file(weights: str | None) -> Path | None:
    """Return the file that ``model.weights`` names, if it names one.

    Raises:
        InputError: There is no such file.
    """
    if weights is None or weights == "imagenet":
        return None
    file = Path(weights).expanduser().absolute()
    if not file.is_file():
        raise InputError(f"no file {weights}", where="model.weights", mend="give null, imagenet or an existing file")
    return file
