"""Which scans a data size stands for, and whether every class suffices.

A table here has one row per scan of the training split with the columns ``path``, ``label``, ``package_id`` and
``cycles``. Row numbers (positions) stand for scans.
"""

from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING, Literal

import numpy as np

from csam_lightning.data.slips import told_apart
from csam_lightning.errors import InputError
from csam_lightning.wording import counted

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

Protocol = Literal["grouped", "published"]
LEAST_FOLDS = 2
ALIKE = 0.6  # difflib's ratio of a class too rare to validate and one that may have been meant
LEAST_PER_CLASS = 2
"""Balanced images of a class, so that the training side of every fold has one even with two folds."""


def choose_scans(table: "pd.DataFrame", size: int | None, *, seed: int) -> "NDArray[np.int64]":
    """Return the rows that a data size stands for.

    With ``cycles``: all scans of the earliest read-outs whose count reaches ``size``. Without: a random choice of
    packages, stratified by class; a larger size contains every smaller one of the same seed.

    Args:
        table: Scans of the training split.
        size: The data size, or None for all scans.
        seed: Seed of the random choice.

    Returns:
        Sorted rows, int64.

    Raises:
        InputError: Fewer scans than ``size``, or read-outs missing on some rows only.
    """
    everything = np.arange(len(table), dtype=np.int64)
    if size is None:
        return everything
    if size < 1 or size > len(table):
        raise InputError(
            f"data size {size} cannot be reached with {len(table)} training scans",
            where="data.size",
            mend=f"choose a size from 1 to {len(table)}, or null for all",
        )
    missing = int(table["cycles"].isna().sum())
    if missing == len(table):
        return _random_packages(table, size, seed)
    if missing:
        raise InputError(
            f"{missing} scans have no cycles, so their read-out is unknown",
            where="column cycles",
            mend="fill in every row, or leave the whole column out, or set data.size=null",
        )
    cycles = table["cycles"].to_numpy(dtype=np.int64)
    readouts, counts = np.unique(cycles, return_counts=True)
    last = readouts[np.searchsorted(np.cumsum(counts), size)]
    return np.flatnonzero(cycles <= last).astype(np.int64)


def _random_packages(table: "pd.DataFrame", size: int, seed: int) -> "NDArray[np.int64]":
    """Order packages so that every prefix keeps the classes' shares, and take packages until ``size`` scans stand."""
    labels = table["label"].to_numpy(dtype=str)
    codes, group = _groups(table)
    classes, code = np.unique(labels, return_inverse=True)
    frequency = np.bincount(code, minlength=len(classes))
    rarest = np.array([min(code[group == g], key=lambda c: frequency[c]) for g in range(len(codes))])
    order = np.random.default_rng([seed, 0xC400]).permutation(len(codes))
    rank = np.empty(len(codes))
    for c in range(len(classes)):
        mine = order[rarest[order] == c]
        rank[mine] = (np.arange(len(mine)) + 0.5) / max(len(mine), 1)
    by_rank = order[np.argsort(rank[order], kind="stable")]
    scans = np.bincount(group, minlength=len(codes))
    needed = int(np.searchsorted(np.cumsum(scans[by_rank]), size)) + 1
    return np.flatnonzero(np.isin(group, by_rank[:needed])).astype(np.int64)


def _groups(table: "pd.DataFrame") -> "tuple[NDArray[np.str_], NDArray[np.int64]]":
    """Return the distinct packages and each row's package number; a row without a package stands alone."""
    packages = table["package_id"].astype("object").to_numpy(copy=True)
    alone = table["package_id"].isna().to_numpy()
    packages[alone] = [f"\0{row}" for row in np.flatnonzero(alone)]
    names, group = np.unique(packages.astype(str), return_inverse=True)
    return names, group.astype(np.int64)


