"""Which scans train and which validate: index sets, as pure functions over the manifest's table.

A table here has one row per scan of the training split with the columns ``path``, ``label``, ``package_id`` and
``cycles``. Row numbers (positions) stand for scans everywhere below.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from csam_lightning.data.selection import Protocol, check_classes, choose_scans
from csam_lightning.errors import InputError

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Images:
    """Images that training or validation reads: scans, some of them several times.

    Attributes:
        scan: Row of the scan in the table, int64 of shape (images,).
        copy: 0 for the scan itself, 1, 2, … for its augmented copies, int64 of shape (images,).
    """

    scan: "NDArray[np.int64]"
    copy: "NDArray[np.int64]"

    def __len__(self) -> int:
        """Count the images."""
        return len(self.scan)

    def take(self, chosen: "NDArray[np.bool_] | slice") -> "Images":
        """Return the images where the mask ``chosen`` is true, or those of a slice."""
        return Images(self.scan[chosen], self.copy[chosen])

    @property
    def scans(self) -> "NDArray[np.int64]":
        """The scans themselves, as scanned, each once."""
        return self.take(self.copy == 0).scan


@dataclass(frozen=True)
class Fold:
    """One fold of a cross-validation.

    Attributes:
        number: The fold's number, from 0.
        training: The balanced images that the network learns from.
        training_scans: Scans on the training side, as scanned, neither balanced nor augmented, each once.
        validation: Images on the validation side; under the grouped protocol the scans themselves.
    """

    number: int
    training: Images
    training_scans: "NDArray[np.int64]"
    validation: Images


def make_folds(
    table: "pd.DataFrame",
    *,
    classes: Sequence[str],
    size: int | None,
    protocol: Protocol,
    num_folds: int,
    seed: int,
) -> list[Fold]:
    """Make the folds of a cell.

    Grouped: the scans of the data size are split by package, stratified by class; then each training part is
    balanced. Published: the scans are balanced first, augmented copies included, and the images split at random.

    Args:
        table: Scans of the training split.
        classes: Class names.
        size: The data size, or None for all scans.
        protocol: ``grouped`` or ``published``.
        num_folds: Number of folds.
        seed: Seed of every random choice made here.

    Returns:
        The folds, numbered from 0.

    Raises:
        InputError: The size cannot be reached, a class has no scan, or too few packages (grouped) or images
            (published) for the number of folds.
    """
    for error in check_classes(table, size, classes=classes, protocol=protocol, num_folds=num_folds, seed=seed):
        raise error
    rows = choose_scans(table, size, seed=seed)
    total = len(rows) if size is None else size
    if protocol == "published":
        return _published_folds(table, rows, total=total, num_folds=num_folds, seed=seed)
    return _grouped_folds(table, rows, total=total, num_folds=num_folds, seed=seed)


def balance(labels: "NDArray[np.str_]", rows: "NDArray[np.int64]", *, total: int, rng: np.random.Generator) -> Images:
    """Bring ``rows`` to equal class counts that add up to ``total`` (equal to within one where it does not divide).

    A frequent class is thinned at random; a rare one is filled with copies, every scan as often as any other to
    within one.

    Args:
        labels: Class name of every row of the table, shape (scans,).
        rows: Rows to balance, shape (n,).
        total: Images wanted.
        rng: Source of the random choices.

    Returns:
        ``total`` images, the classes in sorted order. A scan that is there at all is there as copy 0.
    """
    present = np.unique(labels[rows])
    share, rest = divmod(total, len(present))
    scans, copies = [], []
    for position, name in enumerate(present):
        wanted = share + (position < rest)
        mine = rng.permutation(rows[labels[rows] == name])
        times, more = divmod(wanted, len(mine))
        scan = np.concatenate([np.tile(mine, times), mine[:more]])
        copy = np.repeat(np.arange(times + 1), [len(mine)] * times + [more])
        scans.append(scan)
        copies.append(copy)
    return Images(np.concatenate(scans).astype(np.int64), np.concatenate(copies).astype(np.int64))


def _published_folds(
    table: "pd.DataFrame", rows: "NDArray[np.int64]", *, total: int, num_folds: int, seed: int
) -> list[Fold]:
    from sklearn.model_selection import StratifiedKFold

    labels = table["label"].to_numpy(dtype=str)
    images = balance(labels, rows, total=total, rng=np.random.default_rng([seed, 0xBA1]))
    splitter = StratifiedKFold(num_folds, shuffle=True, random_state=seed)
    folds = []
    for number, (_, held_out) in enumerate(splitter.split(images.scan, labels[images.scan])):
        validates = np.zeros(len(images), dtype=bool)
        validates[held_out] = True
        training = images.take(~validates)
        folds.append(Fold(number, training, np.sort(training.scans), images.take(validates)))
    return folds


def _grouped_folds(
    table: "pd.DataFrame", rows: "NDArray[np.int64]", *, total: int, num_folds: int, seed: int
) -> list[Fold]:
    labels = table["label"].to_numpy(dtype=str)
    packages = table["package_id"].to_numpy(dtype=str)
    fold_of = split_packages(labels[rows], packages[rows], num_folds=num_folds, seed=seed)
    folds = []
    for number in range(num_folds):
        training_scans, held_out = rows[fold_of != number], rows[fold_of == number]
        check_disjoint(packages, {"training": training_scans, "validation": held_out}, fold=number)
        training = balance(
            labels,
            training_scans,
            total=round(total * len(training_scans) / len(rows)),
            rng=np.random.default_rng([seed, 0xBA1, number]),
        )
        folds.append(Fold(number, training, training_scans, Images(held_out, np.zeros_like(held_out))))
    return folds


def split_packages(
    labels: "NDArray[np.str_]", packages: "NDArray[np.str_]", *, num_folds: int, seed: int
) -> "NDArray[np.int64]":
    """Return the fold in which each scan validates: packages stay whole, classes are spread evenly.

    scikit-learn's StratifiedGroupKFold makes the split. It can leave a fold without a rare class although enough
    packages carry it; packages are then moved from folds that can spare them.

    Args:
        labels: Class name of each scan, shape (scans,).
        packages: Package of each scan, shape (scans,).
        num_folds: Number of folds.
        seed: Seed of the split.

    Returns:
        Fold numbers, int64 of shape (scans,).

    Raises:
        InputError: No split was found in which every class validates in every fold.
    """
    from sklearn.model_selection import StratifiedGroupKFold

    package, carries = _carried(labels, packages)
    tries = 20
    for attempt in range(tries):
        splitter = StratifiedGroupKFold(num_folds, shuffle=True, random_state=seed + attempt * 1_000_003)
        fold_of_package = np.empty(len(carries), dtype=np.int64)
        for number, (_, held_out) in enumerate(splitter.split(labels, labels, packages)):
            fold_of_package[package[held_out]] = number
        if _spread(fold_of_package, carries, num_folds):
            return fold_of_package[package]
    raise InputError(
        f"no split into {num_folds} folds gives every class a package in every fold ({tries} tries)",
        where="data.num_folds",
        mend="choose fewer folds: too many packages carry several rare classes at once",
    )


def surely_splits(labels: "NDArray[np.str_]", packages: "NDArray[np.str_]", *, num_folds: int) -> bool:
    """Whether :func:`split_packages` is bound to find a split, as far as can be known without making one.

    Where a fold misses a class of n packages, another fold holds n / (num_folds - 1) of them or more. One can be moved,
    unless each of them is that fold's last one of some other class. These are different classes, so it can as soon as
    they are more packages than there are classes that share a package with theirs.

    Args:
        labels: Class name of each scan, shape (scans,).
        packages: Package of each scan, shape (scans,).
        num_folds: Number of folds, at least 2.
    """
    _, carries = _carried(labels, packages)
    shares_package = carries.T.astype(np.int64) @ carries > 0
    others = shares_package.sum(axis=0) - 1
    return bool((carries.sum(axis=0) > (num_folds - 1) * np.maximum(others, 1)).all())


def check_folds(
    table: "pd.DataFrame",
    *,
    classes: Sequence[str],
    size: int | None,
    protocol: Protocol,
    num_folds: int,
    seed: int,
) -> None:
    """Check that :func:`make_folds` can make folds of the same arguments, in most cases without making them.

    Making them loads scikit-learn, which takes a second.

    Raises:
        InputError: It cannot.
    """
    for error in check_classes(table, size, classes=classes, protocol=protocol, num_folds=num_folds, seed=seed):
        raise error
    if protocol == "published":
        return
    chosen = table.iloc[choose_scans(table, size, seed=seed)]
    labels, packages = (chosen[column].to_numpy(dtype=str) for column in ("label", "package_id"))
    if not surely_splits(labels, packages, num_folds=num_folds):
        make_folds(table, classes=classes, size=size, protocol=protocol, num_folds=num_folds, seed=seed)


def _carried(labels: "NDArray[np.str_]", packages: "NDArray[np.str_]") -> "tuple[NDArray[np.int64], NDArray[np.bool_]]":
    """Return the number of each scan's package, and which package carries which class, (packages, classes)."""
    names, package = np.unique(packages, return_inverse=True)
    classes, code = np.unique(labels, return_inverse=True)
    carries = np.zeros((len(names), len(classes)), dtype=bool)
    carries[package, code] = True
    return package, carries


