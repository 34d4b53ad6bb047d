"""From a package's interface to the grey image that the microscope delivers."""

import math
from dataclasses import dataclass

import cv2
import numpy as np
import scipy.fft
from numpy.typing import NDArray

from csam_lightning.simulation import acoustics
from csam_lightning.simulation.artefacts import bubble_shadow, jittered, placement, void_layers
from csam_lightning.simulation.config import SimulationConfig
from csam_lightning.simulation.package import Frame
from csam_lightning.simulation.specimen import Specimen
from csam_lightning.simulation.streams import smooth_field, stream

DIE_PAD_GREY, BOND_PAD_GREY, FINGER_GREY = 255, 170, 85


@dataclass(frozen=True)
class Interface:
    """What stays the same in all scans of a package; arrays are (side, side) in the package's frame.

    Attributes:
        bonded: complex64, reflection where nothing is delaminated, filler included.
        gap: float32, how open a delaminated place is, 0 to 1.
        zone: float32, width of the process zone between its least (0) and greatest (1).
        loss: float32, amplitude left by the mould's local attenuation and by voids above the interface.
        height: float32, µm, warpage of unit centre height.
    """

    bonded: NDArray[np.complex64]
    gap: NDArray[np.float32]
    zone: NDArray[np.float32]
    loss: NDArray[np.float32]
    height: NDArray[np.float32]


def build_interface(config: SimulationConfig, specimen: Specimen) -> Interface:
    """Return the bonded interface of a package with the mould's texture and voids."""
    name, frame = specimen.package.name, specimen.frame
    rng, side, mould = stream(config.seed, "mould", name), config.image_px, config.mould
    in_gate, shadow = void_layers(config, stream(config.seed, "voids", name), specimen.layout)
    bonded = _bonded(config, specimen.package.metallization, frame, rng)
    bonded += in_gate * (_air_reflection(config) - bonded)
    bonded += _filler(rng, side, mould.speckle) * frame.body
    decibels = acoustics.loss_db(mould, config.transducer.frequency_mhz, mould.thickness_um)
    settling = smooth_field(rng, side, mould.settling_grain_um / config.pixel_um)
    islands, zone = (smooth_field(rng, side, config.growth.island_grain_um / config.pixel_um) for _ in range(2))
    axis = (np.arange(side) - (side - 1) / 2) * config.pixel_um / (specimen.layout.body / 2)
    tall, wide = 1 + config.scanner.warpage_asymmetry * rng.standard_normal(2)
    return Interface(
        bonded=bonded,
        gap=np.clip(1 - config.growth.contact_islands * np.maximum(islands - config.growth.island_onset, 0), 0, 1),
        zone=np.clip(zone / 2 + 0.5, 0, 1),
        loss=np.asarray(10 ** (-decibels * mould.attenuation_spread * settling / 20) * shadow, dtype=np.float32),
        height=(-(wide * axis[None, :] ** 2 + tall * axis[:, None] ** 2) / 2).astype(np.float32),
    )


def _bonded(
    config: SimulationConfig, metallization: str, frame: Frame, rng: np.random.Generator
) -> NDArray[np.complex64]:
    materials, metal, mould = config.materials, config.metallizations[metallization], config.mould
    impedance, copper = materials["mould"].impedance_mrayl, materials["Cu"].impedance_mrayl
    finish = acoustics.layer_reflection(
        materials["mould"], materials[metal.finish], materials["Cu"], metal.finish_um, config.transducer.frequency_mhz
    )
    settling = smooth_field(rng, config.image_px, mould.settling_grain_um / config.pixel_um)
    local = impedance * np.clip(1 + mould.impedance_spread * settling, 0.5, 1.5)
    relative = (copper - local) / (copper + local) / acoustics.reflection(impedance, copper)
    bonded = np.where(frame.metal, finish * relative, 0).astype(np.complex64)
    bonded[frame.moat] *= config.geometry.moat_echo
    bottom = mould.bottom_echo * acoustics.reflection(impedance, materials["water"].impedance_mrayl)
    phases = np.exp(1j * rng.uniform(0, 2 * math.pi, 2))
    bonded[frame.body & ~frame.metal] = bottom * phases[0]
    bonded[~frame.body] = config.scanner.holder_echo * phases[1]
    return bonded


def _air_reflection(config: SimulationConfig) -> float:
    return acoustics.reflection(config.materials["mould"].impedance_mrayl, config.materials["air"].impedance_mrayl)


def _filler(rng: np.random.Generator, side: int, strength: float) -> NDArray[np.complex64]:
    parts = rng.standard_normal((2, side, side), dtype=np.float32) * np.float32(strength / math.sqrt(2))
    return np.asarray(parts[0] + 1j * parts[1], dtype=np.complex64)


def reflection_field(
    config: SimulationConfig,
    frame: Frame,
    interface: Interface,
    delaminated: NDArray[np.bool_],
    rng: np.random.Generator,
) -> NDArray[np.complex64]:
    """Return the complex reflection of the interface as it stands at one scan, (side, side)."""
    inside = np.full(delaminated.shape, _air_reflection(config), np.complex64)
    _wet(config, frame, delaminated, inside, rng)
    dry = np.asarray(interface.gap * delaminated, dtype=np.float32)
    narrow, wide = (
        cv2.GaussianBlur(dry, (0, 0), max(width / config.pixel_um, 1e-3)) for width in config.growth.process_zone_um
    )
    openness = (narrow + interface.zone * (wide - narrow)) * frame.metal
    return np.asarray(interface.bonded + openness * (inside - interface.bonded), dtype=np.complex64)


