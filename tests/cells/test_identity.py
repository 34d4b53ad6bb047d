"""Which settings of colours make another cell."""

from dataclasses import replace
from pathlib import Path

import pytest
from hydra import compose, initialize_config_module

from csam_lightning.cells.identity import CellKey
from csam_lightning.cli import typed
from csam_lightning.config import TrainConfig, check_values
from csam_lightning.errors import InputError


def configured(*overrides: str) -> TrainConfig:
    with initialize_config_module("csam_lightning.conf", version_base="1.3"):
        return typed(compose("train", list(overrides)), TrainConfig)


def key(config: TrainConfig, *, plain: bool) -> CellKey:
    return CellKey(config, ("A", "D"), "f0", 20, plain)


def test_rules_of_colours_are_part_of_a_cell_unless_its_files_are_plain_grey(tmp_path: Path) -> None:
    usual = configured("data=folder", f"data.root={tmp_path}")
    kept = configured("data=folder", f"data.root={tmp_path}", "data.overlay=keep")
    mapped = configured("data=folder", f"data.root={tmp_path}", 'data.palette=["#000000","#ff0000"]')
    assert set(key(usual, plain=True).identity["data"]) == {
        "size",
        "image_size",
        "batch_size",
        "protocol",
        "num_folds",
    }
    assert len({key(one, plain=True).id for one in (usual, kept, mapped)}) == 1
    coloured = [key(one, plain=False) for one in (usual, kept, mapped)]
    assert len({key(usual, plain=True).id, *(one.id for one in coloured)}) == 4
    assert coloured[0].identity["data"]["reading"] == 1
    assert replace(coloured[0], plain=True).id == key(usual, plain=True).id


@pytest.mark.parametrize(
    ("palette", "message"),
    [
        ("blue", "data.palette: 'blue' is no palette; give spectrum, luma, null, or colours from low to high"),
        ("[red]", "data.palette: 'red' is no colour; name two or more different colours from low to high"),
    ],
)
def test_palettes_that_are_none(tmp_path: Path, palette: str, message: str) -> None:
    config = configured("data=folder", f"data.root={tmp_path}", f"data.palette={palette}")
    with pytest.raises(InputError) as caught:
        check_values(config)
    assert str(caught.value).startswith(message)
