"""What is wrong or odd with a data set, one finding at a time."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, Self

from csam_lightning.errors import InputError

Severity = Literal["error", "warning"]


@dataclass(frozen=True)
class Problem:
    """One finding: an error endangers a result, a warning is merely odd and stops nothing.

    Attributes:
        severity: ``error`` or ``warning``.
        where: File and row, for example ``manifest.csv row 12``; the header is row 1, as in a spreadsheet.
        what: What is wrong.
        mend: What the user can do about it.
        row: The row again as a number, to sort by; 0 where the finding concerns no single row.
    """

    severity: Severity
    where: str
    what: str
    mend: str
    row: int = 0

    def __str__(self) -> str:
        """Return the finding on one line, whatever characters it quotes from a file."""
        return printable(f"{self.severity}: {self.where}: {self.what}; {self.mend}")

    @classmethod
    def of(cls, error: InputError, row: int = 0) -> Self:
        """Return what an exception says as a finding."""
        return cls("error", error.where, error.what, error.mend, row)

    def as_error(self, more: str = "") -> InputError:
        """Return the finding as the exception that ends a command, ``more`` added to the mend."""
        return InputError(printable(self.what), where=printable(self.where), mend=printable(self.mend + more))


def printable(text: str) -> str:
    """Return text with line breaks, terminal control codes and the like escaped."""
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)


def errors_in(problems: Iterable[Problem]) -> list[Problem]:
    """Return the findings that endanger a result."""
    return [problem for problem in problems if problem.severity == "error"]


def warnings_in(problems: Iterable[Problem]) -> list[Problem]:
    """Return the findings that stop nothing."""
    return [problem for problem in problems if problem.severity == "warning"]
