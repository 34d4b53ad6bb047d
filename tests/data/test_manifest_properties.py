"""Properties of manifest reading: the way of writing changes nothing, and no bytes bring it down."""

import csv
import io
import tempfile
import unicodedata
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from csam_lightning.data import table as module
from csam_lightning.data.manifest import load_manifest, read_manifest
from csam_lightning.data.problems import Problem
from csam_lightning.data.scans import fingerprint
from csam_lightning.data.schema import GAPS
from csam_lightning.data.table import read_table
from csam_lightning.errors import InputError
from tests.data.conftest import DataFolder

COLUMNS = ("path", "label", "package_id", "metallization", "cycles", "split")
IMAGES = ("a.png", "b/c.png", "b/d.png", "e f.png")
WORD = st.text(st.characters(categories=["L", "N"]) | st.sampled_from(" -_,;\"'"), min_size=1, max_size=8).map(
    str.strip
)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = DataFolder(tmp_path_factory.mktemp("data"))
    for name in IMAGES:
        folder.image(name)
    return folder.root


def _folded(word: str) -> str:
    return "".join(unicodedata.normalize("NFC", word).casefold().split())


def _is_a_name(word: str) -> bool:
    return bool(word) and word.casefold() not in GAPS


@st.composite
def tables(draw: st.DrawFn) -> list[dict[str, str]]:
    """Draw valid rows: packages do not contradict themselves, two labels at least."""
    words = draw(st.lists(WORD.filter(_is_a_name), min_size=6, max_size=6, unique_by=_folded))
    splits = [draw(st.sampled_from(["", "train"])) for _ in range(4)]
    return [
        {
            "path": name,
            "label": words[position % 2],
            "package_id": words[2 + position],
            "metallization": draw(st.sampled_from(["", "Ag", "NiPdAu"])),
            "cycles": str(draw(st.integers(0, 10**6))),
            "split": splits[position],
        }
        for position, name in enumerate(IMAGES)
    ]


@dataclass(frozen=True)
class Writing:
    """A way of writing a table."""

    order: tuple[str, ...] = COLUMNS
    delimiter: str = ","
    spaces: str = ""
    mark: bytes = b""
    windows: bool = False

    def of(self, rows: list[dict[str, str]]) -> bytes:
        """Return rows as the bytes of a CSV file."""
        stream = io.StringIO(newline="")
        line_end = "\r\n" if self.windows else "\n"
        writer = csv.writer(stream, delimiter=self.delimiter, lineterminator=line_end)
        writer.writerow([self.spaces + name + self.spaces for name in self.order])
        for row in rows:
            cells = {**row, "path": row["path"].replace("/", "\\")} if self.windows else row
            writer.writerow([self.spaces + cells[name] + self.spaces for name in self.order])
        return self.mark + stream.getvalue().encode()


WRITINGS = st.builds(
    Writing,
    order=st.permutations(COLUMNS).map(tuple),
    delimiter=st.sampled_from(",;\t"),
    spaces=st.sampled_from(["", " ", "  "]),
    mark=st.sampled_from([b"", b"\xef\xbb\xbf"]),
    windows=st.booleans(),
)


@settings(max_examples=60)
@given(rows=tables(), writing=WRITINGS)
def test_ways_of_writing_a_table_change_nothing(root: Path, rows: list[dict[str, str]], writing: Writing) -> None:
    (root / "manifest.csv").write_bytes(writing.of(rows))
    manifest = load_manifest(root, classes=None, package_pattern=None, need_packages=True)
    found = manifest.table.astype(object).where(manifest.table.notna(), "").to_dict("records")
    assert found == [{**row, "cycles": int(row["cycles"]), "split": "train", **_normal(row)} for row in rows]
    (root / "manifest.csv").write_bytes(Writing().of(rows))
    again = load_manifest(root, classes=None, package_pattern=None, need_packages=True)
    assert fingerprint(again) == fingerprint(manifest)


def _normal(row: dict[str, str]) -> dict[str, str]:
    return {name: unicodedata.normalize("NFC", row[name]) for name in ("label", "package_id")}


@settings(max_examples=60)
@given(rows=tables(), short=st.sets(st.integers(0, 7)), together=st.integers(1, 5))
def test_how_many_rows_are_read_together_changes_nothing(
    root: Path, rows: list[dict[str, str]], short: set[int], together: int
) -> None:
    lines = Writing().of(rows).decode().splitlines()
    for number in short & set(range(len(lines) - 1)):
        lines.insert(number + 1, "a cell alone")
    (root / "manifest.csv").write_text("\n".join(lines), encoding="utf-8")
    whole, problems = read_table(root / "manifest.csv")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "ROWS_TOGETHER", together)
        in_parts, again = read_table(root / "manifest.csv")
    pd.testing.assert_frame_equal(in_parts.frame, whole.frame)
    assert in_parts.rows.tolist() == whole.rows.tolist()
    assert again == problems
    assert len(problems) == len(lines) - 1 - len(rows)


@settings(max_examples=300)
@given(data=st.binary(max_size=200) | st.text(max_size=200).map(lambda text: ("path,label\n" + text).encode()))
@pytest.mark.parametrize("name", ["manifest.csv", "manifest.parquet"])
def test_no_bytes_bring_the_reading_down(name: str, data: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / name).write_bytes(data)
        _, problems = read_manifest(root, classes=None, package_pattern=None, need_packages=True)
        assert any(problem.severity == "error" for problem in problems)
        assert all(isinstance(problem, Problem) and "\n" not in str(problem) for problem in problems)
        with pytest.raises(InputError):
            load_manifest(root, classes=None, package_pattern=None, need_packages=True)
