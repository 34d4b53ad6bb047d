"""What people say of scans: a log that is only ever added to, and the manifest that training makes of it."""

import csv
import io
import os
import shutil
from codecs import BOM_UTF8
from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd
from filelock import FileLock
from PIL import Image

from csam_lightning.data.consistency import package_problems
from csam_lightning.data.folder_tree import SUFFIXES
from csam_lightning.data.problems import errors_in, printable
from csam_lightning.data.schema import Rules, broken_rules
from csam_lightning.data.table import COLUMNS, TextTable
from csam_lightning.errors import InputError
from csam_lightning.files import make_folder, sync_folder, written_atomically
from csam_lightning.predicting.scans import Scan
from csam_lightning.predicting.table import FORMULA

LOG, MANIFEST, SCANS = "corrections.csv", "manifest.csv", "scans"
MANIFEST_COLUMNS = ("path", "label", "package_id")
LOCK = ".corrections.lock"


@dataclass(frozen=True)
class Correction:
    """What a person says of a scan: a row of the log.

    Attributes:
        when: UTC, ISO 8601.
        who: Who says so.
        path: The scan's file, kept beside the log under a name made of its picture.
        scan: What it was called.
        package_id: The physical part.
        old_label: What the last correction said, or else the model.
        label: What this one says.
        model: The cell of the model that judged it.
    """

    when: str
    who: str
    path: str
    scan: str
    package_id: str
    old_label: str
    label: str
    model: str

    @property
    def day(self) -> str:
        """The day, UTC."""
        return self.when.partition("T")[0]

    @property
    def picture(self) -> str:
        """SHA-256 of the picture, hexadecimal."""
        return PurePosixPath(self.path).stem


HEADER = tuple(field.name for field in fields(Correction))


@dataclass(frozen=True)
class Said:
    """What a person types.

    Attributes:
        label: The class.
        package_id: The physical part.
        who: Who says so.
    """

    label: str
    package_id: str
    who: str


def check_folder(folder: Path) -> None:
    """Refuse a folder in which corrections cannot be kept.

    Raises:
        InputError: It is a file, it holds a manifest that this program did not make of corrections, or its log was
            changed by another program.
    """
    where = f"output {folder}"
    if folder.exists() and not folder.is_dir():
        raise InputError("is no folder", where=where, mend="name a folder, a new one or one with corrections")
    if (folder / MANIFEST).exists() and not (folder / LOG).exists():
        mend = "name another folder: corrections would take the manifest's place"
        raise InputError("holds a data set of its own", where=where, mend=mend)
    read_log(folder)


def correct(folder: Path, scan: Scan, said: Said, *, predicted: str, model: str) -> Correction:
    """Keep what a person says of a scan: its file, a row of the log, and the manifest made anew.

    Several processes may share the folder. A picture that was corrected before, whatever its file was called, is
    corrected again: the log keeps both rows, the manifest the last one.

    Args:
        folder: Made if missing.
        scan: The scan.
        said: What is said of it.
        predicted: What the model said.
        model: The model's cell.

    Raises:
        InputError: A field is empty or cannot stand in a manifest, it contradicts another correction, or the scan or
            the folder cannot be read or written.
    """
    said = Said(*(_cell(name, value) for name, value in zip(("label", "package", "name"), astuple(said), strict=True)))
    picture = scan.read().picture_hash
    try:
        make_folder(folder)
        with FileLock(folder / LOCK):
            log = read_log(folder)
            former = latest(log).get(picture)
            made = Correction(
                when=datetime.now(UTC).isoformat(timespec="seconds"),
                who=said.who,
                path=former.path if former else f"{SCANS}/{picture}{_suffix(scan)}",
                scan=scan.path,
                package_id=said.package_id,
                old_label=former.label if former else predicted,
                label=said.label,
                model=model,
            )
            _check([*log, made])
            _keep_scan(scan, folder / made.path)
            _append(folder / LOG, made)
            _write_manifest(folder / MANIFEST, [*log, made])
    except OSError as error:
        what = f"cannot be written: {error.strerror or error}"
        raise InputError(what, where=str(folder), mend="free space there or change its permissions") from error
    return made


