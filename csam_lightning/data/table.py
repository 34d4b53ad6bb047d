"""A manifest file as a table of text; encoding, delimiter, quoting and row lengths are settled here."""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from csam_lightning.data.problems import Problem, Severity
from csam_lightning.errors import InputError
from csam_lightning.machine.memory import take_arrow_s_memory_from_the_c_library

COLUMNS = ("path", "label", "package_id", "metallization", "cycles", "split")
DELIMITERS = (",", ";", "\t")
UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")
ROWS_TOGETHER = 4096
"""Rows that are held as Python's text at a time, which takes ten times the memory of the table."""


@dataclass(frozen=True)
class TextTable:
    """A table whose cells are stripped text, or NA where empty.

    Attributes:
        source: File name, for messages.
        header: All column names as found, stripped.
        frame: The columns that ``COLUMNS`` knows, dtype ``string``, with a RangeIndex.
        rows: Row number of each table row, int64; the header is row 1, as in a spreadsheet. All 0 where the table
            stands in no file but was made of a tree of folders.
    """

    source: str
    header: tuple[str, ...]
    frame: pd.DataFrame
    rows: NDArray[np.int64]

    @property
    def head(self) -> str:
        """Where the column names stand, for messages."""
        return self.source if self.is_tree else f"{self.source} row 1"

    @property
    def is_tree(self) -> bool:
        """Whether the table was made of a tree of folders."""
        return not self.rows.all()

    def place(self, position: int) -> str:
        """Return where the row at ``position`` stands, for messages."""
        if self.is_tree:
            return str(self.frame["path"].iloc[position])
        return f"{self.source} row {self.rows[position]}"

    def problem(self, position: int, what: str, mend: str, severity: Severity = "error") -> Problem:
        """Return a finding about the row at ``position``."""
        return Problem(severity, self.place(position), what, mend, int(self.rows[position]))


def read_table(path: Path) -> tuple[TextTable, list[Problem]]:
    """Read ``manifest.csv`` or ``manifest.parquet``.

    Rows of a wrong length are reported and left out.

    Raises:
        InputError: No table can be made of the file.
    """
    take_arrow_s_memory_from_the_c_library()
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", where=path.name, mend="make the file readable") from error
    if not data:
        raise InputError(
            "is empty (0 bytes)",
            where=path.name,
            mend="write a header with at least 'path' and 'label', and one row per scan",
        )
    if path.suffix.lower() == ".parquet":
        return _from_parquet(data, path.name)
    return _from_csv(data, path.name)


def _from_csv(data: bytes, source: str) -> tuple[TextTable, list[Problem]]:
    _check_encoding(data, source)
    records = _records(_text(data), _delimiter(data, source), source)
    first = next(records, None)
    if first is None:
        raise InputError("holds only blank lines", where=source, mend="write a header and one row per scan")
    header = tuple(first[1])
    no_cells: Sequence[Sequence[str]] = [[] for _ in header]
    problems, frames, rows = [], [_frame(header, no_cells)], [np.empty(0, dtype=np.int64)]
    while some := list(islice(records, ROWS_TOGETHER)):
        told = [_row_problem(row, cells, header, source) for row, cells in some]
        problems += [problem for problem in told if problem]
        sound = [record for record, problem in zip(some, told, strict=True) if not problem]
        rows.append(np.array([row for row, _ in sound], dtype=np.int64))
        frames.append(_frame(header, [[cells[column] for _, cells in sound] for column in range(len(header))]))
    return TextTable(source, header, pd.concat(frames, ignore_index=True), np.concatenate(rows)), problems


def _check_encoding(data: bytes, source: str) -> None:
    mend = "save it as UTF-8 (in a spreadsheet: 'CSV UTF-8')"
    if data.startswith(UTF16_MARKS):
        raise InputError("is UTF-16 text, not UTF-8", where=source, mend=mend)
    try:
        data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        row = data.count(b"\n", 0, error.start) + 1
        raise InputError(
            f"byte 0x{data[error.start]:02x} is not UTF-8 text", where=f"{source} row {row}", mend=mend
        ) from error


