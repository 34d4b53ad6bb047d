"""A cell: everything that one cross-validation is made of, and its identity."""

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from csam_lightning.config import TrainConfig, When
from csam_lightning.data.folds import Fold, check_disjoint, fold_table, make_folds
from csam_lightning.data.manifest import load_manifest
from csam_lightning.data.scans import cached_scans
from csam_lightning.errors import InputError
from csam_lightning.simulation.dataset import cached_dataset
from csam_lightning.training.job import FoldFolder, FoldJob

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

GENERATION = 1
"""Part of every cell's identity: raise it when a change to this package changes what a configuration means."""


@dataclass(frozen=True)
class Cell:
    """One cell, ready to train.

    Attributes:
        config: Its settings.
        classes: Class names in order.
        table: Scans of the training split.
        test: Scans of the test split; may be empty.
        train_rows: Row of each training scan in ``pixels``.
        test_rows: Row of each test scan in ``pixels``.
        pixels: Array file of the decoded scans.
        fingerprint: What the data set holds, in hex.
        folds: All folds of the cross-validation.
    """

    config: TrainConfig
    classes: tuple[str, ...]
    table: "pd.DataFrame"
    test: "pd.DataFrame"
    train_rows: "NDArray[np.int64]"
    test_rows: "NDArray[np.int64]"
    pixels: Path
    fingerprint: str
    folds: list[Fold]

    @cached_property
    def codes(self) -> "NDArray[np.int64]":
        """Class number of each training scan."""
        return self._codes(self.table)

    @cached_property
    def test_codes(self) -> "NDArray[np.int64]":
        """Class number of each test scan."""
        return self._codes(self.test)

    def _codes(self, table: "pd.DataFrame") -> "NDArray[np.int64]":
        number = {name: code for code, name in enumerate(self.classes)}
        return np.array([number[name] for name in table["label"]], dtype=np.int64)

    @cached_property
    def id(self) -> str:
        """Twelve hexadecimal digits that stand for the settings that touch numbers, and the data."""
        return hashlib.sha256(json.dumps(self.identity, sort_keys=True).encode()).hexdigest()[:12]

    @property
    def identity(self) -> dict[str, Any]:
        """The settings that touch numbers, and the data's fingerprint.

        Where results go, where data lie and how many folds run side by side touch no number; which folds are
        trained now is left out too, so that the folds of a cell can be trained one by one.
        """
        settings = asdict(self.config)
        data = {name: settings["data"][name] for name in ("size", "image_size", "batch_size", "protocol", "num_folds")}
        trainer = {name: value for name, value in settings["trainer"].items() if name != "processes"}
        weights = _weights_file(self.config.model.weights)
        if weights is not None:
            settings["model"]["weights"] = hashlib.sha256(weights.read_bytes()).hexdigest()
        return {
            "generation": GENERATION,
            "fingerprint": self.fingerprint,
            "classes": self.classes,
            "data": data,
            "augment": settings["augment"],
            "model": settings["model"],
            "trainer": trainer,
            "seed": settings["seed"],
        }

    @property
    def size(self) -> int:
        """The data size: as asked for, or the number of training scans."""
        return self.config.data.size or len(self.table)

    @property
    def name(self) -> str:
        """A name that reads well in a list, for example ``840 px100 b8``."""
        data = self.config.data
        parts = [f"{self.size} px{data.image_size} b{data.batch_size}"]
        if data.protocol == "published":
            parts.append("published")
        if self.config.seed:
            parts.append(f"seed{self.config.seed}")
        return " ".join(parts)

    @property
    def folder(self) -> Path:
        """Where the trained folds are kept."""
        return Path(self.config.output_dir).expanduser() / "cells" / self.id

    def fold_folder(self, number: int) -> FoldFolder:
        """Return the files of a fold."""
        return FoldFolder((self.folder / f"fold_{number}").absolute())

    @property
    def chosen_folds(self) -> list[Fold]:
        """The folds that this run asks for."""
        chosen = self.config.folds
        return [fold for fold in self.folds if chosen is None or fold.number in chosen]

    @property
    def finished_folds(self) -> list[Fold]:
        """The folds that are trained, by this run or a former one."""
        return [fold for fold in self.folds if self.fold_folder(fold.number).finished]

    def job(self, fold: Fold) -> FoldJob:
        """Return what the training of a fold needs."""
        return FoldJob(
            fold=fold,
            folder=self.fold_folder(fold.number).path,
            pixels=self.pixels,
            train_rows=self.train_rows,
            test_rows=self.test_rows,
            codes=self.codes,
            num_classes=len(self.classes),
            copies_frozen=self.config.data.protocol == "published",
            batch_size=self.config.data.batch_size,
            seed=self.config.seed,
            augment=self.config.augment,
            model=self.config.model,
            trainer=self.config.trainer,
        )

    def fold_table(self) -> "pd.DataFrame":
        """Return the fold table, see :func:`csam_lightning.data.folds.fold_table`."""
        return fold_table(self.table, self.folds, self.test, protocol=self.config.data.protocol.value)


def prepare_cell(config: TrainConfig) -> Cell:
    """Read and check the manifest, decode the scans where that was not done yet, and make the folds.

    Raises:
        InputError: Something about the data or the settings is wrong.
    """
    config = _settled(config)
    data, cache = config.data, Path(config.cache_dir).expanduser()
    root = cached_dataset(data.simulation, cache) if data.simulation else Path(str(data.root)).expanduser()
    grouped = data.protocol == "grouped"
    manifest = load_manifest(
        root, classes=data.classes, package_pattern=data.package_pattern, need_labels=True, need_packages=grouped
    )
    splits = manifest.table["split"]
    train_rows, test_rows = (np.flatnonzero(splits == name).astype(np.int64) for name in ("train", "test"))
    table, test = (manifest.table.iloc[rows].reset_index(drop=True) for rows in (train_rows, test_rows))
    folds = make_folds(
        table,
        classes=manifest.classes,
        size=data.size,
        protocol=data.protocol.value,
        num_folds=data.num_folds,
        seed=config.seed,
    )
    known = manifest.table["package_id"].notna().to_numpy()
    sides = {"the training split": train_rows, "the test split": test_rows}
    check_disjoint(
        manifest.table["package_id"].to_numpy(dtype=str), {name: rows[known[rows]] for name, rows in sides.items()}
    )
    scans = cached_scans(manifest, data.image_size, cache)
    return Cell(config, manifest.classes, table, test, train_rows, test_rows, scans.path, scans.fingerprint, folds)


def _settled(config: TrainConfig) -> TrainConfig:
    """Return ``config`` with a weights file's full path, and with the augmentation that its protocol makes.

    The published protocol makes its copies once, before the split, whatever ``augment.when`` says.
    """
    weights = _weights_file(config.model.weights)
    if weights is not None:
        config = replace(config, model=replace(config.model, weights=str(weights)))
    if config.data.protocol == "published":
        config = replace(config, augment=replace(config.augment, when=When.once))
    return config


def _weights_file(weights: str | None) -> Path | None:
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
