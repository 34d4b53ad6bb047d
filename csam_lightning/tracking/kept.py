"""The files of a cell's folder that record what was sent to a store, and what could not be; checked when read."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from csam_lightning.state import read_json
from csam_lightning.tracking.record import CellRecord

PENDING = ".pending.json"
"""End of the name of a file of what could not be sent."""


@dataclass(frozen=True)
class _SentFold:
    run_id: str
    described: bool
    epochs: int
    closed: bool = False
    trained: float | None = None


@dataclass(frozen=True)
class _Sent:
    experiment_id: str | None = None
    run_id: str | None = None
    key: str | None = None
    open: bool = False
    described: bool = False
    folds: dict[str, _SentFold] = field(default_factory=dict)
    closed_with: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class Origin:
    """Whose file it is.

    Attributes:
        experiment: Name of the experiment.
        sweep: Folder of the sweep's grid; None where the cell was asked for by itself.
    """

    experiment: str
    sweep: str | None


def read_sent(path: Path) -> dict[str, Any]:
    """Return what was sent.

    Raises:
        ValueError: The file is damaged.
        OSError: There is no such file, or it may not be opened.
    """
    content = read_json(path)
    TypeAdapter(_Sent).validate_python(content)
    return content


def read_pending(path: Path) -> CellRecord:
    """Return what could not be sent.

    Raises:
        ValueError, LookupError, TypeError: The file is damaged.
        OSError: There is no such file, or it may not be opened.
    """
    record = read_json(path)["record"]
    TypeAdapter(CellRecord).validate_python(record)
    return CellRecord.from_json(record)


def read_origin(path: Path) -> Origin:
    """Return whose file it is, once all that it holds has been checked.

    Raises:
        ValueError, LookupError, TypeError: The file is damaged.
        OSError: There is no such file, or it may not be opened.
    """
    if path.name.endswith(PENDING):
        read_pending(path)
    else:
        read_sent(path)
    return TypeAdapter(Origin).validate_python(read_json(path))
