"""Words that may be slips of the pen for others, and words that only look like it."""

import difflib
import re
from collections.abc import Iterator

SHORTEST = 4
"""Letters of the shorter word: of shorter ones, a single letter makes another word (``ok`` and ``nok``)."""

DENIED = (
    *("n", "no", "non", "not", "un", "in", "im", "ir", "il", "de", "dis", "anti", "without", "free of"),
    *("ohne", "nicht", "kein", "keine", "frei von"),
)
AFFIRMED = ("with", "mit")
BEHIND = ("free", "less", "frei", "los")
COUNTER = re.compile(r"[0-9]+|(?<![^\W_])(?:[^\W\d_]|[ivxIVX]+)(?![^\W_])|(?<=[a-z])[A-Z](?![A-Za-z])")
"""Numbers; single letters and Roman numerals that stand alone; a capital at the end of a word in small letters."""


def is_a_slip(word: str, other: str, cutoff: float) -> bool:
    """Return whether a word may be a slip for another: difflib's ratio, upper and lower case being equal.

    Short words are not compared, nor are words that are :func:`told_apart`.

    Args:
        word: A word.
        other: Another word.
        cutoff: Least ratio of a slip, from 0 to 1.
    """
    if min(len(word), len(other)) < SHORTEST or told_apart(word, other):
        return False
    return difflib.SequenceMatcher(None, word.casefold(), other.casefold()).ratio() >= cutoff


def told_apart(word: str, other: str) -> bool:
    """Return whether words differ by a denial (``delam``, ``no_delam``) or a counter (``grade 1``, ``grade 2``)."""
    one, two = word.casefold(), other.casefold()
    if one == two:
        return False
    if COUNTER.sub("", word).casefold() == COUNTER.sub("", other).casefold():
        return True
    denied = dict(_stems(one))
    return any(denied.get(stem, denies) != denies for stem, denies in _stems(two))


def _stems(word: str) -> Iterator[tuple[str, bool]]:
    """Yield what is left of a word without a denial, and whether there was one; the word itself comes first."""
    yield word, False
    for prefix in (*DENIED, *AFFIRMED):
        if word.startswith(prefix):
            yield word.removeprefix(prefix).lstrip(" _-"), prefix in DENIED
    for suffix in BEHIND:
        if word.endswith(suffix):
            yield word.removesuffix(suffix).rstrip(" _-"), True
