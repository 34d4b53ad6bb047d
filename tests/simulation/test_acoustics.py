"""Acoustics against closed forms and published numbers."""

import cmath
import math

import numpy as np
import pytest
import scipy.special
from hypothesis import given
from hypothesis import strategies as st

from csam_lightning.simulation import acoustics
from csam_lightning.simulation.config import Material, SimulationConfig, Transducer

WATER = Material(velocity_m_s=1480, impedance_mrayl=1.48)
AIR = Material(velocity_m_s=343, impedance_mrayl=0.0004)
COPPER = Material(velocity_m_s=4760, impedance_mrayl=42.7)
SILVER = Material(velocity_m_s=3650, impedance_mrayl=38.3)
NICKEL = Material(velocity_m_s=6040, impedance_mrayl=53.8)
MOULD = Material(velocity_m_s=3700, impedance_mrayl=7.0)
materials = st.builds(Material, velocity_m_s=st.floats(300, 7000), impedance_mrayl=st.floats(0.1, 80))


@pytest.mark.parametrize(
    ("beyond", "published"), [(42.7, 0.73), (38.3, 0.69), (53.8, 0.77), (0.0004, -1.0), (1.48, -0.65)]
)
def test_reflection_at_mould_is_the_published_one(beyond: float, published: float) -> None:
    assert acoustics.reflection(7.0, beyond) == pytest.approx(published, abs=0.015)


@given(st.floats(0.001, 100), st.floats(0.001, 100))
def test_reflection_changes_sign_with_direction_and_keeps_energy(first: float, second: float) -> None:
    there, back = acoustics.reflection(first, second), acoustics.reflection(second, first)
    transmitted = 4 * first * second / (first + second) ** 2
    assert there == pytest.approx(-back)
    assert there**2 + transmitted == pytest.approx(1)


@given(materials, materials, materials, st.floats(0, 20), st.floats(10, 200))
def test_layer_reflection_is_the_sum_of_all_echoes(
    incident: Material, layer: Material, beyond: Material, thickness: float, frequency: float
) -> None:
    first = acoustics.reflection(incident.impedance_mrayl, layer.impedance_mrayl)
    second = acoustics.reflection(layer.impedance_mrayl, beyond.impedance_mrayl)
    delay = cmath.exp(2j * (2 * math.pi * frequency * thickness / layer.velocity_m_s))
    echoes = (first + second * delay.conjugate()) / (1 + first * second * delay.conjugate())
    got = acoustics.layer_reflection(incident, layer, beyond, thickness, frequency)
    assert abs(got) == pytest.approx(abs(echoes), abs=1e-9)
    assert min(abs(got - echoes), abs(got - echoes.conjugate())) < 1e-7


@pytest.mark.parametrize(("thickness", "published"), [(0.1, 0.73), (1.0, 0.85), (5.0, 0.98)])
def test_water_filled_gap_reflects_as_published(thickness: float, published: float) -> None:
    got = acoustics.layer_reflection(MOULD, WATER, COPPER, thickness, 50)
    assert abs(got) == pytest.approx(published, abs=0.02)


def test_quarter_wave_of_water_reflects_as_its_transformed_impedance() -> None:
    quarter = 1480 / 50 / 4
    got = acoustics.layer_reflection(MOULD, WATER, COPPER, quarter, 50)
    assert got == pytest.approx(acoustics.reflection(7.0, 1.48**2 / 42.7), abs=1e-9)


def test_air_gap_of_a_nanometre_reflects_nearly_all() -> None:
    assert abs(acoustics.layer_reflection(MOULD, AIR, COPPER, 0.001, 50)) > 0.998


@pytest.mark.parametrize(("finish", "thickness", "published"), [(SILVER, 5.0, 0.72), (NICKEL, 1.0, 0.73)])
def test_finish_is_nearly_invisible(finish: Material, thickness: float, published: float) -> None:
    got = acoustics.layer_reflection(MOULD, finish, COPPER, thickness, 50)
    assert abs(got) == pytest.approx(published, abs=0.015)


@pytest.mark.parametrize(("f_number", "published"), [(2, 60), (3, 91), (4, 121)])
def test_focal_spot_is_as_wide_as_the_formula_says(f_number: float, published: float) -> None:
    transducer = Transducer(frequency_mhz=50, f_number=f_number)
    side, pixel = 512, 4.0
    spot = np.fft.ifft2(acoustics.transfer_function(transducer, WATER, side, pixel)).real
    profile = spot[0, : side // 2] / spot[0, 0]
    beyond = int(np.argmax(profile < 0.5))
    part = (profile[beyond - 1] - 0.5) / (profile[beyond - 1] - profile[beyond])
    width = 2 * pixel * (beyond - 1 + part)
    assert width == pytest.approx(1.02 * f_number * 29.6, rel=0.02)
    assert acoustics.spot_um(transducer, WATER) == pytest.approx(published, rel=0.01)
    distance = np.arange(1, 60) * pixel
    reduced = math.pi * distance / (29.6 * f_number)
    assert profile[1:60] == pytest.approx((2 * scipy.special.j1(reduced) / reduced) ** 2, abs=0.01)


def test_blur_widens_the_spot_and_keeps_its_sum() -> None:
    transducer = Transducer(frequency_mhz=50, f_number=3)
    sharp = acoustics.transfer_function(transducer, WATER, 64, 20)
    wide = acoustics.transfer_function(transducer, WATER, 64, 20, blur_um=90)
    assert sharp[0, 0] == wide[0, 0] == 1
    assert (wide <= sharp).all()
    assert wide.sum() < 0.8 * sharp.sum()


def test_focus_falls_by_6_db_at_the_ends_of_the_focal_zone() -> None:
    transducer = Transducer(frequency_mhz=50, f_number=3)
    depth = acoustics.depth_of_focus_um(transducer, WATER)
    assert depth == pytest.approx(2 * 29.6 * 9)
    heights = np.array([0, depth / 2, -depth / 2], dtype=np.float32)
    assert acoustics.focus_weight(heights, depth) == pytest.approx([1, 0.5, 0.5])
    assert acoustics.defocus_blur_um(transducer, -266) == pytest.approx(88.7, abs=0.1)


def test_tilt_turns_the_echo_out_of_the_lens() -> None:
    transducer = Transducer(frequency_mhz=50, f_number=3)
    acceptance = 1 / (2 * 3) / 2 * 1480 / 3700
    weights = acoustics.tilt_weight(np.array([0, acceptance], dtype=np.float32), transducer, MOULD, WATER)
    assert weights == pytest.approx([1, math.exp(-1)], rel=1e-5)


def test_losses_follow_path_and_frequency(shipped: SimulationConfig) -> None:
    there_and_back = acoustics.loss_db(shipped.mould, 50, 650)
    assert there_and_back == pytest.approx(2 * 0.65 * 3.0)
    assert acoustics.loss_db(shipped.mould, 100, 650) / there_and_back == pytest.approx(2**1.2)
    left = acoustics.two_way_amplitude(shipped.mould, shipped.scanner, shipped.transducer, shipped.materials)
    surface = (7 - 1.48) / (7 + 1.48)
    assert left == pytest.approx((1 - surface**2) * 10 ** (-(2 * 12 * 0.54 + 3.9) / 20))
