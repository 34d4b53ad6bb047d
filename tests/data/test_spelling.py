"""Spellings of one part, and names that are two."""

# ruff: noqa: RUF001 -- letters that look like others are what is tested

import datetime as dt
import hashlib
import string
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from csam_lightning.data.spelling import look, shown, spellings

DASHES = "\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe58\ufe63\uff0d\u2043\u2796_"
INVISIBLE = "\u200b\u200c\u200d\u2060\ufeff\u200e\u200f\u202a\u202e\u2066\xad\ufe0f\U000e0100\u034f"
SPACES = " \xa0\u2009\u202f\u3000\u2800"
LOOKALIKES = dict(zip("ABEKMHOPCTXaeopcyx", "АВЕКМНОРСТХаеорсух", strict=True)) | {
    "Z": "Ζ",
    "I": "Ι",
    "N": "Ν",
    "Y": "Υ",
}

words = st.text(string.ascii_letters, min_size=1, max_size=4)
numbers = st.integers(0, 9999).map(str)
ids = st.lists(st.tuples(words, st.sampled_from(["", "-", "."]), numbers).map("".join), min_size=1, max_size=3).map(
    "-".join
)


@st.composite
def changes(draw: st.DrawFn) -> tuple[str, str]:
    """Return an id and another spelling of it, by a single change."""
    name = draw(ids)
    at = draw(st.integers(0, len(name)))
    kind = draw(st.sampled_from(["case", "wide", "dash", "invisible", "look-alike", "space", "zeros"]))
    if kind == "case":
        return name, name.swapcase()
    if kind == "wide":
        return name, "".join(chr(ord(sign) + 0xFEE0) if sign.isalnum() else sign for sign in name)
    if kind == "dash":
        return name, name.replace("-", draw(st.sampled_from(DASHES)))
    if kind == "look-alike":
        return name, "".join(LOOKALIKES.get(sign, sign) for sign in name)
    if kind == "zeros":
        start = next(position for position, sign in enumerate(name) if sign.isdigit())
        return name, name if name[start - 1] == "." else f"{name[:start]}00{name[start:]}"
    added = draw(st.sampled_from(INVISIBLE if kind == "invisible" else SPACES))
    return name, f"{name[:at]}{added}{name[at:]}"


@given(changes())
def test_a_single_change_makes_no_other_part(pair: tuple[str, str]) -> None:
    one, other = pair
    assert one == other or spellings([one, other]) == [[one, other]]


@given(st.text(max_size=12) | ids)
def test_what_is_seen_of_what_is_seen_is_the_same(name: str) -> None:
    assert look(look(name)) == look(name)


@given(st.sets(st.integers(0, 10**6), min_size=2, max_size=20), st.sampled_from(["", "P", "LOT1-", "L2_P", "ü"]))
def test_other_numbers_are_other_parts(values: set[int], prefix: str) -> None:
    assert spellings([f"{prefix}{value}" for value in values]) == []


@given(st.integers(0, 10**6))
def test_a_number_as_a_column_with_gaps_writes_it(value: int) -> None:
    assert spellings([str(value), f"{float(value):.1f}"]) == [[str(value), f"{value}.0"]]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("P1", "P10"),
        ("17", "170"),
        ("1.5", "15"),
        ("1.05", "1.5"),
        ("1.1", "1.10"),
        ("1e3", "1000"),
        ("1-12", "11-2"),
        ("x-1", "x1"),
        ("0a07", "00a7"),
        ("5µm", "5mm"),
        ("P17A", "P17B"),
        ("P10", "P100"),
        ("A-1", "A-11"),
        ("P1,2", "P12"),
        ("1,2", "12"),
        ("P1,000", "P1000"),
        ("1.234", "12.34"),
        ("1E05", "100000"),
        ("12e4", "120e3"),
        ("1E+05", "1E+06"),
        ("1E-05", "100000"),
        ("1.23457E+11", "123466789012"),
        ("12345678901234500", "12345678901234667"),
        ("12345678901234567", "12345678901234568"),
        ("1.05A", "1.5A"),
        ("2024-03-05", "2024-03-05 08:30"),
        ("2024-03-05 08:30", "2024-03-05 08:31"),
        ("03/05/2024", "05/03/2024"),
        ("03/05/2024", "2024-03-05"),
        ("2024-03-05", "2024-05-03"),
        ("2024-13-05", "2024-1-305"),
        ("No17", "17"),
        ("A1.0-2", "A10-2"),
        ("1.2.0", "1.2"),
        ("З1", "31"),
        ("-17", "17"),
        ("12-Jan", "1-Dec"),
        ("12-Jan", "13-Jan"),
        ("12-Foo", "1-12"),
        ("P1.5", "P1-5"),
        ("1.5", "1-5"),
        ("é1", "e1"),
        ("(1)(2)", "12"),
        ("P17.dat", "P17"),
        ("+1", "-1"),
        ("A+", "A-"),
    ],
)
def test_names_of_two_parts(one: str, other: str) -> None:
    assert spellings([one, other]) == []


