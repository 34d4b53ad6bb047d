from pathlib import Path

import pytest

from csam_lightning.files import folder_written_atomically, written_atomically


def test_file_appears_whole(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "file.txt"
    with written_atomically(target) as temporary:
        temporary.write_text("all of it")
        assert not target.exists()
    assert target.read_text() == "all of it"
    assert [file.name for file in target.parent.iterdir()] == ["file.txt"]


def test_failure_leaves_the_former_file_and_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "file.txt"
    target.write_text("former")

    def fail() -> None:
        with written_atomically(target) as temporary:
            temporary.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert [file.read_text() for file in tmp_path.iterdir()] == ["former"]


def test_folder_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    target = tmp_path / "folder"

    def fail() -> None:
        with folder_written_atomically(target) as temporary:
            (temporary / "one").write_text("1")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert not list(tmp_path.iterdir())
    with folder_written_atomically(target) as temporary:
        (temporary / "one").write_text("1")
        assert not target.exists()
    assert (target / "one").read_text() == "1"


def test_folder_made_meanwhile_by_another_process_stays(tmp_path: Path) -> None:
    target = tmp_path / "folder"
    with folder_written_atomically(target) as temporary:
        (temporary / "ours").write_text("")
        target.mkdir()
        (target / "theirs").write_text("")
    assert [file.name for file in target.iterdir()] == ["theirs"]
    assert [folder.name for folder in tmp_path.iterdir()] == ["folder"]
