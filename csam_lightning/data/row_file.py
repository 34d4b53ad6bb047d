"""An array file that is written row by row, and can be gone on with after any interruption."""

import io
import json
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

ARRAY, JOURNAL = "scans.npy", "rows.jsonl"
TOGETHER = 64
"""Rows after which the files are handed to the system."""


@dataclass(frozen=True)
class Row:
    """One row of the array.

    Attributes:
        pixels: Its bytes.
        note: What else is to be kept of it, such as a hash.
    """

    pixels: bytes
    note: str


def rows_there(folder: Path, shape: tuple[int, int, int]) -> list[str]:
    """Return the notes of the rows in ``folder`` that are whole, from the first on, and cut off what follows them.

    A row counts where the journal knows its checksum, and the note and the array's bytes give it: after a loss of power
    the file system may have kept either without the other.

    Args:
        folder: Holds both files, or neither yet.
        shape: Of the array, uint8.
    """
    if not (folder / JOURNAL).is_file() or not (folder / ARRAY).is_file():
        for name in (JOURNAL, ARRAY):
            (folder / name).unlink(missing_ok=True)
        return []
    header, length = _header(shape), shape[1] * shape[2]
    notes, journal_end = [], 0
    with (folder / JOURNAL).open("r+b") as journal, (folder / ARRAY).open("r+b") as array:
        sound = array.read(len(header)) == header
        for line in journal if sound else ():
            entry = _entry(line)
            if entry is None or checksum(array.read(length), entry[1]) != entry[0]:
                break
            notes.append(entry[1])
            journal_end += len(line)
        journal.truncate(journal_end)
        array.truncate(len(header) + len(notes) * length if sound else 0)
    return notes


def _entry(line: bytes) -> tuple[int, str] | None:
    """Return checksum and note of a journal's line; None where it is not whole."""
    try:
        entry = json.loads(line)
    except ValueError:
        return None
    whole = isinstance(entry, list) and [type(part) for part in entry] == [int, str] and line.endswith(b"\n")
    return (entry[0], entry[1]) if whole else None


def add_rows(folder: Path, shape: tuple[int, int, int], rows: Iterable[Row]) -> None:
    """Add rows behind those that :func:`rows_there` has found; a killed process loses ``TOGETHER`` of them at most.

    The array is written as a stream, since a memory map on a full disk kills the process instead of raising.
    """
    with (folder / ARRAY).open("ab") as array, (folder / JOURNAL).open("ab") as journal:
        if array.tell() == 0:
            array.write(_header(shape))
        for number, row in enumerate(rows, start=1):
            array.write(row.pixels)
            journal.write(json.dumps([checksum(row.pixels, row.note), row.note]).encode() + b"\n")
            if number % TOGETHER == 0:
                array.flush()
                journal.flush()


def checksum(pixels: bytes | memoryview, note: str) -> int:
    """Return the CRC-32 of a row's bytes and note."""
    return zlib.crc32(note.encode(), zlib.crc32(pixels))


def _header(shape: tuple[int, int, int]) -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"descr": "|u1", "fortran_order": False, "shape": shape})
    return buffer.getvalue()
