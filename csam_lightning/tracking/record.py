"""A cell's record for tracking, as plain values: this package does not import training."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self


@dataclass(frozen=True)
class DatasetRecord:
    """The input data set.

    Attributes:
        name: For example the folder's name.
        digest: Its fingerprint.
        source: Where it lies.
        profile: Counts that describe it.
    """

    name: str
    digest: str
    source: str
    profile: dict[str, Any]


@dataclass(frozen=True)
class FoldRecord:
    """One fold's run.

    Attributes:
        number: The fold's number.
        history: Metrics of each finished epoch; those with a slash in their name are sent, at time ``ended``.
        metrics: Closing metrics of a finished fold.
        artifacts: File → folder in the run (empty: its top), of a finished fold.
        finished: Whether the fold is.
    """

    number: int
    history: list[dict[str, float]]
    metrics: Mapping[str, float] = field(default_factory=dict)
    artifacts: Mapping[Path, str] = field(default_factory=dict)
    finished: bool = False

    @property
    def trained(self) -> float | None:
        """When its last epoch ended, seconds since 1970: another time where it was trained again."""
        return self.history[-1]["ended"] if self.finished and self.history else None


@dataclass(frozen=True)
class CellRecord:
    """One cell's run and those of its folds.

    Attributes:
        name: The run's name.
        params: The flattened configuration.
        tags: Cell id, data fingerprint, code.
        dataset: The input data set.
        folds: The folds.
        metrics: Closing metrics of a finished cell.
        artifacts: File → folder in the run (empty: its top), of a finished cell.
        finished: Whether the cell is.
    """

    name: str
    params: Mapping[str, str]
    tags: Mapping[str, str]
    dataset: DatasetRecord
    folds: list[FoldRecord]
    metrics: Mapping[str, float] = field(default_factory=dict)
    artifacts: Mapping[Path, str] = field(default_factory=dict)
    finished: bool = False

    def to_json(self) -> dict[str, Any]:
        """Return the record as JSON values."""
        values = asdict(self)
        values["artifacts"] = _names(self.artifacts)
        for fold, record in zip(values["folds"], self.folds, strict=True):
            fold["artifacts"] = _names(record.artifacts)
        return values

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Self:
        """Return the record that :meth:`to_json` turned into ``values``."""
        folds = [FoldRecord(**{**fold, "artifacts": _files(fold["artifacts"])}) for fold in values["folds"]]
        dataset = DatasetRecord(**values["dataset"])
        return cls(**{**values, "dataset": dataset, "folds": folds, "artifacts": _files(values["artifacts"])})


def _names(artifacts: Mapping[Path, str]) -> dict[str, str]:
    return {str(file.absolute()): folder for file, folder in artifacts.items()}


def _files(artifacts: dict[str, str]) -> dict[Path, str]:
    return {Path(name): folder for name, folder in artifacts.items()}
