"""The physics of an acoustic image: reflection, focal spot, losses. Lengths in µm, impedances in MRayl."""

import cmath
import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from csam_lightning.simulation.config import Material, Mould, Scanner, Transducer

SPOT_FACTOR = 1.02


def reflection(incident: float, beyond: float) -> float:
    """Return the signed amplitude reflection (Z₂ − Z₁)/(Z₂ + Z₁) of a wave that meets ``beyond``."""
    return (beyond - incident) / (beyond + incident)


def layer_reflection(
    incident: Material, layer: Material, beyond: Material, thickness_um: float, frequency_mhz: float
) -> complex:
    """Return the complex amplitude reflection of a layer between two half-spaces at one frequency.

    Impedance transformation of a lossless layer (Brekhovskikh, Waves in Layered Media, §2): with k·d the phase
    across the layer, Z = Z_l · (Z_b + i·Z_l·tan kd)/(Z_l + i·Z_b·tan kd), then (Z − Z_i)/(Z + Z_i).
    """
    phase = 2 * math.pi * frequency_mhz * thickness_um / layer.velocity_m_s
    turn = 1j * cmath.tan(phase)
    own, after = layer.impedance_mrayl, beyond.impedance_mrayl
    seen = own * (after + own * turn) / (own + after * turn)
    return (seen - incident.impedance_mrayl) / (seen + incident.impedance_mrayl)


def wavelength_um(transducer: Transducer, water: Material) -> float:
    """Return the wavelength in water, µm: 29.6 at 50 MHz."""
    return water.velocity_m_s / transducer.frequency_mhz


def spot_um(transducer: Transducer, water: Material) -> float:
    """Return the focal spot's full width at half maximum, 1.02 · F# · λ, µm (pulse-echo, −6 dB)."""
    return SPOT_FACTOR * transducer.f_number * wavelength_um(transducer, water)


def depth_of_focus_um(transducer: Transducer, water: Material) -> float:
    """Return the length of the focal zone, 2 · λ · F#², µm."""
    return 2 * wavelength_um(transducer, water) * transducer.f_number**2


def transfer_function(
    transducer: Transducer, water: Material, side: int, pixel_um: float, blur_um: float = 0.0
) -> NDArray[np.float32]:
    """Return the focal spot in the frequency plane, (side, side), 1 at zero frequency, in the FFT's order.

    A circular aperture that sends and receives has the amplitude spot (2·J₁(v)/v)², v = π·r/(λ·F#). Its transform is
    the overlap of two circles, 2/π · (acos s − s·√(1 − s²)), s = f·λ·F# (Goodman, Introduction to Fourier Optics, §6).
    ``blur_um`` widens it by a Gaussian of that full width at half maximum.
    """
    reach = wavelength_um(transducer, water) * transducer.f_number
    return _transfer_function(reach, side, pixel_um, blur_um)


@lru_cache(maxsize=8)
def _transfer_function(reach: float, side: int, pixel_um: float, blur_um: float) -> NDArray[np.float32]:
    axis = np.fft.fftfreq(side, d=pixel_um)
    frequency = np.hypot(axis[:, None], axis[None, :])
    s = np.minimum(frequency * reach, 1.0)
    overlap = 2 / math.pi * (np.arccos(s) - s * np.sqrt(1 - s**2))
    sigma = blur_um / (2 * math.sqrt(2 * math.log(2)))
    transfer = np.asarray(overlap * np.exp(-2 * (math.pi * sigma * frequency) ** 2), dtype=np.float32)
    transfer.flags.writeable = False
    return transfer


def defocus_blur_um(transducer: Transducer, defocus_um: float) -> float:
    """Return by how much the cone of sound has widened at ``defocus_um`` from the focus, µm: |z|/F#."""
    return abs(defocus_um) / transducer.f_number


def focus_weight(defocus_um: NDArray[np.float32], depth_um: float) -> NDArray[np.float32]:
    """Return the amplitude left at a distance from the focus: 1 in focus, 1/2 (−6 dB) at the ends of the zone."""
    return np.asarray(1 / (1 + (defocus_um / (depth_um / 2)) ** 2), dtype=np.float32)


def tilt_weight(
    slope: NDArray[np.float32], transducer: Transducer, mould: Material, water: Material
) -> NDArray[np.float32]:
    """Return the amplitude that still meets the lens after a mirror of the given slope (radians) has turned it.

    The echo leaves turned by twice the slope, refraction at the surface turns it by the ratio of velocities more, and
    the lens takes in an angle of 1/(2·F#): a Gaussian acceptance that falls to 1/e there.
    """
    turned = 2 * slope * mould.velocity_m_s / water.velocity_m_s
    return np.asarray(np.exp(-((turned * 2 * transducer.f_number) ** 2)), dtype=np.float32)


def loss_db(mould: Mould, frequency_mhz: float, depth_um: float) -> float:
    """Return the loss on the way there and back through ``depth_um`` of mould, dB."""
    factor = math.pow(frequency_mhz / mould.attenuation_reference_mhz, mould.attenuation_exponent)
    return 2 * depth_um / 1000 * mould.attenuation_db_per_mm * factor


def two_way_amplitude(mould: Mould, scanner: Scanner, transducer: Transducer, materials: dict[str, Material]) -> float:
    """Return what is left of an echo after water, surface and mould, both ways: Π(1 − r²) · 10^(−loss/20)."""
    surface = reflection(materials["water"].impedance_mrayl, materials["mould"].impedance_mrayl)
    water_db = 2 * scanner.water_path_mm * scanner.water_attenuation_db_per_mm
    mould_db = loss_db(mould, transducer.frequency_mhz, mould.thickness_um)
    return (1 - surface**2) * math.pow(10, -(water_db + mould_db) / 20)
