"""Numbers and dates as spreadsheets write them: ``1E+05``, ``1,000``, ``17.0``, ``2024-03-05 00:00:00``."""

import re
from collections.abc import Iterator, Sequence

MOST_DIGITS = 30
"""Digits of a number that stands for a part; more is a damaged cell, or an attempt to use up memory."""

KEPT_DIGITS = 15
"""Digits that a spreadsheet keeps of a number (double precision)."""

GROUPED = re.compile(r"([1-9][0-9]{0,2})([.,'])([0-9]{3})(?:\2[0-9]{3})*(?:(?!\2)[.,]0*)?")
SCIENTIFIC = re.compile(r"([1-9][0-9]{0,2})(?:[.,]([0-9]*))?e\+([0-9]{1,2})|([1-9])[.,]([0-9]+)e([0-9]{1,2})")
"""A power of ten with its sign, as Excel, R and Python write it, or with a fraction, as Java does."""

WHOLE = re.compile(r"([0-9]+)[.,]0*")
DECIMAL = re.compile(r"([0-9]+),([0-9]+)")
FLOAT = re.compile(r"(?<![0-9.,])([0-9]+)[.,]0+(?=$|-|[a-z])")  # 17.0 behind or before a name, as programs join columns

_YEAR, _MONTH, _DAY = "(?:19|20)[0-9]{2}", "0?[1-9]|1[0-2]", "0?[1-9]|[12][0-9]|3[01]"
DATE = re.compile(
    rf"(?P<y>{_YEAR})(?P<mark>[-./])(?P<m>{_MONTH})(?P=mark)(?P<d>{_DAY})"
    rf"|(?P<d2>{_DAY})\.(?P<m2>{_MONTH})\.(?P<y2>{_YEAR})"
)
COMPACT_DATE = re.compile(rf"({_YEAR})(0[1-9]|1[0-2])(0[1-9]|[12][0-9]|3[01])")
TIMED = re.compile(
    r"(?P<date>[0-9]{1,4}[-./][0-9]{1,2}[-./][0-9]{1,4})(?:t|\s+)(?P<hour>[0-9]{1,2}):(?P<minute>[0-9]{2})"
    r"(?::(?P<second>[0-9]{2})(?:[.,]0+)?)?(?:\s*(?P<half>[ap])\.?m\.?)?(?:z|\s*utc|\s*[+-]00:?00)?"
)

DAY_MONTH = re.compile(r"([0-9]{1,2})[-.]+([^\W\d_]{3,4})|([^\W\d_]{3,4})[-.]+([0-9]{1,2})")
MONTHS = ("jan", "feb", "mar mär mrz", "apr", "may mai", "jun", "jul", "aug", "sep sept", "oct okt", "nov", "dec dez")
MONTH = {word: number for number, words in enumerate(MONTHS, 1) for word in words.split()}


def dated(text: str) -> str:
    """Return a date, with or without a time, in one form; any other text as it is.

    Midnight is left out, since it is what a column of dates becomes. Another time stays: parts may be named by it. A
    date is read where its order is certain: the year first, or the day first and points. Text is in small letters.
    """
    timed = TIMED.fullmatch(text)
    date = timed["date"] if timed else text
    known = DATE.fullmatch(date)
    if known:
        date = "-".join(str(int(known[part] or known[f"{part}2"])) for part in "ymd")
    if not timed:
        return date
    hour = int(timed["hour"])
    if timed["half"]:
        hour = hour % 12 + (12 if timed["half"] == "p" else 0)
    minute, second = int(timed["minute"]), int(timed["second"] or 0)
    if not (hour or minute or second):
        return date
    return "-".join(map(str, [date, hour, minute, second] if second else [date, hour, minute]))


def before_dated(text: str) -> set[str]:
    """Return the names that a spreadsheet turns into a day of a month like this one, in small letters.

    ``12-jan`` was ``1-12``, ``12-1`` or ``jan12``, the pair with dashes or a point. Any other text was no other name.
    """
    found = DAY_MONTH.fullmatch(text)
    month = MONTH.get(found[2] or found[3]) if found else None
    if found is None or month is None:
        return set()
    day, word = int(found[1] or found[4]), found[2] or found[3]
    orders = ((day, month), (month, day))
    return {f"{one}{mark}{other}" for one, other in orders for mark in "-."} | {f"{word}{day}"}


def plain_number(text: str) -> str:
    """Return a number without a fraction of zeros and with a point for its comma; any other text as it is."""
    whole = WHOLE.fullmatch(text)
    if whole:
        return whole[1]
    return DECIMAL.sub(r"\1.\2", text) if DECIMAL.fullmatch(text) else FLOAT.sub(r"\1", text)


