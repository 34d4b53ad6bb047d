"""The shipped settings of the simulator, and small ones."""

from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from pydantic import TypeAdapter

from csam_lightning.simulation.config import SimulationConfig

CONF = Path(__file__).parents[2] / "conf" / "simulation" / "pqfn.yaml"


@pytest.fixture(scope="session")
def shipped() -> SimulationConfig:
    """conf/simulation/pqfn.yaml as it is."""
    return TypeAdapter(SimulationConfig).validate_python(yaml.safe_load(CONF.read_text(encoding="utf-8")))


@pytest.fixture(scope="session")
def small(shipped: SimulationConfig) -> SimulationConfig:
    """16 packages at three read-outs on coarse pixels, with a test split of ten scans."""
    return replace(
        shipped,
        packages={"Ag": 6, "NiPdAu": 6, "Cu": 4},
        read_outs=[0, 200, 500],
        image_px=100,
        pixel_um=80.0,
        test_counts={"A": 3, "B": 2, "C": 2, "D": 3},
    )
