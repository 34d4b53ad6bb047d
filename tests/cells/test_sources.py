from dataclasses import asdict, replace
from pathlib import Path

import pytest
import yaml

from csam_lightning.cells.sources import FolderSource, SimulatedSource, recorded_source
from csam_lightning.simulation.config import SimulationConfig
from tests.simulation.conftest import shipped

__all__ = ["shipped"]


def test_folder_at_home_or_relative_has_one_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    for folder in (Path("~/lot7"), Path("lot7")):
        source = FolderSource(folder)
        assert (source.name, source.address) == ("lot7", str(tmp_path / "lot7"))
        assert (source.description, source.caution) == (f"`{tmp_path / 'lot7'}`", None)
        assert source.root().absolute() == tmp_path / "lot7"


def test_recorded_simulation_is_made_again_in_the_same_folder(tmp_path: Path, shipped: SimulationConfig) -> None:
    tiny = replace(shipped, packages={"Cu": 2}, read_outs=[0], image_px=100, pixel_um=80.0, test_counts={})
    root = SimulatedSource(tiny, tmp_path).root()
    recorded = yaml.safe_load(yaml.safe_dump({"data": {"simulation": asdict(tiny)}, "cache_dir": str(tmp_path)}))
    source = recorded_source(recorded, "csam_lightning.simulate")
    assert source.name == "simulated"
    assert source.caution is not None
    assert source.root() == root


def test_simulation_of_another_version_is_named_but_cannot_be_made(tmp_path: Path) -> None:
    source = recorded_source({"data": {"simulation": {"wave": 1}}, "cache_dir": str(tmp_path)}, "elsewhere")
    assert source.description == "simulated by csam_lightning"
    with pytest.raises(ValueError, match="wave"):
        source.root()


def test_recorded_folder_is_found_by_its_address_whatever_the_setting_was(tmp_path: Path) -> None:
    source = recorded_source({"data": {"simulation": None, "root": "lot7"}}, str(tmp_path))
    assert source.root() == tmp_path
