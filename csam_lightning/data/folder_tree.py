"""A tree of class-named folders as a table: ``ROOT/LABEL/file``."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from csam_lightning.data.folder_advice import (
    SUFFIXES,
    advice_without_classes,
    class_folder_problems,
    has_images,
    is_image,
    manifest_advice,
    sibling_problems,
)
from csam_lightning.data.problems import Problem
from csam_lightning.data.table import TextTable
from csam_lightning.errors import InputError

__all__ = ["SUFFIXES", "read_tree"]

NO_CLASSES = (
    *("__macosx", "thumbs", "thumbnails", "@eadir", "#recycle", "$recycle.bin", "system volume information"),
    *("lost+found", "__pycache__"),
)
"""Folders that systems make, in small letters."""


def read_tree(root: Path, classes: Sequence[str] | None = None) -> tuple[TextTable, list[Problem]]:
    """List the images that lie directly in the folders of ``root``; a folder's name is their label.

    Args:
        root: The folder.
        classes: Class names that the user has given; then whatever they are called is right.

    Raises:
        InputError: There is no such image.
    """
    paths: list[str] = []
    names: list[str] = []
    problems: list[Problem] = []
    for folder in _folders(root):
        if folder.name.casefold() in NO_CLASSES and folder.name not in (classes or ()):
            problems.append(Problem("warning", folder.name, "is no class and is not read", "delete the folder"))
            continue
        images, findings = _images_of(folder)
        paths += images
        problems += findings
        if images:
            names.append(folder.name)
        elif not findings:
            problems.append(_without_image(folder, needed=classes is None or folder.name in classes))
    if not paths:
        raise _refused(root)
    problems += _dead_links(root)
    problems += class_folder_problems(root, names) if classes is None else []
    problems += sibling_problems(root)
    loose = [entry.name for entry in os.scandir(root) if is_image(entry)]
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


def _refused(root: Path) -> InputError:
    what, mend = advice_without_classes(root)
    if any(is_image(entry) for entry in os.scandir(root)):
        mend = f"{manifest_advice(root)}, or sort the images into folders"
    holds = "holds no manifest.csv, no manifest.parquet and no class-named folders with images"
    return InputError(holds + what, where=str(root), mend=mend)


def _without_image(folder: os.DirEntry[str], *, needed: bool) -> Problem:
    """Return what a folder holds instead of images. It is an error: a class would be missing, and nobody would see."""
    entries = sorted(entry.name for entry in os.scandir(folder) if not entry.name.startswith("."))
    if has_images(Path(folder)):
        why = "images lie deeper in it"
    elif entries:
        why = f"{len(entries)} entries of other kinds, '{entries[0]}' among them"
    else:
        why = "it is empty"
    what = f"this folder holds no image, so it makes no class: {why}"
    mend = f"put images ({', '.join(SUFFIXES)}) directly into it, or move it elsewhere"
    if needed:
        return Problem("error", folder.name, what, f"{mend}, or name the classes in data.classes without it")
    return Problem("warning", folder.name, what, mend)


def _dead_links(root: Path) -> Iterator[Problem]:
    """Yield links to folders, or to what else, that are not there."""
    for entry in os.scandir(root):
        if entry.is_symlink() and not entry.name.startswith(".") and not Path(entry).exists():
            yield Problem("error", entry.name, "the link leads nowhere", "mend the link or delete it")


def _images_of(folder: os.DirEntry[str]) -> tuple[list[str], list[Problem]]:
    """Return the images in a class folder as ``LABEL/file`` and what else lies there."""
    images, others, problems = [], [], []
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        path = f"{folder.name}/{entry.name}"
        if not is_image(entry):
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
