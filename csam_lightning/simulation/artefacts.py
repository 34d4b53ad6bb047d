"""What a scan shows besides the interface: voids, bubbles, crooked placing and jittering scan lines."""

import cv2
import numpy as np
from numpy.typing import NDArray

from csam_lightning.simulation.config import SimulationConfig
from csam_lightning.simulation.package import Layout
from csam_lightning.simulation.streams import between


def _disc(side: int, pixel_um: float, place: NDArray[np.float64], diameter: float, soft: float) -> NDArray[np.float32]:
    axis = (np.arange(side, dtype=np.float32) - (side - 1) / 2) * np.float32(pixel_um)
    distance = np.hypot(axis[None, :] - np.float32(place[0]), axis[:, None] - np.float32(place[1]))
    depth = (diameter / 2 - distance) / max(soft, pixel_um)
    return np.asarray(np.clip(depth + 0.5, 0, 1), dtype=np.float32)


def void_layers(
    config: SimulationConfig, rng: np.random.Generator, layout: Layout
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the voids of a package as (side, side) maps in its frame.

    Returns:
        How far a place is covered by a void within the gate (0 to 1), and the amplitude that voids above the gate
        leave (1 where there is none).
    """
    side, mould = config.image_px, config.mould
    in_gate, shadow = np.zeros((side, side), np.float32), np.ones((side, side), np.float32)
    for _ in range(rng.poisson(mould.voids_per_package)):
        place = rng.uniform(-0.47, 0.47, 2) * layout.body
        diameter = between(rng, mould.void_um)
        if rng.random() < mould.void_in_gate_share:
            np.maximum(in_gate, _disc(side, config.pixel_um, place, diameter, 0), out=in_gate)
        else:
            depth = between(rng, mould.void_depth_share) * mould.thickness_um
            cone = depth / config.transducer.f_number
            shadow *= 1 - (1 - mould.void_shadow) * _disc(side, config.pixel_um, place, diameter + cone / 2, cone)
    return in_gate, shadow


def bubble_shadow(config: SimulationConfig, rng: np.random.Generator) -> NDArray[np.float32]:
    """Return the amplitude that bubbles in the water leave, (side, side), 1 where there is none."""
    side, scanner = config.image_px, config.scanner
    shadow = np.ones((side, side), np.float32)
    cone = config.mould.thickness_um / config.transducer.f_number
    for _ in range(rng.poisson(scanner.bubbles_per_scan)):
        place = rng.uniform(-0.5, 0.5, 2) * side * config.pixel_um
        shadow *= 1 - (1 - scanner.bubble_shadow) * _disc(
            side, config.pixel_um, place, between(rng, scanner.bubble_um), cone
        )
    return shadow


def placement(config: SimulationConfig, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return the 2×3 matrix that takes a package's frame to the scan: a small rotation and shift."""
    middle = (config.image_px - 1) / 2
    turn = config.scanner.rotation_deg * rng.standard_normal()
    move = np.asarray(cv2.getRotationMatrix2D((middle, middle), turn, 1.0), dtype=np.float64)
    move[:, 2] += config.scanner.placement_um / config.pixel_um * rng.standard_normal(2)
    return move


def jittered(config: SimulationConfig, image: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """Return the image as scanned line by line, back and forth: each line starts a little off."""
    side, scanner = config.image_px, config.scanner
    shift = rng.standard_normal(side) * scanner.line_jitter_um
    shift += np.where(np.arange(side) % 2, 0.5, -0.5) * scanner.backlash_um * rng.standard_normal()
    columns = np.arange(side, dtype=np.float32)[None, :] + (shift / config.pixel_um).astype(np.float32)[:, None]
    rows = np.repeat(np.arange(side, dtype=np.float32)[:, None], side, axis=1)
    moved = cv2.remap(image, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(moved, dtype=np.float32)
