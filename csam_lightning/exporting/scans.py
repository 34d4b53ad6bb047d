"""The scans on which an exported file is compared with its model."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from csam_lightning.data.manifest import FILE_NAMES, load_manifest
from csam_lightning.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

SUFFIXES = (".png", ".tif", ".tiff", ".bmp", ".jpg", ".jpeg")
MOST = 64
"""Scans that are compared: a difference between two ways to compute the same shows on any of them."""


def scans_in(source: Path) -> list[Path]:
    """Return the scans that a user names, spread evenly where there are more than ``MOST``.

    Args:
        source: A scan, a manifest, a folder with a manifest, or a folder of images, in folders below it too.

    Raises:
        InputError: There are none.
    """
    manifest = source.name.lower() in FILE_NAMES
    if source.is_file() and not manifest:
        return [source]
    root = source.parent if manifest else source
    if not root.is_dir() or (manifest and not source.is_file()):
        raise InputError("no such file or folder", where=f"scans {source}", mend="name a scan or a folder of scans")
    if any((root / name).is_file() for name in FILE_NAMES):
        listed = load_manifest(root, classes=None, package_pattern=None, need_labels=False, need_packages=False)
        return spread([root / name for name in listed.table["path"]])
    files = sorted(file for file in root.rglob("*") if file.suffix.lower() in SUFFIXES and file.is_file())
    if not files:
        what = f"name a folder with files {', '.join(SUFFIXES)}"
        raise InputError("holds no image", where=f"scans {source}", mend=what)
    return spread(files)


def validation_scans(root: Path, predictions: "pd.DataFrame", folds: Sequence[int]) -> list[Path]:
    """Return scans that some folds' networks validated on, of all classes, at most ``MOST``.

    Args:
        root: The data set's folder.
        predictions: As :func:`csam_lightning.cells.prediction_table.prediction_table` returns it, ``fold`` as text.
        folds: The folds' numbers.

    Raises:
        InputError: They are not there any more.
    """
    validated = predictions[(predictions["split"] == "train") & predictions["fold"].isin([str(fold) for fold in folds])]
    files = [root / name for name in validated.sort_values(["label", "path"])["path"]]
    there = [file for file in files if file.resolve().is_relative_to(root.resolve()) and file.is_file()]
    if not there:
        raise InputError(
            "none of the scans that the model was validated on is there any more",
            where=f"data set {root}",
            mend="name a folder of such scans: scans=DIR",
        )
    return spread(there)


def spread(files: list[Path]) -> list[Path]:
    """Return ``MOST`` of the files, evenly spaced, or all where they are fewer."""
    return [files[place] for place in np.linspace(0, len(files) - 1, min(MOST, len(files))).round().astype(int)]
