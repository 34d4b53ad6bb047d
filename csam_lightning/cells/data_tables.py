"""What a cell's data set holds and what its training sides were made of, as tables for a report."""

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import pandas as pd

    from csam_lightning.data.folds import Fold, Images
    from csam_lightning.data.selection import Protocol

ALL_FOLDS = "all"
"""In place of a fold's number: under the published protocol one balanced set serves all folds."""


def scan_table(table: "pd.DataFrame", test: "pd.DataFrame") -> "pd.DataFrame":
    """Return every scan of a data set, those of the training split first.

    Args:
        table: Scans of the training split, as in :class:`csam_lightning.data.manifest.Manifest`.
        test: Scans of the test split; may be empty.

    Returns:
        Columns ``path, label, package_id, metallization, cycles, split``; NA where nothing is known.
    """
    import pandas as pd

    columns = ["path", "label", "package_id", "metallization", "cycles", "split"]
    return pd.concat([table[columns], test[columns]], ignore_index=True)


def balance_table(table: "pd.DataFrame", folds: "Sequence[Fold]", *, protocol: "Protocol") -> "pd.DataFrame":
    """Return how many images of each balanced set come from each read-out and class.

    Args:
        table: Scans of the training split, with ``label`` and ``cycles``.
        folds: All folds of a cell.
        protocol: Grouped: a set per fold, its training side. Published: the one set that was split into the folds.

    Returns:
        Columns ``fold`` (its number as text, or ``all``), ``cycles`` (NA where unknown), ``label``, ``scans`` (images
        as scanned) and ``copies`` (augmented copies of them), sorted.
    """
    import pandas as pd

    if protocol == "published":
        return _counted(table, [fold.validation for fold in folds], ALL_FOLDS)
    parts = [_counted(table, [fold.training], str(fold.number)) for fold in folds]
    return pd.concat(parts, ignore_index=True)


def _counted(table: "pd.DataFrame", images: "Iterable[Images]", fold: str) -> "pd.DataFrame":
    parts = list(images)
    copies = np.concatenate([part.copy for part in parts]) > 0
    rows = table.iloc[np.concatenate([part.scan for part in parts])]
    counts = rows[["cycles", "label"]].assign(fold=fold, scans=~copies, copies=copies)
    keys = ["fold", "cycles", "label"]
    return counts.groupby(keys, dropna=False)[["scans", "copies"]].sum().reset_index()


def example_rows(scans: "pd.DataFrame") -> "list[int]":
    """Return scans that show what thermal cycling does: of each metallization a package at its first and last read-out.

    The package is the first one, in the order of the table, that is seen at both ends and ends with the class that
    most packages of its metallization end with.

    Args:
        scans: As :func:`scan_table` returns it, scans of the training split first.

    Returns:
        Two rows for each metallization in sorted order; none where read-outs, packages or metallizations are unknown.
    """
    known = scans[scans["split"] == "train"].dropna(subset=["metallization", "cycles", "package_id"])
    ends = (known["cycles"].min(), known["cycles"].max())
    chosen: list[int] = []
    for _, mine in known.groupby("metallization"):
        first, last = ({row.package_id: row.Index for row in mine[mine["cycles"] == end].itertuples()} for end in ends)
        whole = [package for package in first if package in last]
        if whole and ends[0] < ends[1]:
            label = scans.loc[[last[package] for package in whole], "label"]
            package = whole[int(np.argmax((label == label.mode()[0]).to_numpy()))]
            chosen += [int(first[package]), int(last[package])]
    return chosen
