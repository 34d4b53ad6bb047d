"""Checks of the simulator's settings: each failure is one line that names the setting and the mend."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass

from csam_lightning.errors import InputError
from csam_lightning.simulation.config import SimulationConfig
from csam_lightning.simulation.observer import CLASSES

NEEDED_MATERIALS = ("Cu", "air", "mould", "water")
LEAST_IMAGE_PX, GREATEST_IMAGE_PX = 16, 4096
MOST_READ_OUTS = 100
_PAIR = 2


def check_config(config: SimulationConfig) -> None:
    """Raise InputError for the first setting that no data set can be made with."""
    for setting, number in _numbers(config, "simulation"):
        _demand(math.isfinite(number) and number >= 0, setting, f"{number} is no number ≥ 0", "write one")
    _check_ranges(config)
    _check_shares(config)
    _check_contents(config)
    _check_names(config)
    _check_field(config)


def _demand(holds: bool, setting: str, what: str, mend: str) -> None:
    if not holds:
        raise InputError(what, where=setting, mend=mend)


def _numbers(value: object, name: str) -> Iterator[tuple[str, float]]:
    if is_dataclass(value) and not isinstance(value, type):
        for field in fields(value):
            yield from _numbers(getattr(value, field.name), f"{name}.{field.name}")
    elif isinstance(value, Mapping):
        for key, entry in value.items():
            yield from _numbers(entry, f"{name}.{key}")
    elif isinstance(value, list):
        for entry in value:
            yield from _numbers(entry, name)
    elif isinstance(value, int | float):
        yield name, value


def _check_ranges(config: SimulationConfig) -> None:
    groups = {
        "geometry": config.geometry,
        "growth": config.growth,
        "water": config.water,
        "mould": config.mould,
        "scanner": config.scanner,
    }
    for name, group in groups.items():
        for entry, pair in vars(group).items():
            if isinstance(pair, list):
                _demand(
                    len(pair) == _PAIR and pair[0] <= pair[1],
                    f"simulation.{name}.{entry}",
                    f"{pair} is no pair of least and greatest",
                    "write [least, greatest]",
                )


def _check_shares(config: SimulationConfig) -> None:
    geometry = config.geometry
    shares = {
        "geometry.two_sided_share": geometry.two_sided_share,
        "geometry.diagonal_tie_share": geometry.diagonal_tie_share,
        "geometry.straight_tie_place": geometry.straight_tie_place,
        "geometry.moat_share": geometry.moat_share,
        "geometry.bond_pad_width_share": geometry.bond_pad_width_share[1],
        "geometry.finger_width_share": geometry.finger_width_share[1],
        "geometry.moat_echo": geometry.moat_echo,
        "growth.initial_aspect": config.growth.initial_aspect,
        "growth.edge_reach": config.growth.edge_reach,
        "growth.lead_tip_share": config.growth.lead_tip_share,
        "growth.contact_islands": config.growth.contact_islands,
        "water.lead_share": config.water.lead_share,
        "water.penetration": config.water.penetration[1],
        "mould.void_in_gate_share": config.mould.void_in_gate_share,
        "mould.void_depth_share": config.mould.void_depth_share[1],
        "mould.void_shadow": config.mould.void_shadow,
        "scanner.bubble_shadow": config.scanner.bubble_shadow,
        "observer.threshold": config.observer.threshold,
    }
    for setting, share in shares.items():
        _demand(share <= 1, f"simulation.{setting}", f"{share} is no share", "write a number from 0 to 1")


def _check_contents(config: SimulationConfig) -> None:
    positive = {
        "pixel_um": config.pixel_um,
        "test_scans_per_package": config.test_scans_per_package,
        "geometry.lot_packages": config.geometry.lot_packages,
        "geometry.pitch_um": config.geometry.pitch_um[0],
        "geometry.die_pad_um": config.geometry.die_pad_um[0],
        "growth.initial_um": config.growth.initial_um,
        "growth.initial_aspect": config.growth.initial_aspect,
        "growth.rounding_um": config.growth.rounding_um,
        "transducer.frequency_mhz": config.transducer.frequency_mhz,
        "transducer.f_number": config.transducer.f_number,
        "mould.attenuation_reference_mhz": config.mould.attenuation_reference_mhz,
        "scanner.gate_ns": config.scanner.gate_ns,
        "scanner.metal_grey": config.scanner.metal_grey,
    }
    for setting, number in positive.items():
        _demand(number > 0, f"simulation.{setting}", f"{number} is not above 0", "write a greater number")
    rising = sorted(set(config.read_outs))
    _demand(
        0 < len(rising) <= MOST_READ_OUTS and rising == config.read_outs,
        "simulation.read_outs",
        f"{config.read_outs} is no rising list of at most {MOST_READ_OUTS} cycles",
        "write for example [0,100,200]",
    )
    _demand(
        sum(config.packages.values()) > 0, "simulation.packages", "no package asked for", "write for example {Ag: 4}"
    )


def _check_names(config: SimulationConfig) -> None:
    for name in config.packages:
        _demand(
            name in config.metallizations,
            f"simulation.packages.{name}",
            f"unknown metallization {name!r}",
            f"write one of {', '.join(config.metallizations)}, or describe it in simulation.metallizations",
        )
    for name in config.test_counts:
        _demand(
            name in CLASSES,
            f"simulation.test_counts.{name}",
            f"unknown class {name!r}",
            f"write one of {', '.join(CLASSES)}",
        )
    for name in (*NEEDED_MATERIALS, *(metal.finish for metal in config.metallizations.values())):
        _demand(
            name in config.materials,
            "simulation.materials",
            f"no material {name!r}",
            "give its velocity_m_s and impedance_mrayl",
        )
    for name, material in config.materials.items():
        _demand(
            material.velocity_m_s > 0 and material.impedance_mrayl > 0,
            f"simulation.materials.{name}",
            "velocity or impedance is not above 0",
            "write greater numbers",
        )


def _check_field(config: SimulationConfig) -> None:
    _demand(
        LEAST_IMAGE_PX <= config.image_px <= GREATEST_IMAGE_PX,
        "simulation.image_px",
        f"{config.image_px} is not from {LEAST_IMAGE_PX} to {GREATEST_IMAGE_PX}",
        "write for example 400",
    )
    side = config.image_px * config.pixel_um
    _demand(
        side > config.geometry.body_um[1],
        "simulation.image_px",
        f"the field of {side:g} µm does not hold a body of {config.geometry.body_um[1]:g} µm",
        "raise image_px or pixel_um, or lower geometry.body_um",
    )
