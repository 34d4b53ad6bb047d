"""Spellings of one name: ``17`` and ``17.0``, ``P-17`` with another dash, ``P17`` with an invisible character."""

# ruff: noqa: RUF001 -- letters that look like others are what this is about

import re
import unicodedata
from collections.abc import Iterable
from functools import cache
from itertools import combinations

from csam_lightning.data.numerals import (
    before_dated,
    dated,
    is_maybe_grouped,
    is_surely_grouped,
    other_readings,
    plain_number,
    rounded,
)

CYRILLIC = str.maketrans(
    "АВЕКМНОРСТУХІЅЈавекмнорстухіѕјԌԚԜҺӀҮѴԁԍԛԝһӏүѵӔӕ",
    "ABEKMHOPCTYXISJabekmhopctyxisjGQWHIYVdgqwhiyvÆæ",
)
"""Letters that look like Latin ones, in capitals at least."""

GREEK = str.maketrans("ΑΒΕΖΗΙΚΜΝΟΡΤΥΧαβεζηικνορτυχͿϳϜ", "ABEZHIKMNOPTYXabezhiknoptyxJjF")
"""The same, but for the small mu: it is the prefix of a unit, and µm is not mm."""

BEFORE_NFKC = str.maketrans({"\u03f2": "c", "\u03f9": "C", "\u2116": "No."})
"""Greek letters like a C, which NFKC turns into a sigma, and the numero sign, which it writes without a point."""

LATIN = str.maketrans(
    "\u0131\u0237\u0251\u0261ᴀʙᴄᴅᴇɢʜɪᴊᴋʟᴍɴᴏᴘꞯʀꜱᴛᴜᴠᴡʏᴢ",
    "ijagabcdeghijklmnopqrstuvwyz",
)
"""Letters of phonetic script: without their dots, of another form, and small capitals."""

FRAMED = str.maketrans(
    {chr(start + at): chr(ord("A") + at) for start in (0x1F150, 0x1F170) for at in range(26)}  # white on black
)
ARMENIAN = str.maketrans("ՕՏԼՍՀօտլսհ", "OSLUHosluh")
SIGNS = str.maketrans("\xd7\u2236\u223c\u2217\u066b\u066c", "x:~*.,")
LETTERS = CYRILLIC | GREEK | ARMENIAN | LATIN | FRAMED | SIGNS
SOFT_HYPHEN = "\xad"
MARKS = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f\U000e0100-\U000e01ef]")
"""Characters that no font draws but that are not of the category of format characters (Cf)."""

PLAIN = re.compile("[\x00-\x7f\xc0-\xd6\xd8-\xff]*")  # nothing invisible, nothing that looks like something else
BLANK = "\u2800"  # Braille without a dot
LINES = re.compile("[\u02d7\u2043\u2212\u2500\u2501\u23af\u2796\u30fc\u3161]")
"""Lines that are not of the category of dashes (Pd)."""

QUOTES = str.maketrans(
    dict.fromkeys("\u2018\u2019\u201a\u201b\u2032\u02b9\u02bc\xb4", "'")
    | dict.fromkeys("\u201c\u201d\u201e\u201f\u2033\xab\xbb", '"')
    | dict.fromkeys("\u2044\u2215", "/")
)
NO_FILE_NAME = str.maketrans("/\\:", "---")
"""What a file name cannot hold, and what stands there in its place."""

QUOTED = re.compile(r"(?:=?[\"'`\s])+")  # '17 and ="17" are how a spreadsheet is made to keep text
NUMBERED = re.compile(r"(?:#|n[or](?:\.|(?=\s))|n°)\s*(?=[0-9])")
BEHIND = re.compile(r"[.,;:_\s]+$")
FRAMES = re.compile(
    r"""b['"](.+)['"]|\[([^][]+)\]|\(([^()]+)\)|\+([0-9]+(?:[.,]0*)?)|(.*\w)\.(?:png|tiff?|bmp|jpe?g)"""
)
"""What programs leave of a text beside the name: bytes of Python, brackets, a plus, the ending of an image file."""

POINTS = re.compile(r"(?<=[^\W\d_])\.(?=\w)|(?<=\w)\.(?=[^\W\d_])")  # beside a letter: a number's point is none
UMLAUTS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "Ä": "Ae", "Ö": "Oe", "Ü": "Ue"})
UNDERSCORES = re.compile("_+")
WORDS = re.compile(r"[\W_]+")
PADDING = re.compile(r"(?<![0-9])(?<![0-9][.,])0+(?=[0-9])")


