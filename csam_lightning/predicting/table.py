"""``predictions.csv``: a row for each scan, written as it is judged."""

import csv
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from csam_lightning.predicting.judging import Verdict, delamination_probabilities

FILE = "predictions.csv"
DECIMALS = 6
FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""Signs with which a spreadsheet's formula begins, see OWASP's CSV Injection."""


def columns(classes: Sequence[str]) -> list[str]:
    """Return the table's header for a model of these classes."""
    regions = delamination_probabilities(classes, [0.0] * len(classes))
    return [
        *("path", "package_id", "predicted"),
        *(f"p_{name}" for name in (*classes, *regions)),
        *("uncertainty", "needs_review", "reason", "error"),
    ]


def cells(classes: Sequence[str], verdict: Verdict) -> list[str]:
    """Return a verdict's row, a cell for each of :func:`columns`; numbers are empty where there are none."""
    if verdict.error:
        numbers = [""] * (len(columns(classes)) - 6)
    else:
        regions = delamination_probabilities(classes, verdict.probabilities)
        values = [*verdict.probabilities, *regions.values(), verdict.uncertainty]
        numbers = [f"{value:.{DECIMALS}f}" for value in values]
    review = "true" if verdict.needs_review else "false"
    named = [path_cell(verdict.path), text_cell(verdict.package_id), verdict.predicted]
    return [*named, *numbers, review, verdict.reason, verdict.error]


def path_cell(path: str) -> str:
    """Return a path as a spreadsheet can show it: one that it would take for a formula begins with ``./``."""
    return f"./{path}" if path.startswith(FORMULA) else path


def text_cell(text: str) -> str:
    """Return text as a spreadsheet can show it: what it would take for a formula begins with ``'``; numbers stay."""
    return f"'{text}" if text.startswith(FORMULA) and not re.fullmatch(r"[+-]\d+([.,]\d+)?", text) else text


@contextmanager
def written_table(
    file: Path, classes: Sequence[str], *, more: Sequence[str] = ()
) -> Iterator[Callable[[Verdict, *tuple[str, ...]], None]]:
    """Yield the function that writes a verdict's row, as UTF-8; bytes of a file name that are no text are escaped.

    Args:
        file: The table.
        classes: The model's.
        more: Further columns; the function takes their cells after the verdict.
    """
    with file.open("w", encoding="utf-8", errors="backslashreplace", newline="") as text:
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow([*columns(classes), *more])
        yield lambda verdict, *told: writer.writerow([*cells(classes, verdict), *told])
