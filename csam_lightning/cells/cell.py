"""A cell: everything that one cross-validation is made of."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from csam_lightning.cells.identity import CellKey, settled
from csam_lightning.config import TrainConfig
from csam_lightning.data.colour_rule import ColourRule
from csam_lightning.data.folds import Fold, check_disjoint, fold_table, make_folds
from csam_lightning.data.scans import cached_scans
from csam_lightning.training.job import FoldJob

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from csam_lightning.data.manifest import Manifest


@dataclass(frozen=True)
class Cell(CellKey):
    """One cell, ready to train.

    Attributes:
        table: Scans of the training split.
        test: Scans of the test split; may be empty.
        train_rows: Row of each training scan in ``pixels``.
        test_rows: Row of each test scan in ``pixels``.
        pixels: Array file of the decoded scans.
        sample_bits: Range that the samples of 16-bit files were mapped from, bits; None where there are none.
        colours: How colours became grey.
        folds: All folds of the cross-validation.
    """

    table: "pd.DataFrame"
    test: "pd.DataFrame"
    train_rows: "NDArray[np.int64]"
    test_rows: "NDArray[np.int64]"
    pixels: Path
    sample_bits: int | None
    colours: ColourRule
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

    @property
    def chosen_folds(self) -> list[Fold]:
        """The folds that this run asks for."""
        return [self.folds[number] for number in self.chosen_numbers]

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


def prepare_cell(config: TrainConfig, manifest: "Manifest") -> Cell:
    """Decode the scans where that was not done yet, and make the folds.

    Args:
        config: The cell's settings.
        manifest: Its data, see :func:`csam_lightning.cells.identity.read_data`.

    Raises:
        InputError: Something about the data or the settings is wrong.
    """
    config = settled(config)
    data = config.data
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
    scans = cached_scans(manifest, data.image_size, Path(config.cache_dir).expanduser(), colours=data.colours)
    return Cell(
        config=config,
        classes=manifest.classes,
        fingerprint=scans.fingerprint,
        training_scans=len(table),
        plain=scans.plain,
        table=table,
        test=test,
        train_rows=train_rows,
        test_rows=test_rows,
        pixels=scans.path,
        sample_bits=scans.sample_bits,
        colours=scans.colours,
        folds=folds,
    )