def spellings(names: list[str]) -> list[list[str]]:
    """Return the groups of different names that are spellings of one part, in the order of their first names.

    Alike are:

    - upper and lower case; full width, superscript and other forms of one character (Unicode's NFKC); digits of any
      script; Cyrillic, Greek, Armenian and phonetic letters that look like Latin ones; characters that are
      invisible; spaces;
    - dashes of any kind and the underscore, the slash and the colon: file names have the one in place of the other;
      so does a point beside a letter, ``LOT1.P7``;
    - a number and the same with a point and zeros, as a column of numbers with gaps is written; ``1,5`` and ``1.5``;
      zeros before a number, as a spreadsheet drops them;
    - a date and the same at midnight, or with its parts in another order where the order is certain;
    - a name and the same in quotation marks, behind an apostrophe, ``#``, ``No.`` or ``Nr.``, in brackets, or
      before a point, a comma, an underscore or the ending of an image file at its end.

    Not alike are ``1.5`` and ``15``, ``1.05`` and ``1.5``, ``1e3`` and ``1000``, ``1-12`` and ``11-2``, ``P17`` and
    ``P-17`` (a die's coordinate may be negative), ``P1,2`` and ``P12``, ``P10`` and ``P1O`` (a human reader has to
    know), a date and the same at another time of the day, ``03/05/2024`` and ``05/03/2024`` and either with a date
    whose order is certain.

    A space stands for nothing or for a dash; so does the soft hyphen, which is drawn at the end of a line alone. What
    else a number stands for: :func:`csam_lightning.data.numerals.other_readings`. An umlaut may be written with an e,
    and ``Ã¼`` is an ü in another code page. An accent makes another letter: ``é1`` and ``e1`` are two parts.

    Words of one length that differ by the places of their zeros, such as hexadecimal ``0a07`` and ``00a7``, are two.
    Where the names hold thousands in groups (``1,001``), ``1,000`` is no ``1``. ``12-Jan`` is a spelling of ``1-12``,
    ``12-1`` and ``JAN12``, which a spreadsheet turns into it, but ``12-Jan`` and ``1-Dec`` are two.
    """
    names = list(dict.fromkeys(names))
    plain = [_plain(name, "") for name in names]
    grouped = any(map(is_surely_grouped, plain))
    groups: dict[str, dict[str, str]] = {}
    for name, text in zip(names, plain, strict=True):
        skipped = plain_number(text) if grouped and is_maybe_grouped(text) else None
        for reading in _readings(name, text):
            if reading != skipped:
                groups.setdefault(PADDING.sub("", reading), {}).setdefault(name, reading)
    found = {tuple(group): None for group in groups.values() if len(group) > 1 and _any_alike(group.values())}
    place = {name: at for at, name in enumerate(names)}
    for name, text in zip(names, plain, strict=True):
        for key in sorted(before_dated(text) & groups.keys()):
            found[tuple(sorted({name, *groups[key]}, key=place.__getitem__))] = None
    named = {frozenset(pair) for group in found for pair in combinations(group, 2)}
    pairs = [(names[min(pair)], names[max(pair)]) for pair in rounded(plain)]
    return [list(group) for group in [*found, *(pair for pair in pairs if frozenset(pair) not in named)]]


def _readings(name: str, plain: str) -> list[str]:
    """Return the ways to read a name, numbers with the zeros before them; the usual one comes first."""
    readings = [plain_number(plain), *(other_readings(plain) if plain[:1].isdigit() else ())]
    if SOFT_HYPHEN in name:
        readings.append(plain_number(_plain(name.replace(SOFT_HYPHEN, "-"), "")))
    if len(name.split()) > 1:
        readings.append(plain_number(_plain(name, "-")))
    if not name.isascii():
        others = dict.fromkeys((look(name).translate(UMLAUTS), _decoded(name)))
        readings += [plain_number(_plain(other, "")) for other in others if other != name]
    return readings


def _decoded(name: str) -> str:
    """Return a name in UTF-8 that was read as Windows' code page, as it was written; other names as they are."""
    try:
        return name.encode("cp1252").decode()
    except UnicodeError:
        return name


def _any_alike(readings: Iterable[str]) -> bool:
    padded = [WORDS.split(reading) for reading in readings]
    return any(_are_alike(one, other) for one, other in combinations(padded, 2))


def _are_alike(words: list[str], others: list[str]) -> bool:
    pairs = zip(words, others, strict=False)
    return all(word == other or len(word) != len(other) for word, other in pairs)


def look(text: str) -> str:
    """Return what a reader sees of a text: look-alike characters as one, invisible ones left out."""
    if PLAIN.fullmatch(text):
        return " ".join(text.split())
    text = unicodedata.normalize("NFKC", text.replace(BLANK, " ").translate(BEFORE_NFKC))
    text = unicodedata.normalize("NFD", text).translate(LETTERS)
    seen = "".join(map(_seen, unicodedata.normalize("NFKC", text)))
    return " ".join(unicodedata.normalize("NFKC", seen).split())


def shown(text: str) -> str:
    """Return a text for a message: characters that are invisible or look like others as Python's escapes."""
    return "".join(sign if _is_plain(sign) else ascii(sign)[1:-1] for sign in text)


@cache
def _seen(sign: str) -> str:
    if MARKS.match(sign):
        return ""
    match unicodedata.category(sign):
        case "Cf":
            return ""
        case "Pd":
            return "-"
        case "Nd":
            return str(unicodedata.decimal(sign))
        case "No" if unicodedata.digit(sign, None) is not None:  # a digit in a black disc
            return str(unicodedata.digit(sign))
    return "-" if LINES.match(sign) else sign


def _is_plain(sign: str) -> bool:
    return sign.isprintable() and (sign.isspace() or look(sign) == sign)


def _plain(name: str, gap: str) -> str:
    """Return a name in small letters and plain characters, without marks around it; numbers are as they are."""
    text = look(name).casefold()
    if not PLAIN.fullmatch(text):  # folding may have made other characters of one
        text = look(text).casefold()
    if not text.isascii():
        text = text.translate(QUOTES)
    text = _bare(text)
    text = dated(text) if text[:1].isdigit() else text
    return POINTS.sub("-", UNDERSCORES.sub("-", gap.join(text.split())).translate(NO_FILE_NAME))


def _bare(text: str) -> str:
    """Return a text without quotation marks around it, a sign for a number before it and marks behind it."""
    opened = QUOTED.match(text)
    bare = text[opened.end() :].rstrip("\"' ") if opened else text
    bare = BEHIND.sub("", NUMBERED.sub("", bare, count=1) if NUMBERED.match(bare) else bare)
    framed = FRAMES.fullmatch(bare)
    return _bare(framed[framed.lastindex or 0]) if framed else bare or text
