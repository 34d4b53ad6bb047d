"""Delamination: where it starts, how it grows with thermal cycles, and which area it has taken."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from csam_lightning.simulation.config import Growth, SimulationConfig
from csam_lightning.simulation.package import Frame, Layout, Lead, PackageId
from csam_lightning.simulation.streams import smooth_field, stream

NEVER = 255
_STEP_CYCLES = 5.0
_MOST_WANDER = 1.6


@dataclass(frozen=True)
class Nuclei:
    """Flaws from which delaminations grow; every array has one entry per flaw.

    Attributes:
        x, y: float64, place, µm from the package's centre.
        angle: float64, direction of the long axis, radians.
        drive: float64, energy release rate over toughness.
        onset: float64, cycles before growth starts.
        lead: int64, number of the lead from 1, or 0 on the die pad.
    """

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    angle: NDArray[np.float64]
    drive: NDArray[np.float64]
    onset: NDArray[np.float64]
    lead: NDArray[np.int64]


@dataclass(frozen=True)
class History:
    """What a package's interface goes through.

    Attributes:
        arrival: uint8 (side, side), index of the first read-out at which a pixel is delaminated, else ``NEVER``.
        die_pad_share, bond_pad_share: float64 (read-outs,), delaminated share of the region's area.
    """

    arrival: NDArray[np.uint8]
    die_pad_share: NDArray[np.float64]
    bond_pad_share: NDArray[np.float64]

    def delaminated(self, read_out: int) -> NDArray[np.bool_]:
        """Return the delaminated pixels at the read-out of that index, (side, side)."""
        return self.arrival <= read_out


def crack_lengths(
    growth: Growth, drive: NDArray[np.float64], onset: NDArray[np.float64], cycles: list[int]
) -> NDArray[np.float64]:
    """Integrate the Paris-like law da/dN = rate · (drive · a/(a + saturation))^exponent.

    Args:
        growth: Its parameters.
        drive: Energy release rate over toughness of each flaw, (flaws,).
        onset: Cycles before which a flaw rests, (flaws,).
        cycles: Where the length is wanted, rising.

    Returns:
        Lengths in µm, (cycles, flaws), never shrinking.
    """
    plateau = growth.rate_um_per_cycle * drive**growth.paris_exponent
    lengths = [np.full(drive.shape, growth.initial_um)]
    for step in range(math.ceil(max(cycles) / _STEP_CYCLES)):
        active = np.clip((step + 1) * _STEP_CYCLES - onset, 0, _STEP_CYCLES)
        release = lengths[-1] / (lengths[-1] + growth.saturation_um)
        lengths.append(lengths[-1] + active * plateau * release**growth.paris_exponent)
    return np.array([_between_steps(lengths, target / _STEP_CYCLES) for target in cycles])


def _between_steps(lengths: list[NDArray[np.float64]], position: float) -> NDArray[np.float64]:
    before = int(position)
    after = min(before + 1, len(lengths) - 1)
    return lengths[before] + (position - before) * (lengths[after] - lengths[before])


def short_axis(growth: Growth, length: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the short semi-axis of an ellipse of the given long one: slender when young, towards a circle later."""
    return length * (1 - (1 - growth.initial_aspect) * np.exp(-length / growth.rounding_um))


def draw_nuclei(config: SimulationConfig, package: PackageId, layout: Layout) -> Nuclei:
    """Draw the flaws of one package and how hard each is driven."""
    rng, growth = stream(config.seed, "nuclei", package.name), config.growth
    lot_rng = stream(config.seed, "adhesion", package.lot(config.geometry.lot_packages))
    metal = config.metallizations[package.metallization]
    lot = math.exp(growth.lot_spread * lot_rng.standard_normal())
    die_pad = metal.die_pad_drive * lot * math.exp(growth.die_pad_spread * rng.standard_normal())
    bond_pad = metal.bond_pad_drive * lot * math.exp(growth.bond_pad_spread * rng.standard_normal())
    sites = _die_pad_sites(rng, growth, layout, die_pad)
    for number, lead in enumerate(layout.leads, start=1):
        own = bond_pad * math.exp(growth.lead_spread * rng.standard_normal())
        sites += [(*_lead_site(rng, growth, lead), own, number) for _ in range(growth.lead_nuclei)]
    table = np.array(sites, dtype=np.float64).reshape(-1, 5)
    drive = np.maximum(table[:, 3], 1e-6)
    wait = growth.incubation_cycles / drive**growth.paris_exponent
    onset = np.minimum(rng.exponential(wait), 1e9)
    return Nuclei(table[:, 0], table[:, 1], table[:, 2], drive, onset, table[:, 4].astype(np.int64))


