"""State files: what was written is read; whatever else stands there counts as missing, and one line tells of it."""

import json
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from csam_lightning.state import peek_state, read_json, read_state, write_json

CONTENT = {"name": "a cell", "losses": [0.25, float("inf")], "open": True, "by fold": {"0": None}}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "state" / "outcome.json"


def test_what_was_written_is_read(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_json(file, CONTENT)
    assert read_state(file, read_json) == peek_state(file, read_json) == CONTENT
    assert caplog.messages == []


def test_file_without_a_checksum_is_read(file: Path) -> None:
    file.parent.mkdir()
    file.write_text(json.dumps(CONTENT))
    assert read_state(file, read_json) == CONTENT


def test_missing_file_is_none_and_no_news(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert read_state(file, read_json) is None
    assert caplog.messages == []


@pytest.mark.parametrize("damage", [b"", b'{"name"', b"[]", b"null", b"\0" * 80, b"\xff\xfe", b"[" * 100_000])
def test_damaged_file_is_set_aside_in_one_line(file: Path, damage: bytes, caplog: pytest.LogCaptureFixture) -> None:
    for number in (1, 2):
        write_json(file, CONTENT)
        file.write_bytes(damage)
        assert read_state(file, read_json) is None
        assert file.with_name(f"outcome.json.damaged-{number}").read_bytes() == damage
    assert not file.exists()
    assert len(caplog.messages) == 2
    assert caplog.messages[0].startswith(f"{file} is damaged (")
    assert caplog.messages[0].endswith("): set aside as outcome.json.damaged-1")


def test_glance_at_a_damaged_file_leaves_it(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    file.parent.mkdir()
    file.write_bytes(b"")
    assert peek_state(file, read_json) is None
    assert file.exists()
    assert caplog.messages == []


def test_file_that_may_not_be_read_is_set_aside(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_json(file, CONTENT)

    def refused(_: Path) -> None:
        raise PermissionError(13, os.strerror(13))

    assert read_state(file, refused) is None
    assert caplog.messages == [f"{file} is damaged ([Errno 13] Permission denied): set aside as outcome.json.damaged-1"]


def test_trouble_of_the_process_is_no_damage(file: Path) -> None:
    write_json(file, CONTENT)

    def refused(_: Path) -> None:
        raise OSError(24, os.strerror(24))

    with pytest.raises(OSError, match="Too many open files"):
        read_state(file, refused)
    assert file.exists()


def test_damaged_file_in_a_folder_that_may_not_be_changed_counts_as_missing(
    file: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    file.parent.mkdir()
    file.write_bytes(b"")

    def refused(*_: object) -> None:
        raise PermissionError(13, os.strerror(13))

    monkeypatch.setattr(Path, "rename", refused)
    assert read_state(file, read_json) is None
    [line] = caplog.messages
    assert line.endswith("and counts as missing")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)
@given(data=st.data())
def test_one_bit_that_turned_is_noticed_or_changes_nothing(file: Path, data: st.DataObject) -> None:
    write_json(file, CONTENT)
    content = bytearray(file.read_bytes())
    content[data.draw(st.integers(0, len(content) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    file.write_bytes(content)
    read = peek_state(file, read_json)
    assert read is None or {name: read[name] for name in CONTENT} == CONTENT
