"""What folders are called that hold no class of their own: splits, read-outs, lots, dates and masks."""

import os
import re
import unicodedata
from collections.abc import Sequence
from typing import Literal

from csam_lightning.data import folder_words as words
from csam_lightning.data.spelling import look

Kind = Literal["split", "read-out", "lot", "date", "mask"]

ALL_AT_MOST = 9
"""Numbers up to this may be classes even where some are left out, as grades are."""

COUNT_AT_MOST = 99
"""Numbers without a gap from 0 or 1 up to this are taken for classes."""

DIMENSIONS = {"1d", "2d", "3d"}
"""Classes, unless there are read-outs beside them: then they are days."""

_NUMBER = r"[0-9]+(?:[.,][0-9]+)?"
_YEAR, _MONTH, _DAY = r"(?:19|20)[0-9]{2}", r"(?:0?[1-9]|1[0-2])", r"(?:0?[1-9]|[12][0-9]|3[01])"
_COUNTED = r"[_-]*(?:no|nr)?[_.#-]*"

_EXPRESSIONS: dict[Kind, str] = {
    "split": rf"{words.SPLITS}(?:[_-]?{words.SPLIT_ENDS})*|{words.NUMBERED_SPLITS}[_-]?[0-9]+",
    "date": (
        rf"{_YEAR}[ ._-]?(?:[wq][0-9]{{1,2}}|0[1-9]|1[0-2])(?:[ ._-]?[0-3][0-9])?(?:[ ._t-][0-9 .:_-]+)?"
        rf"|{words.MONTHS}[ ._-]?(?:{_YEAR}|[0-9]{{2}})|(?:{_YEAR}|[0-9]{{2}})[ ._-]?{words.MONTHS}"
        rf"|{_DAY}[ ._-]{_MONTH}[ ._-](?:{_YEAR}|[0-9]{{2}})|{_YEAR}[._-]{_MONTH}[._-]{_DAY}|{_MONTH}[._-]{_YEAR}"
        rf"|{_YEAR}年(?:{_MONTH}月(?:{_DAY}日)?)?"
    ),
    "read-out": (
        rf"{_NUMBER}[_-]?{words.UNITS}|[0-9]{{2,}}[次回]"
        rf"|(?:{words.BEFORE_NUMBERS}[ _=-]?){{1,3}}{_NUMBER}[_-]?{words.UNITS}?"
        rf"|(?:t[_-]?0|t[_-]?[0-9]{{2,}}|t0[0-9])|{words.STATES}"
    ),
    "lot": (
        rf"{words.LOTS}(?:{_COUNTED}[0-9]|[_.#-]+[a-z]{{1,3}}[_.-]?[0-9])[a-z0-9_.-]*"
        rf"|{words.LOTS_OF_LETTERS}[a-z]{{1,3}}[0-9][a-z0-9_.-]*|{words.SERIES}{_COUNTED}[a-z]?[0-9]+[a-z]?"
        rf"|(?:{words.LOTS}|{words.SERIES})[_.#-]+[a-z]|{words.NUMBERED_LOTS}|[lwps](?:0[0-9]+|[0-9]{{2,}})"
    ),
}
NAMES = {kind: re.compile(expression) for kind, expression in _EXPRESSIONS.items()}
"""Whole names as :func:`_folded` writes them, by what they stand for. A number alone is judged by :func:`kinds`."""


_WITHIN: dict[Kind, re.Pattern[str]] = {
    kind: re.compile(rf"(?<![^\W_])(?:{_EXPRESSIONS[kind]})(?![^\W_])") for kind in ("split", "date", "read-out")
}
"""What may stand within a name, between signs that are neither letters nor digits: ``images_train``."""


def kind(name: str) -> Kind | None:
    """Return what the name of a folder stands for, a number alone aside; None where it may be a class."""
    folded = _folded(name)
    return next((kind for kind, pattern in NAMES.items() if pattern.fullmatch(folded)), None)


def _folded(name: str) -> str:
    """Return a name in small letters without accents, underscores for spaces and before a capital behind a letter."""
    spaced = re.sub("(?<=[a-z])(?=[A-Z])", "_", look(name)).replace(" ", "_")
    parts = unicodedata.normalize("NFD", spaced.casefold())
    return unicodedata.normalize("NFC", re.sub("[\u0300-\u036f]", "", parts))


