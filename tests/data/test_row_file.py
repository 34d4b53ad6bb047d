"""An array written row by row: whatever an interruption leaves of it, going on gives the same file."""

import tempfile
from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from csam_lightning.data.row_file import ARRAY, JOURNAL, Row, add_rows, rows_there

IMAGES = np.random.default_rng(0).integers(0, 256, (7, 5, 5), dtype=np.uint8)
ROWS = [Row(image.tobytes(), f"note {number}") for number, image in enumerate(IMAGES)]


def go_on(folder: Path) -> list[str]:
    notes = rows_there(folder, IMAGES.shape)
    add_rows(folder, IMAGES.shape, ROWS[len(notes) :])
    return notes


def test_the_array_is_a_file_of_numpy_s(tmp_path: Path) -> None:
    assert go_on(tmp_path) == []
    assert np.array_equal(np.load(tmp_path / ARRAY), IMAGES)
    assert rows_there(tmp_path, IMAGES.shape) == [row.note for row in ROWS]


@given(
    written=st.integers(0, 7),
    kept=st.integers(0, 400),
    journal_kept=st.integers(0, 400),
    lost=st.sets(st.integers(0, 6)),
)
def test_going_on_after_any_loss_gives_the_same_array(
    written: int, kept: int, journal_kept: int, lost: set[int]
) -> None:
    """Either file may be cut anywhere, and rows that were never flushed to the disk come back as zeros."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        add_rows(folder, IMAGES.shape, ROWS[:written])
        array, journal = folder / ARRAY, folder / JOURNAL
        content = bytearray(array.read_bytes())
        start = len(content) - written * 25
        for row in lost & set(range(written)):
            content[start + row * 25 : start + (row + 1) * 25] = bytes(25)
        array.write_bytes(content[:kept])
        journal.write_bytes(journal.read_bytes()[:journal_kept])
        notes = go_on(folder)
        assert notes == [row.note for row in ROWS[: len(notes)]]
        assert len(notes) <= min([written, *lost & set(range(written))])
        assert np.array_equal(np.load(array), IMAGES)
        assert rows_there(folder, IMAGES.shape) == [row.note for row in ROWS]


def test_a_note_that_was_changed_is_no_row(tmp_path: Path) -> None:
    add_rows(tmp_path, IMAGES.shape, ROWS)
    journal = tmp_path / JOURNAL
    journal.write_text(journal.read_text().replace("note 3", "note 8"))
    assert rows_there(tmp_path, IMAGES.shape) == [row.note for row in ROWS[:3]]


def test_a_journal_of_rubbish_is_begun_anew(tmp_path: Path) -> None:
    add_rows(tmp_path, IMAGES.shape, ROWS)
    for rubbish in (b"[1]\n", b'{"a": 1}\n', b"\xff\xfe\n", b"[null, null]\n", b"5\n"):
        (tmp_path / JOURNAL).write_bytes(rubbish)
        assert go_on(tmp_path) == []
        assert np.array_equal(np.load(tmp_path / ARRAY), IMAGES)


def test_one_file_without_the_other_is_begun_anew(tmp_path: Path) -> None:
    for lost in (JOURNAL, ARRAY):
        add_rows(tmp_path, IMAGES.shape, ROWS[:3])
        (tmp_path / lost).unlink()
        assert go_on(tmp_path) == []
        assert np.array_equal(np.load(tmp_path / ARRAY), IMAGES)
        for name in (JOURNAL, ARRAY):
            (tmp_path / name).unlink()
