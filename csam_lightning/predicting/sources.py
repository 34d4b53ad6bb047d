"""What a user names to be judged, as scans: a file, a folder, or a manifest."""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import pandas as pd

from csam_lightning.data.folder_tree import SUFFIXES
from csam_lightning.data.manifest import FILE_NAMES, Manifest, package_in, read_manifest
from csam_lightning.data.problems import Problem, errors_in
from csam_lightning.data.table import read_table
from csam_lightning.errors import InputError
from csam_lightning.predicting.scans import Scan


class Source(Protocol):
    """Scans of which few are in memory at a time."""

    others: int
    """How many files beside them are left aside, being of kinds that are not read."""

    def __len__(self) -> int:
        """Return how many there are."""

    def __iter__(self) -> Iterator[Scan]:
        """Yield them."""


def scans_of(source: Path, package_pattern: str | None) -> Source:
    """Return the scans that ``source`` names.

    Args:
        source: An image; a manifest; a folder that holds one; or a folder of images, at any depth.
        package_pattern: Regular expression that gives a file's package by its name, where no manifest does.

    Raises:
        InputError: There is no such file or folder, no image in it, or no table can be made of the manifest.
    """
    where = f"input {source}"
    if source.name.lower() in FILE_NAMES and source.is_file():
        return ManifestScans(source.parent, package_pattern)
    if source.is_file():
        if source.suffix.lower() in {".csv", ".parquet"}:
            raise InputError("is no image", where=where, mend=f"name a manifest {' or '.join(FILE_NAMES)}")
        return FileScans(source.parent, [source.name], package_pattern)
    if not source.is_dir():
        mend = "name a scan, a folder of scans or a manifest"
        raise InputError("no such file or folder", where=where, mend=mend)
    if any(entry.name.lower() in FILE_NAMES for entry in os.scandir(source)):
        return ManifestScans(source, package_pattern)
    files = sorted(_files_below(source))
    names = [name for name in files if name.lower().endswith(SUFFIXES)]
    if not names:
        raise InputError("holds no image", where=where, mend=f"name a folder with files {', '.join(SUFFIXES)}")
    return FileScans(source, names, package_pattern, others=len(files) - len(names))


def _files_below(folder: Path) -> Iterator[str]:
    """Yield the files below a folder, relative to it; what is hidden is left aside."""
    for place, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        inside = os.path.relpath(place, folder)
        for name in files:
            if not name.startswith("."):
                yield name if inside == "." else f"{Path(inside).as_posix()}/{name}"


class FileScans:
    """Image files.

    Args:
        root: Their folder.
        names: Their paths in it.
        package_pattern: See :func:`scans_of`.
        others: How many files beside them are of other kinds.

    Raises:
        InputError: The pattern is no regular expression.
    """

    def __init__(self, root: Path, names: list[str], package_pattern: str | None, *, others: int = 0) -> None:
        """Keep what they are called, which takes far less memory than the scans."""
        self.root = root
        self.names = names
        self.others = others
        try:
            self.pattern = re.compile(package_pattern) if package_pattern is not None else None
        except re.error as error:
            what = f"'{package_pattern}' is no regular expression ({error})"
            mend = """write one, for example 'package_pattern="^[^_]+"'"""
            raise InputError(what, where="package_pattern", mend=mend) from error

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self.names)

    def __iter__(self) -> Iterator[Scan]:
        """Yield them, sorted by name."""
        for name in self.names:
            package = package_in(self.pattern, name) if self.pattern else None
            yield Scan(name, self.root / name, package or "")


class ManifestScans:
    """The scans of a manifest; a row that names no file that can be read is a scan that cannot be had.

    Args:
        root: Folder of the manifest.
        package_pattern: See :func:`scans_of`.

    Raises:
        InputError: No table can be made of it.
    """

    others = 0

    def __init__(self, root: Path, package_pattern: str | None) -> None:
        """Read the manifest."""
        manifest, problems = read_manifest(
            root, classes=None, package_pattern=package_pattern, need_labels=False, need_packages=False
        )
        errors = errors_in(problems)
        if manifest is None:
            raise errors[0].as_error()
        self.manifest: Manifest = manifest
        self.written = read_table(root / manifest.source)[0].frame["path"]
        self.errors = {problem.row: problem for problem in reversed(errors) if problem.row}
        self.left_out = [row for row in sorted(self.errors) if row not in set(manifest.rows.tolist())]

    def __len__(self) -> int:
        """Return how many rows there are."""
        return len(self.manifest.table) + len(self.left_out)

    def __iter__(self) -> Iterator[Scan]:
        """Yield them in the manifest's order, and last the rows that are no rows of a table."""
        table = self.manifest.table
        for position, (path, package) in enumerate(zip(table["path"], table["package_id"], strict=True)):
            package_id = "" if pd.isna(package) else package
            if pd.isna(path):
                problem = self.errors[int(self.manifest.rows[position])]
                written = self.written.iloc[position]
                yield Scan("" if pd.isna(written) else written, _refused(problem), package_id)
            else:
                yield Scan(path, self.manifest.root / path, package_id)
        for row in self.left_out:
            yield Scan("", _refused(self.errors[row]))


def _refused(problem: Problem) -> InputError:
    return InputError(f"{problem.where}: {problem.what}", where=problem.where, mend=problem.mend)
