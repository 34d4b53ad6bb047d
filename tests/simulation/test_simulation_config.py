"""Every setting that no data set can be made with is refused in one line."""

from dataclasses import replace
from typing import Any

import pytest

from csam_lightning.errors import InputError
from csam_lightning.simulation.checks import check_config
from csam_lightning.simulation.config import SimulationConfig

RISING = "write for example [0,100,200]"


def changed(config: SimulationConfig, setting: str, value: Any) -> SimulationConfig:
    """Return the config with one setting, for example ``growth.rate_um_per_cycle``, replaced."""
    group, _, name = setting.partition(".")
    change: dict[str, Any] = {name: value}
    whole: dict[str, Any] = {group: value}
    if name:
        inner = getattr(config, group)
        whole = {group: {**inner, **change} if isinstance(inner, dict) else replace(inner, **change)}
    return replace(config, **whole)


@pytest.mark.parametrize(
    ("setting", "value", "message"),
    [
        ("seed", -1, "simulation.seed: -1 is no number ≥ 0; write one"),
        (
            "growth.rate_um_per_cycle",
            float("nan"),
            "simulation.growth.rate_um_per_cycle: nan is no number ≥ 0; write one",
        ),
        (
            "growth.rate_um_per_cycle",
            float("inf"),
            "simulation.growth.rate_um_per_cycle: inf is no number ≥ 0; write one",
        ),
        ("packages.Ag", -3, "simulation.packages.Ag: -3 is no number ≥ 0; write one"),
        (
            "geometry.pitch_um",
            [800.0, 500.0],
            "simulation.geometry.pitch_um: [800.0, 500.0] is no pair of least and greatest; write [least, greatest]",
        ),
        (
            "scanner.bubble_um",
            [100.0],
            "simulation.scanner.bubble_um: [100.0] is no pair of least and greatest; write [least, greatest]",
        ),
        ("water.lead_share", 1.5, "simulation.water.lead_share: 1.5 is no share; write a number from 0 to 1"),
        ("water.penetration", [0.5, 1.2], "simulation.water.penetration: 1.2 is no share; write a number from 0 to 1"),
        ("observer.threshold", 10.0, "simulation.observer.threshold: 10.0 is no share; write a number from 0 to 1"),
        ("pixel_um", 0.0, "simulation.pixel_um: 0.0 is not above 0; write a greater number"),
        ("geometry.lot_packages", 0, "simulation.geometry.lot_packages: 0 is not above 0; write a greater number"),
        ("scanner.gate_ns", 0.0, "simulation.scanner.gate_ns: 0.0 is not above 0; write a greater number"),
        (
            "read_outs",
            [0, 200, 100],
            "simulation.read_outs: [0, 200, 100] is no rising list of at most 100 cycles; " + RISING,
        ),
        (
            "read_outs",
            [],
            "simulation.read_outs: [] is no rising list of at most 100 cycles; " + RISING,
        ),
        ("packages", {}, "simulation.packages: no package asked for; write for example {Ag: 4}"),
        (
            "packages.Pt",
            1,
            (
                "simulation.packages.Pt: unknown metallization 'Pt'; write one of Ag, NiPdAu, Cu, "
                "or describe it in simulation.metallizations"
            ),
        ),
        ("test_counts.E", 1, "simulation.test_counts.E: unknown class 'E'; write one of A, B, C, D"),
        ("materials", {}, "simulation.materials: no material 'Cu'; give its velocity_m_s and impedance_mrayl"),
        ("image_px", 8, "simulation.image_px: 8 is not from 16 to 4096; write for example 400"),
        (
            "image_px",
            200,
            (
                "simulation.image_px: the field of 4000 µm does not hold a body of 7400 µm; "
                "raise image_px or pixel_um, or lower geometry.body_um"
            ),
        ),
    ],
)
def test_refused_in_one_line(shipped: SimulationConfig, setting: str, value: Any, message: str) -> None:
    with pytest.raises(InputError) as error:
        check_config(changed(shipped, setting, value))
    assert str(error.value) == message


def test_silent_medium_is_refused(shipped: SimulationConfig) -> None:
    dead = {**shipped.materials, "water": replace(shipped.materials["water"], velocity_m_s=0.0)}
    with pytest.raises(InputError) as error:
        check_config(replace(shipped, materials=dead))
    assert str(error.value) == (
        "simulation.materials.water: velocity or impedance is not above 0; write greater numbers"
    )


def test_shipped_settings_are_the_published_experiment(shipped: SimulationConfig) -> None:
    check_config(shipped)
    assert shipped.packages == {"Ag": 50, "NiPdAu": 50, "Cu": 40}
    assert shipped.read_outs == [0, 100, 200, 300, 400, 500]
    assert (shipped.image_px, shipped.pixel_um) == (400, 20)
    assert shipped.test_counts == {"A": 22, "B": 23, "C": 18, "D": 23}
    assert shipped.transducer.frequency_mhz == 50
