import errno
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from csam_lightning.files import zip_is_whole
from csam_lightning.training.checkpoints import CheckpointWriter, last_whole
from csam_lightning.training.fold_files import former

PAGE = 4096
"""Bytes that a disk writes whole, or not at all."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "resume.ckpt"


def numbers(path: Path) -> list[float]:
    content: dict[str, torch.Tensor] = torch.load(path, weights_only=True)
    return content["weight"].tolist()


def names(path: Path) -> list[str]:
    return sorted(each.name for each in path.parent.iterdir())


def save(*values: float, path: Path) -> CheckpointWriter:
    """Write checkpoints as one process does, and return its writer."""
    writer = CheckpointWriter()
    for value in values:
        writer.save_checkpoint({"weight": torch.tensor([value])}, path)
    return writer


def damage(path: Path) -> None:
    """Turn one bit of the tensor."""
    content = bytearray(path.read_bytes())
    content[content.find(torch.tensor(numbers(path)).numpy().tobytes())] ^= 1
    path.write_bytes(content)


def test_what_is_replaced_stays_until_the_next_is_written(path: Path) -> None:
    writer = save(1, path=path)
    assert names(path) == ["resume.ckpt"]
    writer.save_checkpoint({"weight": torch.tensor([2.0])}, path)
    assert (numbers(path), numbers(former(path))) == ([2], [1])
    writer.save_checkpoint({"weight": torch.tensor([3.0])}, path)
    assert (numbers(path), numbers(former(path))) == ([3], [2])
    assert names(path) == [former(path).name, "resume.ckpt"]


def test_two_files_take_turns(path: Path) -> None:
    writer = save(1, 2, path=path)
    files = {path.stat().st_ino, former(path).stat().st_ino}
    for value in (3.0, 4.0):
        writer.save_checkpoint({"weight": torch.tensor([value])}, path)
    assert {path.stat().st_ino, former(path).stat().st_ino} == files


def test_shorter_checkpoint_over_a_longer_one_ends_where_it_ends(path: Path) -> None:
    writer = CheckpointWriter()
    for size in (100_000, 100_000, 3):
        writer.save_checkpoint({"weight": torch.zeros(size)}, path)
    assert len(numbers(path)) == 3
    assert path.stat().st_size < 10_000


def fail_half_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the disk full when half of the next checkpoint is written."""
    whole = torch.save

    def half(content: object, file: BinaryIO) -> None:
        whole(content, file)
        file.truncate(file.tell() // 2)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(torch, "save", half)


@pytest.mark.parametrize("written", [(1,), (1, 2), (1, 2, 3)])
def test_write_that_fails_leaves_what_was_there(
    path: Path, monkeypatch: pytest.MonkeyPatch, written: tuple[float, ...]
) -> None:
    writer = save(*written, path=path)
    fail_half_way(monkeypatch)
    with pytest.raises(OSError, match="No space left"):
        writer.save_checkpoint({"weight": torch.tensor([4.0])}, path)
    assert last_whole(path) == path
    assert numbers(path) == [written[-1]]
    assert set(names(path)) <= {path.name, former(path).name}


def test_disk_that_does_not_take_it_is_said_before_the_one_before_is_touched(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    writer = save(1, path=path)
    monkeypatch.setattr(os, "fsync", refuse)
    writer.save_checkpoint({"weight": torch.tensor([2.0])}, path)
    with pytest.raises(OSError, match="Input/output error"):
        writer.save_checkpoint({"weight": torch.tensor([3.0])}, path)
    assert (numbers(path), numbers(former(path))) == ([2], [1])


def test_last_whole_is_the_last_if_nothing_happened(path: Path) -> None:
    assert last_whole(path) is None
    save(1, 2, path=path)
    assert last_whole(path) == path


def test_the_one_before_is_taken_if_the_last_is_damaged(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    save(1, 2, path=path)
    damage(path)
    assert numbers(path) != [2]  # PyTorch itself does not notice
    assert last_whole(path) == former(path)
    assert caplog.messages == [f"{path} is damaged: the checkpoint before it is looked at"]
    damage(former(path))
    assert last_whole(path) is None
    assert caplog.messages[-1] == f"{former(path)} is damaged: training starts again"


def between_two_renames(path: Path) -> None:
    path.replace(former(path))


def half_on_disk(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


@pytest.mark.parametrize("disturbed", [between_two_renames, half_on_disk])
def test_the_one_that_training_goes_on_from_outlives_a_write_that_fails(
    path: Path, monkeypatch: pytest.MonkeyPatch, disturbed: Callable[[Path], None]
) -> None:
    save(1, 2, path=path)
    disturbed(path)
    assert last_whole(path) == former(path)
    content = former(path).read_bytes()
    with monkeypatch.context() as full:
        fail_half_way(full)
        with pytest.raises(OSError, match="No space left"):
            save(3, path=path)
    assert last_whole(path) == former(path)
    assert former(path).read_bytes() == content
    save(3, path=path)
    assert last_whole(path) == path
    assert former(path).read_bytes() == content


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(
    seed=st.integers(0, 2**32 - 1), epochs=st.integers(0, 300), new=st.lists(st.booleans(), min_size=12, max_size=12)
)
def test_half_new_file_is_noticed(path: Path, seed: int, epochs: int, new: list[bool]) -> None:
    """Of some pages the disk has the new content, of others still that of the epoch before last."""
    writer, generator = CheckpointWriter(), torch.Generator().manual_seed(seed)
    contents = []
    for length in (epochs, epochs + 2):
        state: dict[str, Any] = {name: torch.randn(PAGE, generator=generator) for name in ("weight", "bias")}
        writer.save_checkpoint({"history": ["an epoch's metrics"] * length, **state}, path)
        contents.append(path.read_bytes())
    old, latest = contents
    pages = range(0, len(latest), PAGE)
    mixed = b"".join((latest if new[at // PAGE] else old)[at : at + PAGE] for at in pages)
    former(path).unlink()
    path.write_bytes(mixed)
    assert last_whole(path) == (path if mixed in contents else None)


@given(data=st.data())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)
def test_garbage_raises_nothing(path: Path, data: st.DataObject) -> None:
    """One byte of what the zip file says of its parts is another one."""
    save(1, path=path)
    content = bytearray(path.read_bytes())
    directory = zipfile.ZipFile(path).start_dir
    at = data.draw(st.integers(directory, len(content) - 1))
    content[at] ^= data.draw(st.integers(1, 255))
    path.write_bytes(content)
    assert zip_is_whole(path) in {True, False}
