import sys
from pathlib import Path

import pytest
import torch

from csam_lightning.training.checkpoints import CheckpointWriter, former


def numbers(path: Path) -> list[float]:
    content: dict[str, torch.Tensor] = torch.load(path, weights_only=True)
    return content["weight"].tolist()


def names(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.iterdir())


def save(*values: float, path: Path) -> None:
    for value in values:
        CheckpointWriter().save_checkpoint({"weight": torch.tensor([value])}, path)


def test_what_is_replaced_stays_until_the_next_is_written(tmp_path: Path) -> None:
    path = tmp_path / "resume.ckpt"
    save(1, path=path)
    assert names(tmp_path) == ["resume.ckpt"]
    save(2, path=path)
    assert (numbers(path), numbers(former(path))) == ([2], [1])
    save(3, path=path)
    assert (numbers(path), numbers(former(path))) == ([3], [2])
    assert names(tmp_path) == [former(path).name, "resume.ckpt"]


def test_file_system_without_hard_links_will_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError("no hard links here")

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    save(1, 2, path=tmp_path / "resume.ckpt")
    assert numbers(tmp_path / "resume.ckpt") == [2]
    assert names(tmp_path) == ["resume.ckpt"]


def test_write_that_fails_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "resume.ckpt"
    save(1, path=path)
    with pytest.raises(TypeError, match="cannot pickle"):
        CheckpointWriter().save_checkpoint({"weight": sys}, path)
    assert numbers(path) == [1]
    assert names(tmp_path) == [former(path).name, path.name]