def kinds(names: Sequence[str]) -> dict[str, Kind]:
    """Return those of some folders side by side that are no classes, and what each stands for.

    Numbers alone are read-outs, unless they count from 0 or 1 without a gap, as codes of classes do, or are all so
    small that they may be grades. Numbers from 0 between what all names share are read-outs too, unless they are
    percents or a word for a grade stands before them. Several months or days are dates, words for before and after
    are read-outs; masks are none of the classes beside images. Where every name holds a part of one kind, such as
    ``images_train`` and ``images_test``, and the parts differ, all are of that kind.
    """
    found = {name: kind(name) for name in names}
    found |= _side_by_side(names)
    dimensions = [name for name in names if look(name).casefold() in DIMENSIONS]
    if not any(found[name] == "read-out" for name in names if name not in dimensions):
        found |= dict.fromkeys(dimensions)
    numbers = {name: int(name) for name in names if found[name] is None and re.fullmatch("[0-9]{1,18}", name)}
    numbered = [name for name in names if re.fullmatch("[lwps][0-9]+", name.casefold())]
    if "lot" in found.values() or 1 < len(numbered) == len(names):  # where there is a P10, P9 is no class
        found |= dict.fromkeys(numbered, "lot")
    if any(found[name] == "read-out" and name.casefold().startswith("t") for name in names):  # t1 beside t0
        found |= {name: "read-out" for name in names if re.fullmatch("t[ _-]?[0-9]+", name.casefold())}
    shared = _numbers_between(names)
    if 0 in shared and not _are_codes(sorted(shared)):
        found |= dict.fromkeys(names, "read-out")
    if not _are_codes(sorted(numbers.values())):
        found |= dict.fromkeys(numbers, "read-out")
    found |= _within_all(names) if not any(found.values()) else {}
    return {name: kind for name, kind in found.items() if kind is not None}


def _side_by_side(names: Sequence[str]) -> dict[str, Kind]:
    """Return what names stand for that may be classes where they are alone."""
    found: dict[str, Kind] = {}
    folded = {name: _folded(name) for name in names}
    for days in (words.MONTHS, words.WEEKDAYS):
        dated = [name for name in names if re.fullmatch(days, folded[name])]
        if len(dated) > 1:  # one alone may be a class
            found |= dict.fromkeys(dated, "date")
    masks = [name for name in names if re.fullmatch(words.MASKS, folded[name])]
    if masks and any(re.fullmatch(words.IMAGES, name) for name in folded.values()):
        found |= {name: "mask" for name in names if name in masks or re.fullmatch(words.IMAGES, folded[name])}
    for pair in words.PAIRS:
        if pair <= set(folded.values()):
            found |= {name: "read-out" for name in names if folded[name] in pair}
    return found


def _within_all(names: Sequence[str]) -> dict[str, Kind]:
    """Return what all names stand for where a part of each is a split, a read-out or a date, and the parts differ."""
    folded = [_folded(name) for name in names if look(name).casefold() not in DIMENSIONS]
    for kind, pattern in _WITHIN.items():
        parts = [pattern.search(name) for name in folded]
        if len(parts) == len(names) and all(parts) and len({part[0] for part in parts if part}) > 1:
            return dict.fromkeys(names, kind)
    return {}


def _numbers_between(names: Sequence[str]) -> list[int]:
    """Return what some names hold between the beginning and the end that all share, if that is numbers alone.

    Nothing where these are grades: a word for a grade stands before the number or percents behind it.
    """
    texts = [look(name).casefold() for name in names]
    before = _common_beginning(texts)
    rest = [text[len(before) :] for text in texts]
    after = _common_beginning([text[::-1] for text in rest])[::-1]
    if re.fullmatch(rf" ?{words.SHARES}.*", after) or (not after and re.fullmatch(rf"{words.GRADES}[ _-]?", before)):
        return []
    numbers = [text[: len(text) - len(after)] for text in rest]
    return [int(number) for number in numbers] if all(re.fullmatch("[0-9]{1,18}", each) for each in numbers) else []


def _common_beginning(texts: Sequence[str]) -> str:
    return os.path.commonprefix(list(texts)).rstrip("0123456789")  # noqa: RUF071 - character by character is meant


def _are_codes(numbers: Sequence[int]) -> bool:
    if not numbers or numbers[-1] <= ALL_AT_MOST:
        return True
    return numbers[-1] <= COUNT_AT_MOST and list(numbers) in (
        list(range(len(numbers))),
        list(range(1, len(numbers) + 1)),
    )
