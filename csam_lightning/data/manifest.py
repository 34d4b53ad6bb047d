"""The manifest: the table that lists the scans, read and validated in one go."""

import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from csam_lightning.data.consistency import (
    class_problems,
    column_problems,
    cycles_problems,
    label_problems,
    package_problems,
)
from csam_lightning.data.folder_tree import read_tree
from csam_lightning.data.paths import file_problems, to_posix
from csam_lightning.data.problems import Problem, errors_in, warnings_in
from csam_lightning.data.schema import Rules, broken_rules
from csam_lightning.data.table import COLUMNS, TextTable, read_table
from csam_lightning.errors import InputError

FILE_NAMES = ("manifest.csv", "manifest.parquet")  # the first found is read: people edit and see the text

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Manifest:
    """The scans of a data set.

    Attributes:
        root: Folder that the paths are relative to.
        table: One row per scan, RangeIndex, with the columns ``path`` (POSIX, relative to ``root``), ``label``,
            ``package_id``, ``metallization``, ``split`` (dtype ``string``) and ``cycles`` (``Int64``). NA where
            nothing is known; ``split`` is never NA.
        classes: Class names in order.
        source: Name of the manifest file, or of the folder where class-named folders were read.
        rows: Row of each scan in the file, int64, the header being row 1; 0 without a file.
    """

    root: Path
    table: pd.DataFrame
    classes: tuple[str, ...]
    source: str
    rows: NDArray[np.int64]

    def where(self, position: int) -> str:
        """Return where the scan at ``position`` is listed, for messages."""
        return TextTable(self.source, (), self.table, self.rows).place(position)


def load_manifest(
    root: Path,
    *,
    classes: Sequence[str] | None,
    package_pattern: str | None,
    need_labels: bool = True,
    need_packages: bool,
) -> Manifest:
    """Read the manifest of ``root`` as :func:`read_manifest` does, and log its warnings.

    Raises:
        InputError: The first error found, and how many more there are.
    """
    manifest, problems = read_manifest(
        root,
        classes=classes,
        package_pattern=package_pattern,
        need_labels=need_labels,
        need_packages=need_packages,
    )
    for problem in warnings_in(problems):
        logger.warning("%s: %s; %s", problem.where, problem.what, problem.mend)
    errors = errors_in(problems)
    if errors:
        raise errors[0].as_error(listing(len(errors) - 1, root))
    assert manifest is not None  # noqa: S101 -- narrows: without errors there is a table
    return manifest


def listing(more: int, root: Path) -> str:
    """Return the end of a message that reports one of several errors: how many more, and what lists them."""
    if not more:
        return ""
    return f" (and {more} more: python -m csam_lightning.check data=folder data.root={root} lists all)"


def read_manifest(
    root: Path,
    *,
    classes: Sequence[str] | None,
    package_pattern: str | None,
    need_labels: bool = True,
    need_packages: bool,
) -> tuple[Manifest | None, list[Problem]]:
    """Read ``manifest.csv``, ``manifest.parquet`` or a tree of class-named folders, and find all that is wrong.

    Images are looked up but not opened; :func:`csam_lightning.data.inspection.inspect_images` opens them.

    Args:
        root: Folder with the manifest and the images.
        classes: Class names in order, or None: the sorted labels.
        package_pattern: Regular expression searched in the file name that gives the package (its first group, or
            the whole match) where no column ``package_id`` does.
        need_labels: Every scan must have a label, and there must be two classes at least.
        need_packages: Every scan must have a package (grouped protocol).

    Returns:
        The manifest and the findings. Cells that break a rule are NA in the manifest. It is None where no table
        could be made at all, and then there is an error among the findings.
    """
    wanted = {"path": True, "label": need_labels, "package_id": need_packages}
    rules = Rules(None if classes is None else tuple(classes), tuple(name for name, needed in wanted.items() if needed))
    try:
        table, problems = _read(Path(root), rules.classes)
    except InputError as error:
        return None, [Problem.of(error)]
    if package_pattern is not None and "package_id" not in table.header:
        rules = rules.without("package_id")
    table, found = _with_packages(table, package_pattern)
    problems += found + column_problems(table, rules)
    if "path" not in table.frame:
        return None, problems
    if not len(table.frame):
        problems.append(Problem("error", table.source, "lists no scan", "write one row per scan"))
        return None, problems
    return _validated(Path(root), table, rules, problems)


