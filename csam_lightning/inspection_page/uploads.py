"""Files that browsers send: untrusted, kept by what they hold, never by what they are called."""

import hashlib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from csam_lightning.data.problems import printable
from csam_lightning.errors import InputError
from csam_lightning.predicting.table import path_cell

MEGABYTE = 1_000_000
LONGEST_NAME = 120


@dataclass(frozen=True)
class Limits:
    """What one browser may send.

    Attributes:
        megabytes: Of a file.
        files: Until it removes them.
    """

    megabytes: int
    files: int

    @property
    def bytes(self) -> int:
        """Of a file."""
        return self.megabytes * MEGABYTE


@dataclass(frozen=True)
class Upload:
    """A file to judge.

    Attributes:
        name: What it is called on the page and in tables; never opened.
        file: Where it lies.
        tray: Whether it holds many units.
    """

    name: str
    file: Path
    tray: bool


def tame(name: str) -> str:
    """Return a file's name fit to be shown and written to tables.

    Folders before it are left out, control characters escaped, long names cut, and one that a spreadsheet would take
    for a formula begins with ``./``.
    """
    last = path_cell(printable(PurePosixPath(name.replace("\\", "/")).name) or "unnamed")
    return last if len(last) <= LONGEST_NAME else f"{last[: LONGEST_NAME - 20]}…{last[-19:]}"


def keep(data: bytes, folder: Path, limits: Limits) -> Path:
    """Write a file's content under its SHA-256 and return where; the same content is kept once.

    Raises:
        InputError: It is larger than allowed.
    """
    if len(data) > limits.bytes:
        raise too_large(limits)
    file = folder / hashlib.sha256(data).hexdigest()
    if not file.exists():
        file.write_bytes(data)
    return file


def too_large(limits: Limits) -> InputError:
    """Return what a file that is too large is told by."""
    what = f"is too large (more than {limits.megabytes} MB)"
    return InputError(
        what, where="upload_mb", mend="cut or scale the image down, or start the page with upload_mb=NUMBER"
    )


def too_many(limits: Limits) -> InputError:
    """Return what a file beyond the number allowed is told by."""
    what = f"is left out: {limits.files} files at a time"
    return InputError(
        what, where="upload_files", mend="remove the others first, or start the page with upload_files=NUMBER"
    )