def other_readings(text: str) -> Iterator[str]:
    """Yield what else a text may stand for, as a number or a date.

    Thousands in groups of three (``1,000``, ``1.000``, ``1'000``) are read without the marks; ``P1,000`` and ``1,2``
    are not. A power of ten with its sign is read as its digits (``1E+05``), and as the names that Excel turns into it
    (``1E5``, ``10E4``). Eight digits may be a date.
    """
    if GROUPED.fullmatch(text):
        yield _without_groups(text)
    date = COMPACT_DATE.fullmatch(text)
    if date:
        yield "-".join(str(int(part)) for part in date.groups())
    power = _power(text)
    if power:
        digits, zeros = power
        yield digits + "0" * zeros
        yield from (f"{digits}{'0' * shift}e{zeros - shift}" for shift in range(zeros + 1))


def is_surely_grouped(text: str) -> bool:
    """Return whether a text can be nothing but thousands in groups: a comma or an apostrophe, and not zeros alone."""
    grouped = GROUPED.fullmatch(text)
    return bool(grouped and grouped[2] in ",'" and grouped[3] != "000")


def is_maybe_grouped(text: str) -> bool:
    """Return whether a text is a number with three zeros behind a comma, a point or an apostrophe: ``1,000``."""
    return re.fullmatch(r"[1-9][0-9]{0,2}[.,']000", text) is not None


def rounded(texts: Sequence[str]) -> list[tuple[int, int]]:
    """Return the positions of powers of ten and of numbers that they are a rounding of: ``1.23457E+11``.

    A spreadsheet shows numbers of twelve digits so, and saves what it shows. It keeps 15 digits of a longer number and
    writes zeros for the others. Of several numbers, the first is taken.
    """
    powers = {at: found for at, text in enumerate(texts) if (found := _mantissa(text))}
    lengths = {(len(digits), total) for digits, total in powers.values()}
    numbers: dict[tuple[str, int], int] = {}
    for at, text in enumerate(texts) if powers else ():
        if text.isascii() and text.isdigit():
            for length, total in lengths:
                if len(text) == total > length:
                    numbers.setdefault((_round(text, length), total), at)
    return [(numbers[found], at) for at, found in powers.items() if found in numbers] + _shortened(texts)


def _shortened(texts: Sequence[str]) -> list[tuple[int, int]]:
    """Return the positions of numbers whose digits behind the 15th are zeros, and of a number that they may be."""
    long = {at: text for at, text in enumerate(texts) if text.isascii() and text.isdigit() and len(text) > KEPT_DIGITS}
    whole: dict[tuple[str, int], int] = {}
    for at, text in long.items():
        if text[KEPT_DIGITS:].strip("0"):
            whole.setdefault((text[:KEPT_DIGITS], len(text)), at)
    ends = {at: (text[:KEPT_DIGITS], len(text)) for at, text in long.items() if not text[KEPT_DIGITS:].strip("0")}
    return [(whole[key], at) for at, key in ends.items() if key in whole]


def _round(number: str, length: int) -> str:
    """Return the first digits of a number, rounded half up; with one digit more where they overflow."""
    return str(int(number[:length]) + (number[length] >= "5")).zfill(length)


def _without_groups(text: str) -> str:
    grouped = GROUPED.fullmatch(text)
    assert grouped is not None  # noqa: S101 -- narrows: the caller has matched
    mark = grouped[2]
    other = "," if mark == "." else "."
    return text.partition(other)[0].replace(mark, "")


def _mantissa(text: str) -> tuple[str, int] | None:
    """Return the digits that are shown of a number, and how many digits it has."""
    found = SCIENTIFIC.fullmatch(text)
    if not found or not found[1]:
        return None
    total = len(found[1]) + int(found[3])
    return (found[1] + (found[2] or ""), total) if total <= MOST_DIGITS else None


def _power(text: str) -> tuple[str, int] | None:
    """Return the digits of a whole number and how many zeros follow them."""
    found = SCIENTIFIC.fullmatch(text)
    if not found:
        return None
    before, behind, power = (found[1], found[2] or "", found[3]) if found[1] else (found[4], found[5], found[6])
    behind = behind.rstrip("0")
    zeros = int(power) - len(behind)
    digits = (before + behind).rstrip("0") if not behind else before + behind
    zeros += len(before + behind) - len(digits)
    return (digits, zeros) if 0 <= zeros <= MOST_DIGITS else None
