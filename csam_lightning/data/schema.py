"""The rules that a manifest's cells must keep, and how a broken rule is reported."""

import difflib
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from csam_lightning.data.problems import Problem
from csam_lightning.data.repetitions import repetitions
from csam_lightning.data.slips import told_apart
from csam_lightning.data.spelling import shown
from csam_lightning.data.table import TextTable

if TYPE_CHECKING:
    import pandas as pd

SPLITS: Final = ("train", "test")
# Up to nine digits, so that a count fits any integer; ".0" is what a column of numbers with gaps is written as. A point
# and three zeros are refused: in half of the world's spreadsheets they make a thousand.
CYCLES: Final = r"0*[0-9]{1,9}(\.(?!000$)0*)?"
GROUPED: Final = re.compile(r"[0-9]+|[0-9]{1,3}([.,'\u2019\xb4`\s])[0-9]{3}(?:\1[0-9]{3})*")
CYCLES_END: Final = 10**9
ABSOLUTE: Final = r"/|[A-Za-z]:"
LEAVES: Final = r"\.\.(/|$)"
# How other programs write an empty cell; taken for a package, all scans without one would be one part.
GAPS: Final = ("nan", "none", "null", "na", "n/a", "#n/a", "<na>", "nat")
ANY_GAP: Final = f"(?:{'|'.join(map(re.escape, GAPS))})"
CONTROL: Final = r"[\x00-\x1f\x7f-\x9f]"


@dataclass(frozen=True)
class Rules:
    """What a manifest must hold.

    Attributes:
        classes: Class names to choose labels from, or None where the labels themselves are the classes.
        required: Columns that must be there, with no cell empty.
    """

    classes: tuple[str, ...] | None
    required: tuple[str, ...]

    def without(self, column: str) -> "Rules":
        """Return the rules that do not require ``column``."""
        return Rules(self.classes, tuple(name for name in self.required if name != column))


class _Rule(NamedTuple):
    """What the filled cells of a column must keep.

    Attributes:
        column: The column.
        broken: Marks the cells that break it.
        tell: Says of such a cell what is wrong and how to mend it.
    """

    column: str
    broken: "Callable[[pd.Series[str]], pd.Series[bool]]"
    tell: Callable[[str], tuple[str, str]]


def broken_rules(table: TextTable, rules: Rules) -> list[tuple[int, str, Problem]]:
    """Return every cell that breaks a rule: its position among the rows, its column, and what is wrong.

    Args:
        table: A table that has all known columns, with paths in POSIX form.
        rules: What the manifest must hold.
    """
    wrong = _wrong_cells(table, [*PATH_RULES, *_other_rules(rules)])
    return [*_empty_cells(table, rules), *_repeated_paths(table), *wrong]


def _empty_cells(table: TextTable, rules: Rules) -> Iterator[tuple[int, str, Problem]]:
    for column in rules.required:
        for position in table.frame[column].isna().to_numpy().nonzero()[0].tolist():
            mend = "fill in the cell or delete the row"
            yield position, column, table.problem(position, f"{column} is empty", mend)


def _wrong_cells(table: TextTable, rules: Sequence[_Rule]) -> Iterator[tuple[int, str, Problem]]:
    for column, broken, tell in rules:
        filled = table.frame[column].dropna()
        wrong = filled[broken(filled)]
        for position, cell in zip(wrong.index.tolist(), wrong, strict=True):
            yield position, column, table.problem(position, *tell(cell))


def _repeated_paths(table: TextTable) -> Iterator[tuple[int, str, Problem]]:
    paths = table.frame["path"]
    hashes = np.fromiter(map(hash, paths), dtype=np.int64, count=len(paths))  # paths themselves take more memory
    empty = paths.isna().to_numpy()
    for again, first in repetitions(hashes, lambda position: None if empty[position] else paths.iloc[position]):
        what = f"file '{paths.iloc[again]}' is listed again, first in row {table.rows[first]}"
        yield again, "path", table.problem(again, what, "delete a row")


PATH_RULES = (
    _Rule(
        "path",
        lambda cells: cells.str.match(ABSOLUTE),
        lambda cell: (f"path '{cell}' is absolute", "write it relative to the manifest"),
    ),
    _Rule(
        "path",
        lambda cells: cells.str.match(LEAVES),
        lambda cell: (f"path '{cell}' leaves the folder", "keep images in the manifest's folder"),
    ),
    _Rule(
        "path",
        lambda cells: cells.str.contains(CONTROL),
        lambda cell: (f"path {cell!r} holds a control character", "rename the file"),
    ),
)


def _other_rules(rules: Rules) -> list[_Rule]:
    needed = "package_id" in rules.required
    gap_mend = "name the physical part or delete the row" if needed else "name the physical part or empty the cell"
    return [
        _printable("label") if rules.classes is None else _one_of("label", rules.classes),
        _printable("package_id"),
        _printable("metallization"),
        _Rule(
            "package_id",
            lambda cells: cells.str.fullmatch(ANY_GAP, case=False),
            lambda cell: (f"package_id '{cell}' names no package", gap_mend),
        ),
        _Rule(
            "cycles",
            lambda cells: ~cells.str.fullmatch(CYCLES),
            _no_cycles,
        ),
        _one_of("split", SPLITS),
    ]


def _no_cycles(cell: str) -> tuple[str, str]:
    readings = [str(reading) for reading in cycles_readings(cell)]
    if not readings:
        return f"cycles '{cell}' is no whole number from 0", "write 0, 100, 200, …"
    if len(readings) == 1:
        return f"cycles '{shown(cell)}' is not written in digits alone", f"write {readings[0]}"
    return f"cycles '{shown(cell)}' can be read as {' or '.join(readings)}", f"write {' or '.join(readings)}"


def cycles_readings(cell: str) -> list[int]:
    """Return the whole numbers that a number with separators may stand for, the largest first.

    A point, a comma, an apostrophe or a space separates thousands, three digits at a time; a point or a comma of
    another kind separates the fraction, which must be zero.
    """
    found = set()
    for at, mark in [(len(cell), ""), *((at, sign) for at, sign in enumerate(cell) if sign in ".,")]:
        whole = GROUPED.fullmatch(cell[:at])
        if whole and whole[1] != mark and not cell[at + 1 :].strip("0"):
            found.add(int(re.sub("[^0-9]", "", whole[0])))
    return sorted((number for number in found if number < CYCLES_END), reverse=True)


def _printable(column: str) -> _Rule:
    return _Rule(
        column,
        lambda cells: cells.str.contains(CONTROL),
        lambda cell: (f"{cell!r} holds a control character", "write the cell anew"),
    )


def _one_of(column: str, words: Sequence[str]) -> _Rule:
    return _Rule(
        column,
        lambda cells: ~cells.isin(words),
        lambda cell: (f"unknown {column} '{shown(cell)}'", choice(cell, words)),
    )


def choice(word: str, words: Sequence[str]) -> str:
    """Return the mend for a word that is none of ``words``: the nearest, if one is near, and all of them."""
    near = nearest(word, [other for other in words if not told_apart(word, other)])
    meant = f"did you mean '{near}'? " if near else ""
    return f"{meant}write one of {', '.join(words)}"


def nearest(word: str, words: Sequence[str], cutoff: float = 0.5) -> str | None:
    """Return the word most like ``word`` by difflib's ratio, upper and lower case being equal, or None."""
    folded = {other.casefold(): other for other in reversed(words)}
    near = difflib.get_close_matches(word.casefold(), list(folded), n=1, cutoff=cutoff)
    return folded[near[0]] if near else None
