"""Spellings of one name: ``17`` and ``17.0``, ``P-17`` with another dash, ``P17`` with an invisible character."""

import re
import unicodedata
from functools import cache
from itertools import combinations

CYRILLIC = str.maketrans(
    "АВЕКМНОРСТУХІЅЈавекмнорстухіѕјԚԜҺԀӀѴԌҮԛԝһԁӏѵԍү", "ABEKMHOPCTYXISJabekmhopctyxisjQWHDIVGYqwhdivgy"
)
"""Letters that look like Latin ones, in capitals at least."""

GREEK = str.maketrans("ΑΒΕΖΗΙΚΜΝΟΡΤΥΧαβεζηικνορτυχ", "ABEZHIKMNOPTYXabezhiknoptyx")
"""The same, but for the small mu: it is the prefix of a unit, and µm is not mm."""

ARMENIAN = str.maketrans("ՕՏԼՍՀօտլսհ", "OSLUHosluh")
LUNATE = str.maketrans("\u03f9\u03f2\u037f\u03f3", "CcJj")
"""Greek letters that NFKC would turn into a sigma, and the letter yot."""

LATIN = str.maketrans("\u0131\u0251\u0261", "iag")  # a dotless i, an alpha and a g of phonetic script
SOFT_HYPHEN = "\xad"
MARKS = re.compile("[\u034f\u115f\u1160\u180b-\u180f\u3164\ufe00-\ufe0f\U000e0100-\U000e01ef]")
"""Characters that no font draws but that are not of the category of format characters (Cf)."""

QUOTES = str.maketrans("\u2018\u2019\u201b\u02bc\u02b9\u2032\xb4\u201c\u201d\u201f\u2033", "'" * 7 + '"' * 4)
SIGNS = str.maketrans("\u2044\u2215\u29f8\u2236\u223c\u201a\u2217\xd7", "///:~,*x")
"""Signs that look like those of ASCII: strokes, a ratio, a tilde, a low comma, an asterisk, a times sign."""

PLAIN = re.compile("[\x00-\x7f\xc0-\xd6\xd8-\xff]*")  # nothing invisible, nothing that looks like something else
BLANK = "\u2800"  # Braille without a dot
LINES = re.compile("[\u02d7\u2043\u2212\u2796\u30fc]")  # lines that are not of the category of dashes (Pd)
WHOLE = re.compile(r"([0-9]+)[.,]0*")
THOUSANDS = re.compile(r"(-?[1-9][0-9]{0,2}(?:([.,'])[0-9]{3})(?:\2[0-9]{3})*)(?:(?!\2)[.,]0+)?")
EXPONENT = re.compile(r"([0-9])(?:[.,]([0-9]+))?e\+([0-9]{1,2})")  # as a spreadsheet shows a long number
MOST_ZEROS = 15  # a spreadsheet keeps no more digits
MIDNIGHT = re.compile(
    r"([0-9]{4}([-./])[0-9]{1,2}\2[0-9]{1,2}|[0-9]{1,2}([-./])[0-9]{1,2}\3(?:[0-9]{4}|[0-9]{2})|(?:19|20)[0-9]{6})"
    r"(?:[ T]0?0:00(?::00(?:\.0+)?)?(?: ?(?:Z|\+00(?::?00)?))?| 12:00(?::00)? ?AM)",
    re.IGNORECASE,
)
"""A date with the time 00:00, as a spreadsheet or pandas writes a date alone."""

WRAPPED = re.compile(r"""(?:="|b?")([^"]+)"|b?'([^']+)'|\[([^][]+)\]|\(([^()]+)\)""")
"""Quotes and brackets that programs kept around a cell's text; ``="007"`` is a spreadsheet's formula."""

MARK = re.compile(r"^'+(?=\w)|^\+(?=[0-9]+(?:[.,]0*)?$)")  # a spreadsheet's mark of text; a number's plus
TAIL = re.compile(r"(?<=[^\W_])(?:[.,;:]+|\.(?:png|tiff?|bmp|jpe?g))$", re.IGNORECASE)  # a list's rest, a file's ending
JOINTS = re.compile(r"(?<=[^\W\d_])[./:#](?=\w)|(?<=\w)[./:#](?=[^\W\d_])")  # a number's point is none
UMLAUTS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "Ä": "Ae", "Ö": "Oe", "Ü": "Ue"})
DAY_MONTH = re.compile(r"([0-9]{1,2})[-. ]+([^\W\d_]{3,4})|([^\W\d_]{3,4})[-. ]+([0-9]{1,2})")
MONTHS = ("jan", "feb", "mar mär mrz", "apr", "may mai", "jun", "jul", "aug", "sep sept", "oct okt", "nov", "dec dez")
MONTH = {word: number for number, words in enumerate(MONTHS, 1) for word in words.split()}
WORDS = re.compile(r"[\W_]+")
PADDING = re.compile(r"(?<![0-9])(?<![0-9][.,])0+(?=[0-9])")


def part_key(name: str, *, gap: str = "") -> str:
    """Return the key that all spellings of a part's name share; the key of a key is the key itself.

    Alike are: upper and lower case; full width, superscript and other forms of one character (Unicode's NFKC); digits
    of any script; Cyrillic and Greek letters that look like Latin ones; dashes of any kind and the underscore, which
    file names have in place of a dash; characters that are invisible; spaces; a number and the same with a point and
    zeros, as a column of numbers with gaps is written; zeros before a number, as a spreadsheet drops them; ``100000``
    and ``1E+05``, as a spreadsheet shows it; a plus before a number; an apostrophe before a name, quotes around it,
    brackets, the formula ``="007"``, a comma behind it or the ending of an image file; a date and the same with the
    time 00:00; a point, stroke, colon or number sign beside a letter and a dash, ``LOT1.P7`` and ``LOT1-P7``.

    Not alike are ``1.5`` and ``15``, ``1.05`` and ``1.5``, ``1e3`` and ``1000``, ``1-12`` and ``11-2``, ``P1,2`` and
    ``P12``, ``P17.0`` and ``P17`` (a letter makes no number), ``P17`` and ``P-17`` (a die's coordinate may be
    negative), a date and the same with another time, ``P10`` and ``P1O`` (a human reader has to know).

    Args:
        name: The name.
        gap: What a space stands for.
    """
    key = PADDING.sub("", _padded(name, gap))
    return key if key == name else part_key(key, gap=gap)