def read_log(folder: Path) -> list[Correction]:
    """Return all corrections, the oldest first; a last row that an interruption cut off is passed over.

    Raises:
        InputError: Another program has changed the log, so that labels would be lost.
    """
    file = folder / LOG
    try:
        written = file.read_bytes()
        text = _whole(written).decode("utf-8-sig")
        header, *rows = csv.reader(io.StringIO(text, newline="")) if text else [HEADER]
    except FileNotFoundError:
        return []
    except UnicodeDecodeError as error:
        raise _changed(folder, "is no UTF-8 text") from error
    except csv.Error as error:
        raise _changed(folder, f"is no table of corrections ({error})") from error
    if not text and not ",".join(HEADER).encode().startswith(written.removeprefix(BOM_UTF8)):
        raise _changed(folder, "is no table of corrections")
    if tuple(header) != HEADER:
        raise _changed(folder, f"row 1 is not {','.join(HEADER)}")
    for number, row in enumerate(rows, start=2):
        if row and len(row) != len(HEADER):
            raise _changed(folder, f"row {number} has {len(row)} cells in place of {len(HEADER)}")
    return [Correction(*row) for row in rows if row]


def _whole(written: bytes) -> bytes:
    """Return a log without its last row, if an interruption has cut that off."""
    end = written.rfind(b"\n") + 1
    last = next(csv.reader([written[end:].decode(errors="replace")]), [])
    return written if end and len(last) == len(HEADER) else written[:end]


def _changed(folder: Path, what: str) -> InputError:
    mend = "save it as CSV with commas, in UTF-8, as it was written, or move it and its manifest away"
    return InputError(what, where=str(folder / LOG), mend=mend)


def latest(log: Sequence[Correction]) -> dict[str, Correction]:
    """Return the last correction of each picture, by its hash, in the order of the first ones."""
    return {one.picture: one for one in log}


def _cell(name: str, value: str) -> str:
    text = printable(" ".join(value.split()))
    if not text:
        raise InputError("is empty", where=name, mend="fill it in")
    if text.startswith(FORMULA):
        what = f"begins with '{text[0]}', which spreadsheets take for a formula"
        raise InputError(what, where=name, mend="write it without")
    return text


def _suffix(scan: Scan) -> str:
    """Return the suffix under which a scan is kept; readers go by the content, people by the suffix."""
    suffix = PurePosixPath(scan.path).suffix.lower()
    return suffix if suffix in SUFFIXES and isinstance(scan.source, Path) else ".png"


def _check(log: Sequence[Correction]) -> None:
    """Refuse what the manifest's reader would: broken cells, and packages written in two ways."""
    rows = list(latest(log).values())
    named = {name: [getattr(row, name) for row in rows] for name in MANIFEST_COLUMNS}
    frame = pd.DataFrame({name: pd.Series(named.get(name, [None] * len(rows)), dtype="string") for name in COLUMNS})
    table = TextTable(MANIFEST, MANIFEST_COLUMNS, frame, np.arange(2, len(rows) + 2, dtype=np.int64))
    broken = [problem for *_, problem in broken_rules(table, Rules(None, MANIFEST_COLUMNS))]
    errors = errors_in([*broken, *package_problems(table)])
    if errors:
        raise errors[0].as_error()


def _keep_scan(scan: Scan, file: Path) -> None:
    if file.exists():
        return
    with written_atomically(file) as unfinished:
        if isinstance(scan.source, Path):
            shutil.copyfile(scan.source, unfinished)
        else:
            Image.fromarray(scan.pixels(None)).save(unfinished)


def _append(file: Path, made: Correction) -> None:
    """Add a row, in place of one that an interruption cut off."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    with file.open("a+b") as log:
        log.seek(0)
        whole = _whole(log.read())
        log.truncate(len(whole))
        if not whole:
            writer.writerow(HEADER)
        elif not whole.endswith(b"\n"):
            text.write("\n")
        writer.writerow(astuple(made))
        log.write(text.getvalue().encode())
        log.flush()
        os.fsync(log.fileno())
    sync_folder(file.parent)


def _write_manifest(file: Path, log: Sequence[Correction]) -> None:
    with written_atomically(file) as unfinished, unfinished.open("w", encoding="utf-8", newline="") as text:
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(MANIFEST_COLUMNS)
        writer.writerows([getattr(row, name) for name in MANIFEST_COLUMNS] for row in latest(log).values())