def _spread(fold_of_package: "NDArray[np.int64]", carries: "NDArray[np.bool_]", num_folds: int) -> bool:
    """Move packages, in place, until every class is in every fold; return whether that succeeded.

    A move takes a package of a missing class to the fold that misses it and is made only if it leaves no class
    missing in the fold it comes from, so the number of gaps falls with every move.
    """
    while True:
        held = np.stack([carries[fold_of_package == fold].sum(axis=0) for fold in range(num_folds)])
        gaps = np.argwhere(held == 0)
        if not len(gaps):
            return True
        moves = (
            (package, fold)
            for fold, missing in gaps
            for package in np.flatnonzero(carries[:, missing])
            if (held[fold_of_package[package]][carries[package]] > 1).all()
        )
        move = next(moves, None)
        if move is None:
            return False
        package, fold = move
        fold_of_package[package] = fold


def check_disjoint(
    packages: "NDArray[np.str_]", sides: "dict[str, NDArray[np.int64]]", *, fold: int | None = None
) -> None:
    """Check that no package stands on two sides of a split.

    Args:
        packages: Package of every scan, shape (scans,).
        sides: Rows on each side, by the side's name.
        fold: The fold's number, for the message.

    Raises:
        InputError: A package stands on two sides.
    """
    names = list(sides)
    for position, one in enumerate(names):
        for other in names[position + 1 :]:
            shared = np.intersect1d(packages[sides[one]], packages[sides[other]])
            if len(shared):
                raise InputError(
                    f"package {shared[0]} is in both {one} and {other} ({len(shared)} shared packages)",
                    where="the split" if fold is None else f"fold {fold}",
                    mend="give every scan of a package the same split",
                )


def fold_table(
    table: "pd.DataFrame", folds: Sequence[Fold], test: "pd.DataFrame", *, protocol: Protocol
) -> "pd.DataFrame":
    """Return the fold table: which image validates in which fold.

    Args:
        table: Scans of the training split.
        folds: The folds of a cell.
        test: Scans of the test split; may be empty.
        protocol: The protocol that the folds were made by.

    Returns:
        Columns ``path, package_id, label, fold`` (fold number as text, or ``test``); under the published protocol,
        where augmented copies validate too, ``copy`` besides.
    """
    import pandas as pd

    columns = ["path", "package_id", "label"]
    parts = [
        table.iloc[fold.validation.scan][columns].assign(fold=str(fold.number), copy=fold.validation.copy)
        for fold in folds
    ]
    joined = pd.concat([*parts, test[columns].assign(fold="test", copy=0)], ignore_index=True)
    return joined if protocol == "published" else joined.drop(columns="copy")
