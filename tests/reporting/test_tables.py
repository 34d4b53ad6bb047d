import csv
import io
from html.parser import HTMLParser

from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from csam_lightning.reporting.tables import Spread, Table, markdown_text, written

text = st.text(st.characters(exclude_categories=["C"]), min_size=1, max_size=30)
NAN = float("nan")


class Words(HTMLParser):
    """The text of a page and its tags."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.text: list[str] = []
        self.tags: list[str] = []
        self.feed(page)
        self.close()

    def handle_data(self, data: str) -> None:
        self.text.append(data)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        assert not [name for name, _ in attrs if name.startswith("on")]


def test_csv_keeps_all_digits_and_gives_deviations_a_column() -> None:
    table = Table("t", "T", ["cell", "F1", "seconds"], [["a", Spread(1 / 3, 0.1), 2.5], ["b", Spread(0.5, NAN), None]])
    assert table.csv() == "cell,F1,F1 sd,seconds\na,0.3333333333333333,0.1,2.5\nb,0.5,,\n"


def test_people_read_fewer_digits() -> None:
    entries = (Spread(0.12345, 0.2), Spread(0.5, NAN), 1234.56, 0.5, 7, "x", None, NAN)
    assert [written(entry) for entry in entries] == ["0.123 ± 0.200", "0.500", "1234.6", "0.500", "7", "x", "", ""]


@given(st.lists(st.tuples(text, st.floats(-1e6, 1e6)), min_size=1, max_size=4))
def test_csv_reads_back(rows: list[tuple[str, float]]) -> None:
    header, *back = csv.reader(io.StringIO(Table("t", "T", ["name", "value"], rows).csv()))
    assert header == ["name", "value"]
    assert [float(value) for _, value in back] == [value for _, value in rows]
    assert [name.removeprefix("'") for name, _ in back] == [name.removeprefix("'") for name, _ in rows]


def test_text_is_no_formula_in_a_spreadsheet() -> None:
    table = Table("t", "T", ["name", "value"], [["=1+1", -1.5], ["@x", 2], ["-y", 3], ["fine", 4]])
    assert table.csv().splitlines()[1:] == ["'=1+1,-1.5", "'@x,2", "'-y,3", "fine,4"]


@given(text)
def test_markdown_shows_text_literally(given_text: str) -> None:
    page = MarkdownIt().enable("table").render(Table("t", "T", ["a", "b"], [["x", given_text]]).markdown())
    words = Words(page)
    assert set(words.tags) == {"table", "thead", "tbody", "tr", "th", "td"}
    assert " ".join("".join(words.text).split()) == " ".join(f"a b x {given_text}".split())


def test_markdown_text_holds_no_tag_and_no_link() -> None:
    hostile = "<script>alert(1)</script> [x](javascript:y) `z` **b** | &amp;"
    page = MarkdownIt().render(markdown_text(hostile))
    assert Words(page).tags == ["p"]
    assert "".join(Words(page).text).strip() == hostile