def part_keys(name: str) -> set[str]:
    """Return the keys of a name, one for each way to read it; two spellings of one part share one.

    A space stands for nothing or for a dash; so does the soft hyphen, which is drawn at the end of a line alone.
    ``1,000`` is 1 or 1000; ``1,000.0`` is 1000. An umlaut may be written with an e, and ``Ã¼`` is an ü in another code
    page. An accent makes another letter: ``é1`` and ``e1`` are two parts.
    """
    keys = {part_key(name)}
    if SOFT_HYPHEN in name:
        keys.add(part_key(name.replace(SOFT_HYPHEN, "-")))
    if len(name.split()) > 1:
        keys.add(part_key(name, gap="-"))
    grouped = THOUSANDS.fullmatch(_bare(look(name)))
    if grouped:
        keys.add(part_key(grouped[1].replace(grouped[2], "")))
    if not name.isascii():
        keys |= {part_key(other) for other in (look(name).translate(UMLAUTS), _decoded(name))}
    return keys


def _decoded(name: str) -> str:
    """Return a name in UTF-8 that was read as Windows' code page, as it was written; other names as they are."""
    try:
        return name.encode("cp1252").decode()
    except UnicodeError:
        return name


def dated_keys(name: str) -> set[str]:
    """Return the keys of the names that a spreadsheet turns into a date like this one.

    ``12-Jan`` was ``1-12``, ``12-1`` or ``JAN12``; the same with points or strokes. Others than days of a month have
    none. Such a key is no key of the date itself: ``12-Jan`` and ``1-Dec`` are two parts.
    """
    found = DAY_MONTH.fullmatch(_bare(look(name)).casefold())
    if found is None:
        return set()
    day, word = int(found[1] or found[4]), found[2] or found[3]
    month = MONTH.get(word)
    if month is None:
        return set()
    orders = ((day, month), (month, day))
    return {f"{one}{mark}{other}" for one, other in orders for mark in "-./"} | {f"{word}{day}"}


def spellings(names: list[str]) -> list[list[str]]:
    """Return the groups of different names that are spellings of one part, in the order of their first names.

    Words of one length that differ by the places of their zeros, such as hexadecimal ``0a07`` and ``00a7``, are two.
    """
    groups: dict[str, list[str]] = {}
    for name in dict.fromkeys(names):
        for key in part_keys(name):
            groups.setdefault(key, []).append(name)
    found = {tuple(group): None for group in groups.values() if len(group) > 1 and _any_alike(group)}
    place = {name: position for position, name in enumerate(names)}
    for name in place:
        for key in sorted(dated_keys(name) & groups.keys()):
            found[tuple(sorted({name, *groups[key]}, key=place.__getitem__))] = None
    return [list(group) for group in found]


def _any_alike(names: list[str]) -> bool:
    padded = [WORDS.split(_padded(name, "")) for name in names]
    return any(_are_alike(one, other) for one, other in combinations(padded, 2))


def _are_alike(words: list[str], others: list[str]) -> bool:
    pairs = zip(words, others, strict=False)
    return all(word == other or len(word) != len(other) for word, other in pairs)


def look(text: str) -> str:
    """Return what a reader sees of a text: look-alike characters as one, invisible ones left out."""
    if PLAIN.fullmatch(text):
        return " ".join(text.split())
    text = unicodedata.normalize("NFKC", text.replace(BLANK, " ").translate(LUNATE).translate(QUOTES))
    text = unicodedata.normalize("NFD", text)
    for table in (CYRILLIC, GREEK, ARMENIAN, LATIN, SIGNS):
        text = text.translate(table)
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
    return "-" if LINES.match(sign) else sign


def _is_plain(sign: str) -> bool:
    return sign.isprintable() and (sign.isspace() or look(sign) == sign)


def _padded(name: str, gap: str) -> str:
    """Return the key of a name whose numbers still have the zeros before them."""
    seen = _bare(look(name))
    day = MIDNIGHT.fullmatch(seen)
    seen = day[1] if day else seen
    text = gap.join(seen.casefold().split()).replace("_", "-")
    if not PLAIN.fullmatch(text):  # folding may have made other characters of one
        text = gap.join(look(text).casefold().split())
    text = JOINTS.sub("-", _bare(text))
    whole = WHOLE.fullmatch(text)
    return whole[1] if whole else _written_out(text)


def _bare(text: str) -> str:
    """Return a text without what programs put around a cell's text: quotes, a mark before it, a comma behind it."""
    wrapped = WRAPPED.fullmatch(text)
    inner = wrapped[wrapped.lastindex or 0] if wrapped else TAIL.sub("", MARK.sub("", text))
    return text if inner == text else _bare(inner.strip())


def _written_out(text: str) -> str:
    """Return a whole number that a spreadsheet has shortened, ``1.2e+05``, with all digits; other texts as they are."""
    found = EXPONENT.fullmatch(text)
    if found is None:
        return text
    fraction = (found[2] or "").rstrip("0")
    digits, zeros = found[1] + fraction, int(found[3]) - len(fraction)
    return digits + "0" * zeros if 0 <= zeros <= MOST_ZEROS else text
