"""A tree of class-named folders as a table: ``ROOT/LABEL/file``."""

import os
from pathlib import Path

import numpy as np
import pandas as pd

from csam_lightning.data.problems import Problem
from csam_lightning.data.table import TextTable
from csam_lightning.errors import InputError

SUFFIXES = (".png", ".tif", ".tiff", ".bmp", ".jpg", ".jpeg")


def read_tree(root: Path) -> tuple[TextTable, list[Problem]]:
    """List the images that lie directly in the folders of ``root``; a folder's name is their label.

    Raises:
        InputError: There is no such image.
    """
    paths: list[str] = []
    problems: list[Problem] = []
    for folder in _folders(root):
        images, findings = _images_of(folder)
        paths += images
        problems += findings
    loose = [entry.name for entry in os.scandir(root) if _is_image(entry)]
    if not paths:
        raise InputError(
            "holds no manifest.csv, no manifest.parquet and no class-named folders with images",
            where=str(root),
            mend=_nearby(root) or "write a manifest.csv with the columns path, label and package_id",
        )
    if loose:
        what = f"{len(loose)} images lie beside the class folders and are not read, '{loose[0]}' among them"
        problems.append(Problem("warning", root.name, what, "move them into a class folder"))
    series = pd.Series(paths, dtype="string")
    frame = pd.DataFrame({"path": series, "label": series.str.split("/", n=1).str[0]})
    rows = np.zeros(len(frame), dtype=np.int64)
    return TextTable(root.name, tuple(frame.columns), frame, rows), problems


def _folders(root: Path) -> list[os.DirEntry[str]]:
    """Return the visible folders in the order of their names."""
    folders = [entry for entry in os.scandir(root) if entry.is_dir() and not entry.name.startswith(".")]
    return sorted(folders, key=lambda entry: entry.name)


def _is_image(entry: os.DirEntry[str]) -> bool:
    hidden = entry.name.startswith(".")
    return not hidden and entry.name.lower().endswith(SUFFIXES) and not entry.is_dir()


def _images_of(folder: os.DirEntry[str]) -> tuple[list[str], list[Problem]]:
    """Return the images in a class folder as ``LABEL/file`` and what else lies there."""
    images, others, problems = [], [], []
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        path = f"{folder.name}/{entry.name}"
        if not _is_image(entry):
            if not entry.name.startswith("."):
                others.append(entry.name)
        elif not _is_text(path):
            what = "the file's name is not UTF-8 text"
            problems.append(Problem("error", ascii(path), what, "rename the file"))
        else:
            images.append(path)
    if others and images:
        what = f"{len(others)} entries that are no images by name are not read, '{others[0]}' among them"
        mend = f"images end in {', '.join(SUFFIXES)} and lie directly in a class folder"
        problems.append(Problem("warning", folder.name, what, mend))
    return images, problems


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _nearby(root: Path) -> str | None:
    """Return advice where the folder meant seems to lie one level below or above ``root``."""
    for folder in _folders(root):
        if any(_images_of(inner)[0] for inner in _folders(Path(folder))) or Path(folder, "manifest.csv").is_file():
            return f"set data.root={Path(folder)}"
    if any(_is_image(entry) for entry in os.scandir(root)):
        return "write a manifest.csv with the columns path, label and package_id, or sort the images into folders"
    return None
