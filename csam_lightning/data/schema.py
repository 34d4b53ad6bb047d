"""The rules that a manifest's cells must keep, as a pandera schema, and how a broken rule is told."""

import difflib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import pandas as pd
import pandera.pandas as pa

from csam_lightning.data.problems import Problem
from csam_lightning.data.table import COLUMNS, TextTable

SPLITS: Final = ("train", "test")
# Up to nine digits, so that a count fits any integer; ".0" is what a column of numbers with gaps is written as.
CYCLES: Final = r"0*[0-9]{1,9}(\.0*)?"
ABSOLUTE: Final = r"/|[A-Za-z]:"
LEAVES: Final = r"\.\.(/|$)"
# How other programs write an empty cell; taken for a package, all scans without one would be one part.
GAPS: Final = ("nan", "none", "null", "na", "n/a", "#n/a", "<na>", "nat")
CONTROL: Final = r"[\x00-\x1f\x7f-\x9f]"

# The names of the rules, as pandera returns them for each cell that breaks one.
MISSING_CELL: Final = "not_nullable"
TWICE: Final = "field_uniqueness"


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


def broken_rules(table: TextTable, rules: Rules) -> list[tuple[int, str, Problem]]:
    """Return every cell that breaks a rule: its position among the rows, its column, and what is wrong.

    Args:
        table: A table that has all known columns, with paths in POSIX form.
        rules: What the manifest must hold.
    """
    try:
        _schema(rules).validate(table.frame, lazy=True)
    except pa.errors.SchemaErrors as errors:
        cases = errors.failure_cases.dropna(subset="index").drop_duplicates(["check", "column", "index"])
        return list(_told(cases, table, rules))
    return []


def _schema(rules: Rules) -> pa.DataFrameSchema:
    path = [
        pa.Check(lambda cells: ~cells.str.match(ABSOLUTE), error="absolute"),
        pa.Check(lambda cells: ~cells.str.match(LEAVES), error="leaves"),
        pa.Check(lambda cells: ~cells.str.contains(CONTROL), error="control"),
    ]
    text = pa.Check(lambda cells: ~cells.str.contains(CONTROL), error="unprintable")
    checks = {
        "path": path,
        "label": [text] if rules.classes is None else [pa.Check.isin(rules.classes, error="class")],
        "package_id": [text, pa.Check(lambda cells: ~cells.str.casefold().isin(GAPS), error="gap")],
        "metallization": [text],
        "cycles": [pa.Check(lambda cells: cells.str.fullmatch(CYCLES), error="cycles")],
        "split": [pa.Check.isin(SPLITS, error="split")],
    }
    return pa.DataFrameSchema(
        {
            name: pa.Column(
                None,
                checks[name],
                nullable=name not in rules.required,
                unique=name == "path",
                report_duplicates="exclude_first",
            )
            for name in COLUMNS
        }
    )


def _told(cases: pd.DataFrame, table: TextTable, rules: Rules) -> Iterator[tuple[int, str, Problem]]:
    paths = table.frame["path"]
    first = dict(zip(paths[::-1], table.rows[::-1].tolist(), strict=True))
    needed = "package_id" in rules.required
    gap_mend = "name the physical part or delete the row" if needed else "name the physical part or empty the cell"
    telling: dict[str, Callable[[str], tuple[str, str]]] = {
        "absolute": lambda cell: (f"path '{cell}' is absolute", "write it relative to the manifest"),
        "leaves": lambda cell: (f"path '{cell}' leaves the folder", "keep images in the manifest's folder"),
        "control": lambda cell: (f"path {cell!r} holds a control character", "rename the file"),
        "unprintable": lambda cell: (f"{cell!r} holds a control character", "write the cell anew"),
        TWICE: lambda cell: (f"file '{cell}' is listed again, first in row {first[cell]}", "delete a row"),
        "class": lambda cell: (f"unknown label '{cell}'", choice(cell, rules.classes or ())),
        "gap": lambda cell: (f"package_id '{cell}' names no package", gap_mend),
        "cycles": lambda cell: (f"cycles '{cell}' is no whole number from 0", "write 0, 100, 200, …"),
        "split": lambda cell: (f"unknown split '{cell}'", choice(cell, SPLITS)),
    }
    for position, column, check, cell in zip(
        cases["index"].astype(int), cases["column"], cases["check"], cases["failure_case"], strict=True
    ):
        if check == MISSING_CELL:
            what, mend = f"{column} is empty", "fill in the cell or delete the row"
        else:
            what, mend = telling[check](cell)
        yield position, column, table.problem(position, what, mend)


def choice(word: str, words: Sequence[str]) -> str:
    """Return the mend for a word that is none of ``words``: the nearest, if one is near, and all of them."""
    near = nearest(word, words)
    meant = f"did you mean '{near}'? " if near else ""
    return f"{meant}write one of {', '.join(words)}"


def nearest(word: str, words: Sequence[str], cutoff: float = 0.5) -> str | None:
    """Return the word most like ``word`` by difflib's ratio, upper and lower case being equal, or None."""
    folded = {other.casefold(): other for other in reversed(words)}
    near = difflib.get_close_matches(word.casefold(), list(folded), n=1, cutoff=cutoff)
    return folded[near[0]] if near else None