def _read(root: Path, classes: Sequence[str] | None) -> tuple[TextTable, list[Problem]]:
    if not root.is_dir():
        what = "is a file, not a folder" if root.exists() else "no such folder"
        raise InputError(what, where=str(root), mend="set data.root to the folder that holds the manifest")
    try:
        entries = sorted(entry for entry in root.iterdir() if entry.name.lower() in FILE_NAMES)
    except OSError as error:
        raise InputError(
            f"cannot be read: {error.strerror}", where=str(root), mend="make the folder readable"
        ) from error
    if not entries:
        return read_tree(root, classes)
    chosen = min(entries, key=lambda entry: FILE_NAMES.index(entry.name.lower()))
    table, problems = read_table(chosen)
    for other in entries:
        if other != chosen:
            what = f"is not read, since {chosen.name} is there"
            problems.append(Problem("warning", other.name, what, "keep one of them"))
    return table, problems


def _with_packages(table: TextTable, pattern: str | None) -> tuple[TextTable, list[Problem]]:
    """Return the table with the packages that file names give, where it names none itself."""
    if pattern is None or "path" not in table.frame:
        return table, []
    where = "data.package_pattern"
    if "package_id" in table.frame:
        what = f"is not used, since {table.source} has a column 'package_id'"
        return table, [Problem("warning", where, what, "delete the column or the setting")]
    try:
        expression = re.compile(pattern)
    except re.error as error:
        what = f"'{pattern}' is no regular expression ({error})"
        return table, [Problem("error", where, what, """write one, for example 'data.package_pattern="^[^_]+"'""")]
    names = table.frame["path"].map(lambda path: package_in(expression, path), na_action="ignore")
    frame = table.frame.assign(package_id=names.astype("string"))
    problems = []
    for position in (frame["path"].notna() & names.isna()).to_numpy().nonzero()[0].tolist():
        what = f"'{pattern}' finds no package in the file name of '{frame['path'].iloc[position]}'"
        problems.append(table.problem(position, what, f"correct {where} or the file name"))
    return TextTable(table.source, (*table.header, "package_id"), frame, table.rows), problems


def package_in(expression: re.Pattern[str], path: str) -> str | None:
    """Return the package that a file's name gives: the expression's first group or whole match; None for neither."""
    match = expression.search(path.replace("\\", "/").rpartition("/")[2])
    return (match[1 if expression.groups else 0] or None) if match else None


def _validated(root: Path, table: TextTable, rules: Rules, problems: list[Problem]) -> tuple[Manifest, list[Problem]]:
    for column in rules.required:
        if column not in table.frame:
            rules = rules.without(column)
    frame = _completed(table.frame)
    if not table.is_tree:
        frame["path"] = to_posix(frame["path"])
    table = TextTable(table.source, table.header, frame, table.rows)
    problems = problems + cycles_problems(table)
    broken = broken_rules(table, rules)
    _blank(frame, [(position, column) for position, column, _ in broken])
    lost = file_problems(root, table)
    _blank(frame, [(position, "path") for position, _ in lost])
    names = rules.classes or tuple(sorted(frame["label"].dropna().unique()))
    problems += [problem for _, _, problem in broken] + [problem for _, problem in lost]
    problems += package_problems(table) + class_problems(table, names, rules)
    problems += label_problems(table) if rules.classes is None else []
    frame["cycles"] = frame["cycles"].astype("Float64").astype("Int64")
    frame["split"] = frame["split"].fillna("train")
    return Manifest(root, frame, names, table.source, table.rows), sorted(problems, key=lambda problem: problem.row)


def _blank(frame: pd.DataFrame, cells: list[tuple[int, str]]) -> None:
    """Make cells NA that broke a rule."""
    for column in {column for _, column in cells}:
        frame.loc[[position for position, name in cells if name == column], column] = pd.NA


def _completed(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the table with all columns; the split is train where none is named."""
    missing = {name: pd.Series(pd.NA, index=frame.index, dtype="string") for name in COLUMNS if name not in frame}
    whole = frame.assign(**missing)[list(COLUMNS)]
    return whole.assign(split=whole["split"].fillna("train"))