def check_classes(
    table: "pd.DataFrame",
    size: int | None,
    *,
    classes: Sequence[str],
    protocol: Protocol,
    num_folds: int,
    seed: int,
) -> list[InputError]:
    """Return what keeps classes from validating in every fold, one error for each such class.

    Grouped: a class needs as many packages as there are folds, and ``LEAST_PER_CLASS`` balanced images. Published: as
    many balanced images as there are folds.

    Args:
        table: Scans of the training split.
        size: The data size, or None for all scans.
        classes: Class names.
        protocol: ``grouped`` or ``published``.
        num_folds: Number of folds.
        seed: Seed of the choice of scans.

    Raises:
        InputError: The size cannot be reached.
    """
    rows = choose_scans(table, size, seed=seed)
    total = len(rows) if size is None else size
    lacking = list(_lacking(table.iloc[rows], total, classes, protocol, num_folds))
    if not lacking:
        return []
    sizes = workable_sizes(table, classes=classes, protocol=protocol, num_folds=num_folds)
    advice = f"data sizes that work: {spans_text(sizes)}" if sizes else "no data size works: scan more packages"
    if num_folds > LEAST_FOLDS:
        advice += f", or set data.num_folds below {num_folds}"
    return [InputError(what, where=f"data size {total}", mend=advice) for what in lacking]


def _lacking(
    chosen: "pd.DataFrame", total: int, classes: Sequence[str], protocol: Protocol, num_folds: int
) -> Iterator[str]:
    scans = chosen["label"].value_counts()
    packages = chosen.groupby("label", observed=True)["package_id"].nunique()
    balanced = total // len(classes)
    if protocol == "grouped" and balanced < LEAST_PER_CLASS:
        yield f"{balanced} balanced images of each class are fewer than {LEAST_PER_CLASS}"
    for name in classes:
        if not scans.get(name, 0):
            yield f"class {name} has no scan"
        elif protocol == "grouped" and packages[name] < num_folds:
            few = f"class {name} has {counted(packages[name], 'package')}, fewer than the {num_folds} folds"
            yield few + _meant(name, classes, chosen)
        elif protocol == "published" and balanced < num_folds:
            yield f"class {name} has {counted(balanced, 'balanced image')}, fewer than the {num_folds} folds"


def _meant(name: str, classes: Sequence[str], chosen: "pd.DataFrame") -> str:
    """Return a guess which class a rare label stands for, or nothing."""
    scans = chosen["label"].value_counts()
    others = [other for other in classes if scans.get(other, 0) > scans[name] and not told_apart(name, other)]
    near = get_close_matches(name, others, n=1, cutoff=ALIKE)
    if not near:
        return ""
    return f" (is it a slip for '{near[0]}', as in {chosen['path'][chosen['label'] == name].iloc[0]}?)"


def workable_sizes(
    table: "pd.DataFrame", *, classes: Sequence[str], protocol: Protocol, num_folds: int
) -> list[tuple[int, int]]:
    """Return the data sizes at which every class suffices, as inclusive ranges (first, last) that do not touch.

    With read-outs every size within one read-out stands for the same scans; without read-outs only the whole table
    is judged, since smaller random choices depend on the seed.
    """
    least = len(classes) * (num_folds if protocol == "published" else LEAST_PER_CLASS)

    def works(chosen: "pd.DataFrame") -> bool:
        return not any(_lacking(chosen, len(chosen), classes, protocol, num_folds))

    if table["cycles"].isna().any():
        return [(len(table), len(table))] if works(table) else []
    spans: list[tuple[int, int]] = []
    below = 0
    for readout in sorted(table["cycles"].unique()):
        chosen = table[table["cycles"] <= readout]
        if works(chosen):
            if spans and spans[-1][1] == below:
                spans[-1] = (spans[-1][0], len(chosen))
            else:
                spans.append((max(below + 1, least), len(chosen)))
        below = len(chosen)
    return spans


def spans_text(spans: Sequence[tuple[int, int]]) -> str:
    """Return inclusive ranges as text, for example ``281 to 840``."""
    return ", ".join(str(first) if first == last else f"{first} to {last}" for first, last in spans)
