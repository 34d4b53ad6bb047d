"""The files that a fold leaves; free of torch, so that a watcher stays light."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from pydantic import TypeAdapter

from csam_lightning.files import sync_folder, written_atomically
from csam_lightning.state import peek_state, read_json, write_json

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class FoldPredictions:
    """Class probabilities of a finished fold, float32 of shape (images, classes)."""

    validation: "NDArray[np.float32]"
    test: "NDArray[np.float32]"

    def write(self, path: Path) -> None:
        """Write both arrays to one .npz file."""
        with written_atomically(path) as temporary:
            np.savez(temporary, validation=self.validation, test=self.test)

    @classmethod
    def read(cls, path: Path) -> "FoldPredictions":
        """Read what :meth:`write` wrote."""
        with np.load(path, allow_pickle=False) as arrays:
            return cls(arrays["validation"], arrays["test"])


@dataclass(frozen=True)
class FoldOutcome:
    """Numbers of a finished fold that its predictions do not hold.

    Attributes:
        train_accuracy: Of an evaluation pass over the training scans as scanned.
        train_loss: Likewise, mean cross-entropy in nats.
        val_loss: Mean cross-entropy over the validation scans as scanned.
        epoch: Number of epochs that the kept network was trained for.
        images: Images trained on, all epochs together.
        seconds: Time spent in training.
        history: Metrics of each epoch; none in files of older versions.
        checksums: CRC-32 of ``predictions`` and ``novelty``, by name; none in files of older versions.
    """

    train_accuracy: float
    train_loss: float
    val_loss: float
    epoch: int
    images: int
    seconds: float
    history: list[dict[str, float]] = field(default_factory=list)
    checksums: dict[str, int] = field(default_factory=dict)

    def write(self, path: Path) -> None:
        """Write as JSON."""
        write_json(path, asdict(self), indent=2)

    @classmethod
    def read(cls, path: Path) -> "FoldOutcome":
        """Read what :meth:`write` wrote.

        Raises:
            ValueError: It is damaged.
            OSError: There is no such file, or it may not be opened.
        """
        return TypeAdapter(cls).validate_python(read_json(path))


@dataclass(frozen=True)
class FoldFolder:
    """The files of a fold. ``outcome`` is written last: where it stands, the fold is finished."""

    path: Path

    @property
    def resume(self) -> Path:
        """Everything needed to go on after the last finished epoch; gone once the fold is finished."""
        return self.path / "resume.ckpt"

    @property
    def best(self) -> Path:
        """Weights of the epoch with the least validation loss so far (``trainer.select=best``)."""
        return self.path / "best.ckpt"

    @property
    def model(self) -> Path:
        """Weights of the trained network."""
        return self.path / "model.ckpt"

    @property
    def history(self) -> Path:
        """Metrics per epoch, JSON."""
        return self.path / "history.json"

    @property
    def predictions(self) -> Path:
        """Class probabilities, see :class:`FoldPredictions`."""
        return self.path / "predictions.npz"

    @property
    def novelty(self) -> Path:
        """What the network's features of scans are like, see :mod:`csam_lightning.model.novelty`."""
        return self.path / "novelty.npz"

    @property
    def outcome(self) -> Path:
        """Closing numbers, see :class:`FoldOutcome`."""
        return self.path / "outcome.json"

    @property
    def finished(self) -> bool:
        """Whether the fold need not be trained again, unless :mod:`csam_lightning.training.damage` finds it does."""
        return self.outcome.is_file()

    def read_history(self) -> list[dict[str, float]]:
        """Return the metrics of each finished epoch; none where the file is missing or damaged."""
        return peek_state(self.history, read_history) or []

    def drop_unfinished(self) -> None:
        """Remove what only an unfinished fold needs, the best epoch last: without it the others are of no use."""
        for unfinished in (self.resume, former(self.resume), self.best):
            if unfinished.exists():
                unfinished.unlink()
                sync_folder(self.path)


def former(path: Path) -> Path:
    """Return the name of what the checkpoint ``path`` held before; hidden, since users need not see it."""
    return path.with_name(f".{path.stem}-former{path.suffix}")


def write_history(history: list[dict[str, float]], path: Path, *, durable: bool = True) -> None:
    """Write the metrics of each epoch as JSON, for people and for who watches.

    Args:
        history: The metrics.
        path: The file.
        durable: Whether it is on the disk at the end; while a fold trains, its checkpoint holds the same.
    """
    with written_atomically(path, durable=durable) as temporary:
        temporary.write_text(json.dumps(history, indent=1) + "\n")


def read_history(path: Path) -> list[dict[str, float]]:
    """Return the metrics of each epoch in a file.

    Raises:
        ValueError: It is damaged.
        OSError: There is no such file, or it may not be opened.
    """
    return TypeAdapter(list[dict[str, float]]).validate_python(json.loads(path.read_text()), strict=True)
