"""What folders are called that hold no class of their own: splits, read-outs, lots and dates."""

import os
import re
from collections.abc import Sequence
from typing import Literal

from csam_lightning.data.spelling import look

Kind = Literal["split", "read-out", "lot", "date"]

ALL_AT_MOST = 9
"""Numbers up to this may be classes even where some are left out, as grades are."""

COUNT_AT_MOST = 99
"""Numbers without a gap from 0 or 1 up to this are taken for classes."""

DIMENSIONS = {"1d", "2d", "3d"}
"""Classes, where a data set has no other folders; beside others they are days."""

_UNIT = (
    r"(?:k?cyc(?:l|le|les|s)?|zyk(?:len|lus)?|k?tcs?|tct|ctc|tst?|h|hr|hrs|hours?|std|stunden?|min|d|days?|tage?"
    r"|w|wk|weeks?|wochen?|k|x?[ _-]?reflows?)"
)
_NUMBER = r"[0-9]+(?:[.,][0-9]+)?"
_BEFORE = (
    r"(?:cyc(?:l|le|les|s)?|zyk(?:len|lus)?|tcs?|tct|ctc|tst|read[ _-]?(?:out|point)?|ro|after|post|nach|hours?"
    r"|days?|weeks?|msl|precon|reflow)"
)
_LOT = r"(?:lot|los|lote|lotto|partie|partida|partia|partij|batch|charge|carrier|tray|wafer|批次?|ロット)"
_SERIES = (
    r"(?:strip|panel|lead[ _-]?frame|magazine|boat|box|reel|run|unit|part|package|pkg|sample|dut|device|board|serial"
    r"|sn|machine|scanner|operator|scan|session|series|week|kw|cw|ww)"
)
_YEAR, _MONTH, _DAY = r"(?:19|20)[0-9]{2}", r"(?:0?[1-9]|1[0-2])", r"(?:0?[1-9]|[12][0-9]|3[01])"
_MONTH_NAME = (
    r"(?:jan(?:uary?|uar|vier)?|feb(?:ruary?|ruar)?|m[aä]r(?:ch|z)?|apr(?:il)?|ma[iy]|jun[ei]?|jul[iy]?|aug(?:ust)?"
    r"|sept?(?:ember)?|o[ck]t(?:ober)?|nov(?:ember)?|de[cz](?:ember)?)"
)

NAMES: dict[Kind, re.Pattern[str]] = {
    "split": re.compile(
        r"(?:train(?:ing|val)?|trn|dev|val|valid(?:ation|ate)?|test(?:ing)?|tst|hold[ _-]?outs?|eval(?:uation)?|unseen"
        r"|fold|lernen|lerndaten|schulung|pr[uü]fung|validierung|entra[iî]nement|apprentissage|entrenamiento|prueba"
        r"|validaci[oó]n|treino|treinamento|teste|valida[cç][aã]o|allenamento|addestramento|convalida|validazione"
        r"|trening|walidacja|训练|訓練|学習|验证|検証|驗證|测试|測試|テスト)"
        r"(?:[ _-]?(?:sets?|splits?|data|images?|scans?|[0-9]+))*"
    ),
    "date": re.compile(
        rf"{_YEAR}[ ._-]?(?:[wq][0-9]{{1,2}}|0[1-9]|1[0-2])(?:[ ._-]?[0-3][0-9])?(?:[ ._t-][0-9 .:_-]+)?"
        rf"|{_MONTH_NAME}[ ._-]?(?:{_YEAR}|[0-9]{{2}})|(?:{_YEAR}|[0-9]{{2}})[ ._-]?{_MONTH_NAME}"
        rf"|{_DAY}[ ._-]{_MONTH}[ ._-](?:{_YEAR}|[0-9]{{2}})|{_YEAR}[._-]{_MONTH}[._-]{_DAY}"
    ),
    "read-out": re.compile(
        rf"{_NUMBER}[ _-]?{_UNIT}|(?:{_BEFORE}[ _=-]?)+{_NUMBER}[ _-]?{_UNIT}?|(?:t[ _-]?0|t[ _-]?[0-9]{{2,}}|t0[0-9])"
        r"|initial|time[ _-]?(?:zero|0)|as[ _-]?received|pre|post|before|after|vorher|nachher"
        r"|(?:pre|post|before|after)[ _-](?:stress|test|cycling|reflow|aging|ageing)"
    ),
    "lot": re.compile(
        rf"{_LOT}[ _-]*(?:no|nr)?(?:[ _.#-]+[a-z]|[ _.#-]*[a-z0-9_.-]*[0-9][a-z0-9]*)"
        rf"|{_SERIES}[ _-]*(?:no|nr)?(?:[ _.#-]+[a-z]|[ _.#-]*[a-z]?[0-9]+[a-z]?)|[lwps](?:0[0-9]+|[0-9]{{2,}})"
    ),
}
"""Whole names in small letters, by what they stand for. A number alone is judged by :func:`kinds`."""


def kind(name: str) -> Kind | None:
    """Return what the name of a folder stands for, a number alone aside; None where it may be a class."""
    folded = look(name).casefold()
    return next((kind for kind, pattern in NAMES.items() if pattern.fullmatch(folded)), None)


def kinds(names: Sequence[str]) -> dict[str, Kind]:
    """Return those of some folders side by side that are no classes, and what each stands for.

    Numbers alone are read-outs, unless they count from 0 or 1 without a gap, as codes of classes do, or are all so
    small that they may be grades.
    """
    found = {name: kind(name) for name in names}
    months = [name for name in names if re.fullmatch(_MONTH_NAME, look(name).casefold())]
    if len(months) > 1:  # one alone may be a class
        found |= dict.fromkeys(months, "date")
    if {look(name).casefold() for name in names} <= DIMENSIONS:
        found |= dict.fromkeys(names)
    numbers = {name: int(name) for name in names if found[name] is None and re.fullmatch("[0-9]{1,18}", name)}
    if "lot" in found.values():  # where there is a P10, P9 is none of the classes
        found |= {name: "lot" for name in names if re.fullmatch("[lwps][0-9]+", name.casefold())}
    if any(found[name] == "read-out" and name.casefold().startswith("t") for name in names):  # t1 beside t0
        found |= {name: "read-out" for name in names if re.fullmatch("t[ _-]?[0-9]+", name.casefold())}
    shared = _numbers_between(names)
    if 0 in shared and not _are_codes(sorted(shared)):
        found |= dict.fromkeys(names, "read-out")
    if not _are_codes(sorted(numbers.values())):
        found |= dict.fromkeys(numbers, "read-out")
    return {name: kind for name, kind in found.items() if kind is not None}


def _numbers_between(names: Sequence[str]) -> list[int]:
    """Return what some names hold between the beginning and the end that all share, if that is numbers alone."""
    texts = [look(name).casefold() for name in names]
    before = _common_beginning(texts)
    rest = [text[len(before) :] for text in texts]
    after = _common_beginning([text[::-1] for text in rest])
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
