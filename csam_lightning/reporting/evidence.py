"""What a cell's run holds besides numbers: tables, confusion matrix, curves, images; each is checked before use."""

import io
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

import numpy as np
from pydantic import TypeAdapter, ValidationError

from csam_lightning.evaluation.clusters import Rate
from csam_lightning.figures.cell import CURVES
from csam_lightning.reporting.cells import ReportCell
from csam_lightning.tracking.reading import StoredRun, StoreReader

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

SCANS = ("path", "label", "package_id", "metallization", "cycles", "split")
BALANCE = ("fold", "cycles", "label", "scans", "copies")
LARGEST_SIDE = 4096
"""Pixels; larger example images are not shown."""
LARGEST_COUNT = 10**9
MOST_CLASSES = 40
MOST_EXAMPLES = 24


@dataclass(frozen=True)
class SplitScores:
    """The ensemble's scores on the test split, as in ``result.json``.

    Attributes:
        accuracy: Share of scans classified rightly.
        precision: Macro average.
        recall: Macro average.
        f1: Macro average.
        classes: Class names in order.
        confusion_matrix: Counts, actual × predicted.
    """

    accuracy: float
    precision: float
    recall: float
    f1: float
    classes: list[str]
    confusion_matrix: list[list[int]]

    @property
    def counts(self) -> "NDArray[np.int64]":
        """The confusion matrix, int64 of shape (classes, classes)."""
        return np.array(self.confusion_matrix, dtype=np.int64)

    @property
    def per_class(self) -> list[tuple[str, float, float, int]]:
        """Class, precision TP/(TP+FP), recall TP/(TP+FN) and scans; NaN where the denominator is 0."""
        counts = self.counts
        right, actual, predicted = counts.diagonal(), counts.sum(axis=1), counts.sum(axis=0)
        with np.errstate(invalid="ignore"):
            precision, recall = right / predicted, right / actual
        return [
            (name, float(precision[code]), float(recall[code]), int(actual[code]))
            for code, name in enumerate(self.classes)
        ]


@dataclass(frozen=True)
class ErrorRates:
    """Out-of-fold errors of a cell after calibration.

    Attributes:
        accuracy: Share of scans classified rightly.
        escape: Share of delaminated scans that are called sound.
        overkill: Share of sound scans that are called delaminated.
    """

    accuracy: float
    escape: Rate
    overkill: Rate


@dataclass(frozen=True)
class Example:
    """A scan to look at.

    Attributes:
        metallization: Surface finish of its package.
        cycles: Its read-out.
        label: Its class.
        pixels: Grey values, uint8 of shape (height, width).
    """

    metallization: str
    cycles: int
    label: str
    pixels: "NDArray[np.uint8]"


def scores_on_test(store: StoreReader, cell: ReportCell) -> SplitScores | None:
    """Return the scores of a cell on the test split; None where there are none, or none that make sense."""
    try:
        test = json.loads(store.artifact(cell.run.id, "result.json") or b"{}").get("test")
        scores = TypeAdapter(SplitScores).validate_python(test)
    except (ValueError, AttributeError, RecursionError, ValidationError):
        return None
    size = len(scores.classes)
    square = {len(scores.confusion_matrix), *map(len, scores.confusion_matrix)} == {size}
    whole = square and all(0 <= count < LARGEST_COUNT for row in scores.confusion_matrix for count in row)
    return scores if 1 < size <= MOST_CLASSES and whole else None


def error_rates(store: StoreReader, cell: ReportCell) -> ErrorRates | None:
    """Return a cell's escape and overkill; None where there are none, or none that make sense."""
    try:
        result = json.loads(store.artifact(cell.run.id, "result.json") or b"{}")
        rates = TypeAdapter(ErrorRates).validate_python(result["calibrated"]["out_of_fold"])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, ValidationError):
        return None
    whole = all(0 <= rate.low <= rate.value <= rate.high <= 1 for rate in (rates.escape, rates.overkill))
    return rates if whole and 0 <= rates.accuracy <= 1 else None


def scan_table(store: StoreReader, cells: Iterable[ReportCell]) -> "pd.DataFrame | None":
    """Return ``scans.csv`` of the first of ``cells`` that has it (columns ``SCANS``), or None."""
    for cell in cells:
        table = _table(store, cell.run, "scans.csv", SCANS, numbers=("cycles",))
        if table is not None and len(table) and table["label"].nunique() <= MOST_CLASSES:
            return table
    return None


def balance_table(store: StoreReader, cell: ReportCell) -> "pd.DataFrame | None":
    """Return ``balance.csv`` of a cell (columns ``BALANCE``), or None."""
    return _table(store, cell.run, "balance.csv", BALANCE, numbers=("cycles", "scans", "copies"))


def _table(
    store: StoreReader, run: StoredRun, name: str, columns: Sequence[str], *, numbers: Sequence[str]
) -> "pd.DataFrame | None":
    import pandas as pd

    content = store.artifact(run.id, name)
    if content is None:
        return None
    try:
        table = pd.read_csv(io.BytesIO(content), dtype=str, keep_default_na=False, na_values=[""])[list(columns)]
        for column in numbers:
            table[column] = _whole_numbers(table[column])
    except (ValueError, KeyError, TypeError):  # pandas' parser errors are ValueErrors
        return None
    return table


def _whole_numbers(column: "pd.Series[str]") -> "pd.Series[int]":
    """Return a column of texts as Int64, NA where they are empty; ValueError where one is no count."""
    import pandas as pd

    numbers = pd.to_numeric(column).astype(float)
    known = numbers.dropna()
    if not ((known >= 0) & (known < LARGEST_COUNT) & (known == known.round())).all():
        raise ValueError("a number that is no count")
    return numbers.astype("Int64")


def last_read_out(table: "pd.DataFrame | None") -> float | None:
    """Return the last read-out among the scans or images of a table, in cycles; None where unknown."""
    if table is None:
        return None
    if "scans" in table:
        table = table[table["scans"].fillna(0) > 0]
    known = table["cycles"].dropna()
    return float(known.max()) if len(known) else None


def curves(store: StoreReader, cell: ReportCell) -> list[dict[str, dict[int, float]]]:
    """Return each fold's metrics per epoch: name in ``CURVES`` → epoch → value; empty where a fold has none."""
    histories = [{name: store.history(fold.id, name) for name in CURVES} for fold in cell.folds]
    return histories if all(history[name] for history in histories for name in CURVES) else []


def examples(store: StoreReader, cell: ReportCell, scans: "pd.DataFrame") -> list[Example]:
    """Return the example scans of a cell, those of a metallization together and in the order of their read-outs."""
    found = []
    for path in store.files(cell.run.id, "examples")[:MOST_EXAMPLES]:
        row = PurePosixPath(path).stem
        pixels = _pixels(store.artifact(cell.run.id, path))
        if pixels is None or not row.isdecimal() or int(row) >= len(scans):
            continue
        scan = scans.iloc[int(row)]
        if scan[["metallization", "cycles", "label"]].notna().all():
            found.append(Example(str(scan["metallization"]), int(scan["cycles"]), str(scan["label"]), pixels))
    return sorted(found, key=lambda example: (example.metallization, example.cycles))


def _pixels(content: bytes | None) -> "NDArray[np.uint8] | None":
    from PIL import Image, UnidentifiedImageError

    if content is None:
        return None
    try:
        with Image.open(io.BytesIO(content), formats=["PNG"]) as image:
            if max(image.size) > LARGEST_SIDE:
                return None
            return np.asarray(image.convert("L"))
    except (OSError, ValueError, SyntaxError, UnidentifiedImageError, Image.DecompressionBombError):
        return None
