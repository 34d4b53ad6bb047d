import sys
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from csam_lightning.training.checkpoints import CheckpointWriter, former, last_whole

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


def save(*values: float, path: Path) -> None:
    writer = CheckpointWriter()
    for value in values:
        writer.save_checkpoint({"weight": torch.tensor([value])}, path)


def damage(path: Path) -> None:
    """Turn one bit of the tensor."""
    content = bytearray(path.read_bytes())
    content[content.find(torch.tensor(numbers(path)).numpy().tobytes())] ^= 1
    path.write_bytes(content)


def test_what_is_replaced_stays_until_the_next_is_written(path: Path) -> None:
    save(1, path=path)
    assert names(path) == ["resume.ckpt"]
    save(2, path=path)
    assert (numbers(path), numbers(former(path))) == ([2], [1])
    save(3, path=path)
    assert (numbers(path), numbers(former(path))) == ([3], [2])
    assert names(path) == [former(path).name, "resume.ckpt"]


def test_two_files_take_turns(path: Path) -> None:
    save(1, 2, path=path)
    files = {path.stat().st_ino, former(path).stat().st_ino}
    save(3, 4, path=path)
    assert {path.stat().st_ino, former(path).stat().st_ino} == files


def test_shorter_checkpoint_over_a_longer_one_ends_where_it_ends(path: Path) -> None:
    writer = CheckpointWriter()
    for size in (100_000, 100_000, 3):
        writer.save_checkpoint({"weight": torch.zeros(size)}, path)
    assert len(numbers(path)) == 3
    assert path.stat().st_size < 10_000


def test_write_that_fails_leaves_what_was_there(path: Path) -> None:
    save(1, 2, path=path)
    with pytest.raises(TypeError, match="cannot pickle"):
        CheckpointWriter().save_checkpoint({"weight": sys}, path)
    assert names(path) == [path.name]
    assert last_whole(path) == path
    assert numbers(path) == [2]


def test_last_whole_is_the_last_if_nothing_happened(path: Path) -> None:
    assert last_whole(path) is None
    save(1, 2, path=path)
    assert last_whole(path) == path


def test_the_one_before_is_taken_if_the_last_is_damaged(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    save(1, 2, path=path)
    damage(path)
    assert numbers(path) != [2]  # PyTorch itself does not notice
    assert last_whole(path) == former(path)
    assert caplog.messages == [f"{path} is damaged; training goes on from what there was before it"]
    damage(former(path))
    assert last_whole(path) is None


def test_the_one_before_is_taken_if_a_process_was_killed_between_two_renames(path: Path) -> None:
    save(1, path=path)
    path.replace(former(path))
    assert last_whole(path) == former(path)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(seed=st.integers(0, 2**32 - 1), new=st.lists(st.booleans(), min_size=100, max_size=100))
def test_half_new_file_is_noticed(path: Path, seed: int, new: list[bool]) -> None:
    """Of some pages the disk has the new content, of others still that of the epoch before last."""
    writer, generator = CheckpointWriter(), torch.Generator().manual_seed(seed)
    contents = []
    for _ in range(2):
        state = {name: torch.randn(PAGE, generator=generator) for name in ("weight", "bias")}
        writer.save_checkpoint(state, path)
        contents.append(path.read_bytes())
    old, latest = contents
    pages = range(0, max(map(len, contents)), PAGE)
    mixed = b"".join((latest if new[at // PAGE] else old)[at : at + PAGE] for at in pages)
    former(path).unlink()
    path.write_bytes(mixed)
    assert last_whole(path) == (path if mixed in contents else None)
