"""What a fold is trained from; free of torch."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from csam_lightning.config import AugmentConfig, ModelConfig, TrainerConfig
    from csam_lightning.data.folds import Fold


@dataclass(frozen=True)
class FoldJob:
    """One fold to train.

    Attributes:
        fold: The fold's index sets; rows count the training split.
        folder: Where the fold's files go.
        pixels: The array file of all decoded scans.
        train_rows: Row in that array of each scan of the training split.
        test_rows: Row in that array of each scan of the test split.
        codes: Class number of each scan of the training split, int64.
        num_classes: Number of classes.
        copies_frozen: True under the published protocol: copies are made once, the same for all folds.
        batch_size: Images per step.
        seed: The cell's seed.
    """

    fold: "Fold"
    folder: Path
    pixels: Path
    train_rows: "NDArray[np.int64]"
    test_rows: "NDArray[np.int64]"
    codes: "NDArray[np.int64]"
    num_classes: int
    copies_frozen: bool
    batch_size: int
    seed: int
    augment: "AugmentConfig"
    model: "ModelConfig"
    trainer: "TrainerConfig"


@dataclass(frozen=True)
class Rank:
    """Which of the processes that train a fold together one is: one process for each device.

    Attributes:
        number: From 0.
        of: How many there are.
        meeting: A new file for each fold, by which several processes find each other.
        place: Which of the folds side by side is theirs, from 0: folds of one GPU each are dealt out by it.
    """

    number: int = 0
    of: int = 1
    meeting: Path | None = None
    place: int = 0

    @property
    def leads(self) -> bool:
        """Whether it is this process that writes files and reports epochs."""
        return self.number == 0