def test_thousands_in_groups_are_not_their_first_digits() -> None:
    names = [f"{number:,}" for number in range(1, 2100)]
    assert spellings(names) == []
    assert spellings([*names, "1000"]) == [["1,000", "1000"]]
    assert spellings(["1", "1.000"]) == [["1", "1.000"]]


@given(
    st.integers(0, 10**9), st.sampled_from([",", ".", "'", "\u2019", " ", "\u202f"]), st.sampled_from(["", "0", "00"])
)
def test_a_number_with_its_thousands_in_groups(value: int, mark: str, zeros: str) -> None:
    point = "," if mark == "." else "."
    grouped = f"{value:,}".replace(",", mark) + (point + zeros if zeros else "")
    assert grouped == str(value) or spellings([str(value), grouped]) == [[str(value), grouped]]


@given(st.integers(1, 999_999), st.integers(0, 12), st.sampled_from(["E", "e"]))
def test_a_number_as_a_power_of_ten(digits: int, zeros: int, letter: str) -> None:
    value = digits * 10**zeros
    power = f"{value:.6e}".replace("e", letter)
    mantissa, exponent = power.split(letter)
    for written in (power, f"{mantissa.rstrip('0').rstrip('.')}{letter}{exponent}"):
        assert spellings([str(value), written]) == [[str(value), written]]


@given(st.integers(10**11, 10**18))
def test_a_number_as_a_spreadsheet_rounds_it(value: int) -> None:
    shown = f"{value:.5E}"
    assert shown.startswith("1.00000") or spellings(["X", str(value), shown]) == [[str(value), shown]]


@given(st.dates(), st.sampled_from(["%Y-%m-%d", "%d.%m.%Y", "%Y/%m/%d", "%m/%d/%Y"]))
def test_a_date_at_midnight(date: dt.date, form: str) -> None:
    date = date.replace(year=2000 + date.year % 100)
    name = date.strftime(form)
    for time in (
        " 00:00:00",
        "T00:00",
        " 0:00",
        " 12:00:00 AM",
        "T00:00:00.000000000",
        "T00:00:00Z",
        " 00:00:00+00:00",
    ):
        assert spellings([name, f"{name}{time}"]) == [[name, f"{name}{time}"]]
    assert spellings([name, f"{name} 00:01"]) == []


@given(st.sets(st.tuples(words, st.sampled_from(["", "-"]), st.integers(0, 10**6)), min_size=2, max_size=12))
def test_ids_that_differ_in_letters_or_numbers_are_other_parts(parts: set[tuple[str, str, int]]) -> None:
    parts = {(word.lower(), dash, number) for word, dash, number in parts}
    assert spellings([f"{word}{dash}{number}" for word, dash, number in sorted(parts)]) == []


@given(st.sets(st.tuples(st.integers(0, 99), st.integers(0, 99)), min_size=2, max_size=20), st.sampled_from(".,-_/"))
def test_pairs_of_small_numbers_are_other_parts(pairs: set[tuple[int, int]], mark: str) -> None:
    pairs = {(lot, part) for lot, part in pairs if part}  # 1.0 is a 1 to a spreadsheet
    assert spellings([f"{lot}{mark}{part}" for lot, part in sorted(pairs)]) == []


@given(st.sets(st.tuples(st.integers(1, 9), st.integers(0, 99)), min_size=2, max_size=20))
def test_serials_that_look_like_powers_of_ten_are_other_parts(pairs: set[tuple[int, int]]) -> None:
    assert spellings([f"{digit}E{power:02d}" for digit, power in sorted(pairs)]) == []


SCHEMES = {
    "trays": lambda one, other: f"A-{one}-{other}",
    "coordinates": lambda one, other: f"x{one - 500}y{other}",
    "letters": lambda one, other: f"P{one}{string.ascii_uppercase[other % 26]}",
    "commas": lambda one, other: f"P{one},{other}",
    "quoted": lambda one, other: f"'{one}-{other}",
    "days": lambda one, other: f"{one % 28 + 1}-{('Jan', 'Mar', 'Dec')[other % 3]}",
}
"""Ways to number parts; two pairs of numbers that are written alike are one part."""