def _die_pad_sites(
    rng: np.random.Generator, growth: Growth, layout: Layout, drive: float
) -> list[tuple[float, float, float, float, int]]:
    half_x, half_y = layout.die_pad[0] / 2, layout.die_pad[1] / 2
    sites = []
    for sx in (-1, 1):
        for sy in (-1, 1):
            inset = layout.chamfer / 2 if sx < 0 and sy < 0 else layout.die_pad_radius * 0.3
            own = drive * growth.corner_drive * math.exp(growth.site_spread * rng.standard_normal())
            angle = math.atan2(-sy, sx) + math.radians(rng.normal(0, growth.corner_turn_deg))
            sites.append((sx * (half_x - inset), sy * (half_y - inset), angle, own, 0))
    perimeter = 4 * (half_x + half_y)
    for _ in range(rng.poisson(growth.edge_nuclei_per_mm * perimeter / 1000)):
        own = drive * growth.edge_drive * math.exp(growth.site_spread * rng.standard_normal())
        side, position = rng.integers(4), rng.uniform(-growth.edge_reach, growth.edge_reach)
        if side < 2:  # noqa: PLR2004
            sites.append((position * half_x, half_y * (2 * side - 1), 0.0, own, 0))
        else:
            sites.append((half_x * (2 * side - 5), position * half_y, math.pi / 2, own, 0))
    return sites


def _lead_site(rng: np.random.Generator, growth: Growth, lead: Lead) -> tuple[float, float, float]:
    outward = np.subtract(lead.outer, lead.inner)
    length = float(np.hypot(*outward))
    along = outward / max(length, 1e-9)
    across = np.array([-along[1], along[0]])
    back = 0.0 if rng.random() < growth.lead_tip_share else rng.uniform(0, lead.bond_pad_length)
    place = np.array(lead.inner) + along * back + across * rng.choice((-0.5, 0.5)) * lead.bond_pad_width
    return float(place[0]), float(place[1]), math.atan2(along[1], along[0])


@dataclass(frozen=True)
class _Ground:
    frame: Frame
    wander: NDArray[np.float32]
    pixel_um: float


def grow(config: SimulationConfig, package: PackageId, layout: Layout, frame: Frame) -> History:
    """Return the history of a package over the config's read-outs."""
    growth, nuclei, side = config.growth, draw_nuclei(config, package, layout), config.image_px
    long = crack_lengths(growth, nuclei.drive, nuclei.onset, config.read_outs)
    short = short_axis(growth, long)
    rng = stream(config.seed, "fronts", package.name)
    wander = 1 + growth.front_roughness * smooth_field(rng, side, growth.front_grain_um / config.pixel_um)
    ground = _Ground(frame, np.clip(wander, 1 / _MOST_WANDER, _MOST_WANDER), config.pixel_um)
    arrival = np.full((side, side), NEVER, np.uint8)
    for index in range(nuclei.x.size):
        _spread(arrival, nuclei, index, (long[:, index], short[:, index]), ground)
    shares = [_shares(arrival, region, len(config.read_outs)) for region in (frame.die_pad, frame.bond_pads)]
    return History(arrival, shares[0], shares[1])


def _spread(
    arrival: NDArray[np.uint8],
    nuclei: Nuclei,
    index: int,
    axes: tuple[NDArray[np.float64], NDArray[np.float64]],
    ground: _Ground,
) -> None:
    pixel_um, centre = ground.pixel_um, (arrival.shape[0] - 1) / 2
    column, row = nuclei.x[index] / pixel_um + centre, nuclei.y[index] / pixel_um + centre
    reach = axes[0][-1] * _MOST_WANDER / pixel_um + 1
    rows, columns = _window(row, reach, arrival.shape[0]), _window(column, reach, arrival.shape[0])
    dx = ((np.arange(columns.start, columns.stop) - column) * pixel_um).astype(np.float32)[None, :]
    dy = ((np.arange(rows.start, rows.stop) - row) * pixel_um).astype(np.float32)[:, None]
    cos, sin = np.float32(math.cos(nuclei.angle[index])), np.float32(math.sin(nuclei.angle[index]))
    widening = ground.wander[rows, columns] ** 2
    along, across = (dx * cos + dy * sin) ** 2 / widening, (dy * cos - dx * sin) ** 2 / widening
    lead, frame = nuclei.lead[index], ground.frame
    region = frame.leads[rows, columns] == lead if lead else frame.die_pad[rows, columns]
    window = arrival[rows, columns]
    for read_out, (long, short) in enumerate(zip(*axes, strict=True)):
        inside = along / long**2 + across / short**2 <= 1
        np.minimum(window, read_out, out=window, where=inside & region)


def _window(middle: float, reach: float, side: int) -> slice:
    start = min(max(int(middle - reach), 0), side)
    return slice(start, min(max(int(middle + reach) + 2, start), side))


def _shares(arrival: NDArray[np.uint8], region: NDArray[np.bool_], read_outs: int) -> NDArray[np.float64]:
    first = np.bincount(arrival[region], minlength=NEVER + 1)[:read_outs]
    return np.cumsum(first) / max(int(region.sum()), 1)
