import errno
import os
from pathlib import Path

import pytest

from csam_lightning.files import folder_written_atomically, make_folder, sync_folder, written_atomically


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


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """What goes to the disk and what is renamed, in order; a temporary name is a dot."""
    done: list[tuple[str, str]] = []
    sync, replace, rename = os.fsync, Path.replace, Path.rename

    def short(name: str) -> str:
        return "." if name.startswith(".") else name

    def synced(handle: int) -> None:
        done.append(("sync", short(Path(f"/proc/self/fd/{handle}").readlink().name)))
        sync(handle)

    def replaced(path: Path, target: Path) -> Path:
        done.append(("rename", target.name))
        return replace(path, target)

    def renamed(path: Path, target: Path) -> Path:
        done.append(("rename", target.name))
        return rename(path, target)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(Path, "replace", replaced)
    monkeypatch.setattr(Path, "rename", renamed)
    return done


def test_file_goes_to_the_disk_before_it_takes_its_name_and_its_folder_after(
    tmp_path: Path, steps: list[tuple[str, str]]
) -> None:
    with written_atomically(tmp_path / "file.txt") as temporary:
        temporary.write_text("all of it")
    assert steps == [("sync", "."), ("rename", "file.txt"), ("sync", tmp_path.name)]


def test_all_in_a_folder_goes_to_the_disk_before_it_takes_its_name(
    tmp_path: Path, steps: list[tuple[str, str]]
) -> None:
    with folder_written_atomically(tmp_path / "folder") as temporary:
        (temporary / "below").mkdir()
        for name in ("one", "below/two"):
            (temporary / name).write_text(name)
    at = steps.index(("rename", "folder"))
    assert sorted(steps[:2]) == [("sync", "one"), ("sync", "two")]
    assert sorted(steps[2:at]) == [("sync", "."), ("sync", "below")]
    assert steps[at + 1 :] == [("sync", tmp_path.name)]


def test_names_of_new_folders_go_to_the_disk(tmp_path: Path, steps: list[tuple[str, str]]) -> None:
    make_folder(tmp_path / "one" / "two")
    assert sorted(steps) == sorted([("sync", "one"), ("sync", tmp_path.name)])
    make_folder(tmp_path / "one" / "two")
    assert len(steps) == 2


@pytest.mark.parametrize("number", [errno.EINVAL, errno.EBADF, errno.ENOTSUP])
def test_system_that_brings_no_folder_to_the_disk_is_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def refused(_: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", refused)
    with written_atomically(tmp_path / "file.txt") as temporary:
        temporary.write_text("all of it")
    assert (tmp_path / "file.txt").read_text() == "all of it"


def test_system_that_opens_no_folder_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(os, "open", refused)
    sync_folder(tmp_path)


def test_disk_that_does_not_take_a_file_leaves_the_former_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "file.txt"
    target.write_text("former")

    def refused(_: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fsync", refused)

    def write() -> None:
        with written_atomically(target) as temporary:
            temporary.write_text("new")

    with pytest.raises(OSError, match="Input/output error"):
        write()
    assert [file.read_text() for file in tmp_path.iterdir()] == ["former"]
