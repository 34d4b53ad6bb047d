"""Tables as CSV and Markdown; text from the store is escaped for whoever opens them."""

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite


@dataclass(frozen=True)
class Spread:
    """A mean and its standard deviation, which is NaN for a single value."""

    mean: float
    sd: float


Entry = str | int | float | Spread | None


@dataclass(frozen=True)
class Table:
    """A table.

    Attributes:
        name: Its file's name.
        title: What it shows.
        header: Names of the columns.
        rows: Its rows; None and NaN stand for what is not known.
    """

    name: str
    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[Entry]]

    def csv(self) -> str:
        """Return it as CSV with all digits, a standard deviation in a column of its own.

        A text that a spreadsheet would take for a formula is preceded by an apostrophe.
        """
        spread = [any(isinstance(row[place], Spread) for row in self.rows) for place in range(len(self.header))]
        file = io.StringIO()
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(
            name
            for title, twice in zip(self.header, spread, strict=True)
            for name in (title, f"{title} sd")[: 1 + twice]
        )
        for row in self.rows:
            writer.writerow(plain for entry in row for plain in _plain(entry))
        return file.getvalue()

    def markdown(self) -> str:
        """Return it as Markdown."""
        lines = [[markdown_text(title) for title in self.header], ["---"] * len(self.header)]
        lines += [[markdown_text(written(entry)) for entry in row] for row in self.rows]
        return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def written(entry: Entry) -> str:
    """Return an entry as a person reads it."""
    if isinstance(entry, Spread):
        return f"{written(entry.mean)} ± {written(entry.sd)}" if isfinite(entry.sd) else written(entry.mean)
    if entry is None or (isinstance(entry, float) and not isfinite(entry)):
        return ""
    if isinstance(entry, float):
        return f"{entry:.3f}" if abs(entry) < 10 else f"{entry:.1f}"  # noqa: PLR2004 - seconds need no more digits
    return str(entry)


def markdown_text(text: str) -> str:
    """Return text on one line, with all that Markdown or HTML would read as a sign of its own taken literally."""
    return re.sub(r"([\\`*_\[\]|~<>&])", r"\\\1", re.sub(r"\s+", " ", text))


def _plain(entry: Entry) -> list[str | int | float]:
    if isinstance(entry, Spread):
        return [*_plain(entry.mean), *_plain(entry.sd)]
    if entry is None or (isinstance(entry, float) and not isfinite(entry)):
        return [""]
    if isinstance(entry, str) and entry[:1] in {"=", "+", "-", "@", "\t", "\r"}:
        return [f"'{entry}"]
    return [entry]