def _wet(
    config: SimulationConfig,
    frame: Frame,
    delaminated: NDArray[np.bool_],
    inside: NDArray[np.complex64],
    rng: np.random.Generator,
) -> None:
    water, materials, count = config.water, config.materials, int(frame.leads.max())
    taken = rng.random(count) < water.lead_share
    gaps = water.gap_um * np.exp(water.gap_spread * rng.standard_normal(count))
    reached = rng.uniform(water.penetration[0], water.penetration[1], count)
    middle = (config.image_px - 1) / 2
    for index in np.flatnonzero(taken):
        rows, columns = np.nonzero((frame.leads == index + 1) & delaminated)
        if rows.size > 0:
            outwards = np.maximum(np.abs(rows - middle), np.abs(columns - middle))
            wet = outwards >= outwards.max() - reached[index] * np.ptp(outwards)
            inside[rows[wet], columns[wet]] = acoustics.layer_reflection(
                materials["mould"],
                materials["water"],
                materials["Cu"],
                thickness_um=float(gaps[index]),
                frequency_mhz=config.transducer.frequency_mhz,
            )


def take_scan(
    config: SimulationConfig, specimen: Specimen, interface: Interface, read_out: int
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return one scan and the mask of its true delamination, both uint8 (side, side).

    The mask holds 255 on the die pad, 170 on bond pads, 85 on the rest of leads, 0 where nothing is delaminated. It is
    moved and turned as the package was, but knows nothing of jittering scan lines.
    """
    rng = stream(config.seed, "scan", specimen.package.name, config.read_outs[read_out])
    frame, delaminated = specimen.frame, specimen.history.delaminated(read_out)
    field = reflection_field(config, frame, interface, delaminated, rng)
    move = placement(config, rng)
    beside = complex(interface.bonded[0, 0])
    real, imaginary = _moved(field.real, move, beside.real), _moved(field.imag, move, beside.imag)
    height = _height(config, interface, move, rng)
    amplitude = _focused(config, np.asarray(real + 1j * imaginary, dtype=np.complex64), height, rng)
    amplitude *= _moved(interface.loss, move, 1.0) * _shading(config, height, rng) * bubble_shadow(config, rng)
    greys = np.where(frame.die_pad, DIE_PAD_GREY, np.where(frame.bond_pads, BOND_PAD_GREY, FINGER_GREY))
    mask = cv2.warpAffine((greys * delaminated).astype(np.uint8), move, field.shape, flags=cv2.INTER_NEAREST)
    return _digitised(config, jittered(config, amplitude, rng), rng), np.asarray(mask, dtype=np.uint8)


def _moved(part: NDArray[np.float32], move: NDArray[np.float64], outside: float) -> NDArray[np.float32]:
    return np.asarray(cv2.warpAffine(part, move, part.shape, flags=cv2.INTER_LINEAR, borderValue=outside), np.float32)


def _height(
    config: SimulationConfig, interface: Interface, move: NDArray[np.float64], rng: np.random.Generator
) -> NDArray[np.float32]:
    size = interface.height.shape
    bow = cv2.warpAffine(interface.height, move, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    bowed = np.asarray(bow) * (config.scanner.warpage_um * rng.standard_normal())
    slope = np.tan(np.radians(config.scanner.tilt_deg * rng.standard_normal(2)))
    axis = (np.arange(config.image_px, dtype=np.float32) - (config.image_px - 1) / 2) * np.float32(config.pixel_um)
    height = bowed + slope[0] * axis[None, :] + slope[1] * axis[:, None]
    return np.asarray(height - height.mean(), dtype=np.float32)


def _focused(
    config: SimulationConfig, field: NDArray[np.complex64], height: NDArray[np.float32], rng: np.random.Generator
) -> NDArray[np.float32]:
    transducer, water = config.transducer, config.materials["water"]
    end = acoustics.depth_of_focus_um(transducer, water) / 2
    defocus = height + np.float32(config.scanner.focus_um * rng.standard_normal())
    plane = scipy.fft.fft2(field.astype(np.complex64))
    size = (config.image_px, config.pixel_um)
    sharp = scipy.fft.ifft2(plane * acoustics.transfer_function(transducer, water, *size))
    blur = acoustics.defocus_blur_um(transducer, end)
    wide = scipy.fft.ifft2(plane * acoustics.transfer_function(transducer, water, *size, blur))
    share = np.minimum((defocus / end) ** 2, 1)
    weight = acoustics.focus_weight(defocus, 2 * end)
    return np.asarray(np.abs(sharp + share * (wide - sharp)) * weight, dtype=np.float32)


def _shading(config: SimulationConfig, height: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    rows, columns = np.gradient(height, config.pixel_um)
    slope = np.hypot(rows, columns).astype(np.float32)
    turned = acoustics.tilt_weight(slope, config.transducer, config.materials["mould"], config.materials["water"])
    late_ns = 2 * height * 1000 / config.materials["mould"].velocity_m_s
    drift = config.scanner.gate_drift_ns * rng.standard_normal()
    return np.asarray(turned * np.exp(-(((late_ns + drift) / config.scanner.gate_ns) ** 2)), dtype=np.float32)


def _digitised(config: SimulationConfig, amplitude: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.uint8]:
    scanner, side = config.scanner, config.image_px
    received = acoustics.two_way_amplitude(config.mould, scanner, config.transducer, config.materials)
    noise = rng.standard_normal((side, side), dtype=np.float32) * np.float32(scanner.noise / received)
    copper = acoustics.reflection(config.materials["mould"].impedance_mrayl, config.materials["Cu"].impedance_mrayl)
    gain = scanner.metal_grey / copper * math.exp(scanner.gain_drift * rng.standard_normal())
    lines = np.exp(scanner.line_gain * rng.standard_normal((side, 1))).astype(np.float32)
    return np.clip(np.abs(amplitude * lines + noise) * gain + np.float32(0.5), 0, 255).astype(np.uint8)