def _text(data: bytes) -> Iterator[str]:
    """Return the lines of UTF-8 text, their ends as they are."""
    return io.TextIOWrapper(io.BytesIO(data), encoding="utf-8-sig", newline="")


def _delimiter(data: bytes, source: str) -> str:
    """Return the delimiter that makes most sense of the header: known names first, then most columns."""
    header = next((line for line in _text(data) if line.strip()), "")

    def sense(delimiter: str) -> tuple[int, int]:
        cells = next((cells for _, cells in _records([header], delimiter, source)), [])
        return len(set(COLUMNS).intersection(cells)), len(cells)

    return max(DELIMITERS, key=sense)


def _records(lines: Iterable[str], delimiter: str, source: str) -> Iterator[tuple[int, list[str]]]:
    """Yield row number and stripped cells of each record that is not blank."""
    reader = csv.reader(lines, delimiter=delimiter, skipinitialspace=True)
    row = 0
    try:
        for row, record in enumerate(reader, start=1):
            cells = [cell.strip() for cell in record]
            if any(cells):
                yield row, cells
    except csv.Error as error:
        raise InputError(
            f"is no CSV from here on ({error})",
            where=f"{source} row {row + 1}",
            mend="close the quotation marks, or write the cell without them",
        ) from error


def _row_problem(row: int, cells: Sequence[str], header: Sequence[str], source: str) -> Problem | None:
    where = f"{source} row {row}"
    if any("\n" in cell or "\r" in cell for cell in cells):
        what, mend = "a cell holds a line break", "close the quotation marks, or write the cell without them"
        return Problem("error", where, what, mend, row)
    if len(cells) < len(header) or any(cells[len(header) :]):
        what = f"has {len(cells)} cells where the header has {len(header)}"
        mend = "write one cell per column, with quotation marks around text that holds the delimiter"
        return Problem("error", where, what, mend, row)
    return None


def _frame(header: Sequence[str], columns: Sequence[Sequence[Any]]) -> pd.DataFrame:
    """Return the known columns as text, empty cells as NA; of a name that stands twice, the first."""
    known = {}
    for name, cells in zip(header, columns, strict=True):
        if name in COLUMNS and name not in known:
            series = pd.Series(cells, dtype="string").str.strip()
            if name != "path":
                series = series.str.normalize("NFC")
            known[name] = series.mask(series == "")
    return pd.DataFrame(known)


def _from_parquet(data: bytes, source: str) -> tuple[TextTable, list[Problem]]:
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(pa.BufferReader(data))
    except (pa.ArrowException, OSError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"cannot be read as Parquet ({reason})", where=source, mend="write the file again") from error
    header = tuple(name.strip() for name in table.column_names)
    columns = [_text_column(name, column, source) for name, column in zip(header, table.columns, strict=True)]
    starts = range(0, max(table.num_rows, 1), ROWS_TOGETHER)
    frames = [
        _frame(header, [column[start : start + ROWS_TOGETHER].to_pylist() for column in columns]) for start in starts
    ]
    rows = np.arange(2, table.num_rows + 2, dtype=np.int64)
    return TextTable(source, header, pd.concat(frames, ignore_index=True), rows), []


def _text_column(name: str, column: pa.ChunkedArray, source: str) -> pa.ChunkedArray:
    """Return a column as text if it is one that is read."""
    if name not in COLUMNS:
        return column[:0]
    try:
        if pa.types.is_decimal(column.type):  # as text it would have all its zeros, and 1.000 could be a thousand
            column = column.cast(pa.float64())
        text = column.cast(pa.string())
        text.validate(full=True)
    except pa.ArrowException as error:
        is_text = pa.types.is_string(column.type) or pa.types.is_large_string(column.type)
        held = "bytes that are not UTF-8" if is_text else column.type
        raise InputError(f"column '{name}' holds {held}, not text", where=source, mend="store it as text") from error
    return text