@given(
    st.sampled_from(sorted(SCHEMES)),
    st.sets(st.tuples(st.integers(0, 1000), st.integers(0, 1000)), min_size=2, max_size=20),
)
def test_names_of_one_scheme_never_collide(scheme: str, pairs: set[tuple[int, int]]) -> None:
    assert spellings(sorted({SCHEMES[scheme](*pair) for pair in pairs})) == []


@given(st.integers(1, 10**5), st.integers(0, 9))
def test_a_digit_more_is_another_part(number: int, digit: int) -> None:
    for one, other in (
        (f"P{number}", f"P{number}{digit}"),
        (f"A-{number}", f"A-{digit or 1}{number}"),
        (f"{number}.{digit + 1}", f"{number}{digit + 1}"),
        (f"P{number},{digit}", f"P{number}{digit}"),
        (f"{number}E+05", f"{number}"),
    ):
        assert spellings([one, other]) == []


def test_hashes_are_no_spellings_of_each_other() -> None:
    hashes = [hashlib.sha256(str(number).encode()).hexdigest()[:6] for number in range(20_000)]
    assert spellings(hashes) == []


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("17", "17.0"),
        ("17", "0017,00"),
        ("LOT1-07", "LOT01-7"),
        ("P 17", "P_17"),
        ("P1 07", "P1 7"),
        ("P\xad17", "P17"),
        ("P\xad17", "P-17"),
        ("Р17", "p17"),
        ("Ⅳ", "IV"),
        ("٣", "3"),
        ("straße", "STRASSE"),
        ("1E+05", "100000"),
        ("1e+05", "100000"),
        ("1.00E+05", "1E05"),
        ("1.0E5", "100000"),
        ("1,23E+05", "123000"),
        ("1.23457E+11", "123456789012"),
        ("12345678901234500", "12345678901234567"),
        ("17.00-A", "17-A"),
        ("P-17.00", "P-17"),
        ("17.0A", "17A"),
        ("P17,0", "P17"),
        ("\u2116 17", "17"),
        ("No 17", "17"),
        ("N\xb017", "17"),
        ("1\u17b47", "17"),
        ("17\u066b0", "17"),
        ("1,000", "1000"),
        ("1.000,00", "1000"),
        ("1\u2019234\u2019567", "1234567"),
        ("'17", "17"),
        ("\u2019P17", "P17"),
        ('="0017"', "17"),
        ('"P 17"', "P17"),
        ("1,5", "1.5"),
        ("LOT7_17.0", "LOT7-17"),
        ("17.0_LOT7", "17-LOT7"),
        ("LOT7/17", "LOT7_17"),
        ("LOT7__17", "LOT7_17"),
        ("P17.", "P17"),
        ("#17", "17"),
        ("Nr. 17", "17"),
        ("2024-03-05 00:00:00", "2024-03-05"),
        ("2024-03-05", "05.03.2024"),
        ("20240305", "2024-03-05"),
        ("2024-03-05 08:30:00", "2024-03-05_08-30"),
        ("5/3/2024 12:00:00 AM", "05/03/2024"),
        ("ԚԜҺ-1", "QWH-1"),
        ("Ϲϳ1", "cj1"),
        ("ᴘ17", "P17"),
        ("P\u2776", "P1"),
        ("\U0001f15f17", "P17"),
        ("xⅶ", "XVII"),
        ("1-12", "12-Jan"),
        ("12.3", "12. Mär"),
        ("MAR1", "1-Mar"),
        ("17", "[17]"),
        ("17", "+17"),
        ("P17", "b'P17'"),
        ("P17", "P17.TIF"),
        ("LOT1.P7", "LOT1_P7"),
        ("Prüf1", "PRUEF1"),
        ("Prüf1", "PrÃ¼f1"),
        ("2×3", "2x3"),
        ("A\u22361", "A:1"),
        ("օ1", "O1"),
        ("Ä1", unicodedata.normalize("NFD", "ä1")),
    ],
)
def test_spellings_of_one_part(one: str, other: str) -> None:
    assert spellings(["other", one, "another", other]) == [[one, other]]


def test_escapes_are_shown_for_what_a_reader_cannot_see() -> None:
    assert shown("Prüfling 7 P\u200b Р17 P\u201117") == r"Prüfling 7 P\u200b \u042017 P\u201117"
