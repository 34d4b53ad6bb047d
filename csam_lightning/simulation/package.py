"""Lead frames: what a lot's geometry is, and where its metal lies on the pixel grid."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from csam_lightning.simulation.config import Geometry, SimulationConfig
from csam_lightning.simulation.streams import between, stream

Point = tuple[float, float]
MAX_LEADS = 254
_SUBPIXEL_BITS = 4
_WELL_INSIDE = 0.9


@dataclass(frozen=True)
class PackageId:
    """One package of the population: its metallization, its number and whether it is a further one for the test."""

    metallization: str
    number: int
    test: bool

    @property
    def name(self) -> str:
        """The package_id of the manifest, for example ``Ag-007``, or ``Ag-T0007`` of the test split."""
        return f"{self.metallization}-T{self.number:04d}" if self.test else f"{self.metallization}-{self.number:03d}"

    def lot(self, lot_packages: int) -> str:
        """Return the name of the lot, which shares a lead frame and a moulding run."""
        return f"{self.metallization}-{'T' if self.test else ''}lot{self.number // lot_packages}"


@dataclass(frozen=True)
class Lead:
    """A lead: axis from the body's edge (outer) to the tip (inner), µm from the package's centre; widths in µm."""

    outer: Point
    inner: Point
    bond_pad_length: float
    bond_pad_width: float
    finger_width: float


@dataclass(frozen=True)
class Layout:
    """Geometry of one lot in µm, x to the right and y downwards from the package's centre."""

    body: float
    die_pad: tuple[float, float]
    die_pad_radius: float
    chamfer: float
    leads: tuple[Lead, ...]
    tie_bars: tuple[tuple[Point, Point], ...]
    tie_bar_width: float
    moat: tuple[float, float] | None


@dataclass(frozen=True)
class Frame:
    """A layout on the pixel grid; all arrays are (side, side).

    Attributes:
        body: bool, inside the moulded body.
        metal: bool, metal at the interface.
        die_pad: bool, the die pad.
        leads: uint8, number of the lead from 1, else 0.
        bond_pads: bool, the plated tips of the leads.
        moat: bool, groove in the die pad.
    """

    body: NDArray[np.bool_]
    metal: NDArray[np.bool_]
    die_pad: NDArray[np.bool_]
    leads: NDArray[np.uint8]
    bond_pads: NDArray[np.bool_]
    moat: NDArray[np.bool_]


def draw_layout(config: SimulationConfig, lot: str) -> Layout:
    """Draw the lead frame of a lot."""
    rng, geometry = stream(config.seed, "layout", lot), config.geometry
    body = between(rng, geometry.body_um)
    width = between(rng, geometry.die_pad_um)
    height = width * between(rng, geometry.die_pad_aspect)
    two_sided = rng.random() < geometry.two_sided_share
    if two_sided:
        height = body - 2 * geometry.lead_corner_um[0]
    diagonal_ties = not two_sided or rng.random() < geometry.diagonal_tie_share
    straight_place = None if diagonal_ties else geometry.straight_tie_place
    inset, moat_width = between(rng, geometry.moat_inset_um), between(rng, geometry.moat_width_um)
    return Layout(
        body=body,
        die_pad=(width, height),
        die_pad_radius=between(rng, geometry.die_pad_radius_um),
        chamfer=between(rng, geometry.chamfer_um),
        leads=tuple(_leads(rng, geometry, body, (width, height), two_sided=two_sided)),
        tie_bars=_tie_bars(body / 2, width / 2, height / 2, straight_place),
        tie_bar_width=between(rng, geometry.tie_bar_um),
        moat=(inset, moat_width) if rng.random() < geometry.moat_share else None,
    )


def _leads(
    rng: np.random.Generator, geometry: Geometry, body: float, die_pad: tuple[float, float], *, two_sided: bool
) -> list[Lead]:
    pitch = between(rng, geometry.pitch_um)
    pad_width = pitch * between(rng, geometry.bond_pad_width_share)
    finger = pitch * between(rng, geometry.finger_width_share)
    length = between(rng, geometry.bond_pad_length_um)
    room = body - 2 * between(rng, geometry.lead_corner_um)
    count = int(min(max(room // pitch + 1, 1), MAX_LEADS // 4))
    along = (np.arange(count) - (count - 1) / 2) * pitch
    pad_gap = between(rng, geometry.pad_gap_um)
    reach = (die_pad[0] / 2 + pad_gap, die_pad[1] / 2 + pad_gap)
    edge = body / 2
    leads = []
    for offset in along.tolist():
        diagonal = 0.0 if two_sided else abs(offset) + pad_width / 2 + pad_gap
        tips = [max(side, diagonal) for side in reach]
        for sign in (-1.0, 1.0):
            if edge - tips[0] > length:
                leads.append(Lead((sign * edge, offset), (sign * tips[0], offset), length, pad_width, finger))
            if not two_sided and edge - tips[1] > length:
                leads.append(Lead((offset, sign * edge), (offset, sign * tips[1]), length, pad_width, finger))
    return leads


def _tie_bars(
    edge: float, half_width: float, half_height: float, straight_place: float | None
) -> tuple[tuple[Point, Point], ...]:
    start, end = (half_width * _WELL_INSIDE, edge)
    if straight_place is not None:
        start = end = half_width * straight_place
    return tuple(
        ((sx * start, sy * half_height * _WELL_INSIDE), (sx * end, sy * edge)) for sx in (-1, 1) for sy in (-1, 1)
    )


def die_pad_outline(layout: Layout, inset: float = 0.0) -> list[Point]:
    """Return the corners of the die pad as a polygon with rounded corners and the pin-1 chamfer, µm, clockwise.

    ``inset`` moves the outline inwards.
    """
    half = (layout.die_pad[0] / 2 - inset, layout.die_pad[1] / 2 - inset)
    radius = max(layout.die_pad_radius - inset, 1.0)
    chamfer = max(layout.chamfer - inset, 1.0)
    points: list[Point] = [(-half[0], -half[1] + chamfer), (-half[0] + chamfer, -half[1])]
    for sx, sy, start in ((1, -1, -90.0), (1, 1, 0.0), (-1, 1, 90.0)):
        for angle in np.radians(start + np.linspace(0, 90, 6)):
            x = sx * (half[0] - radius) + radius * float(np.cos(angle))
            y = sy * (half[1] - radius) + radius * float(np.sin(angle))
            points.append((x, y))
    return points


def lead_outline(lead: Lead, *, bond_pad_only: bool = False) -> list[Point]:
    """Return a lead's polygon: a narrow finger from the body's edge that widens to the bond pad at the tip, µm."""
    axis = np.subtract(lead.inner, lead.outer)
    length = float(np.hypot(*axis))
    along = axis / max(length, 1e-9)
    across = np.array([-along[1], along[0]])
    pad = min(lead.bond_pad_length, length)
    shoulder = length - pad
    wide, narrow = lead.bond_pad_width / 2, lead.finger_width / 2
    steps = [(shoulder, wide), (length, wide)]
    if not bond_pad_only:
        steps = [(0.0, narrow), (max(shoulder - (wide - narrow), 0.0), narrow), *steps]
    profile = [*steps, *[(position, -half) for position, half in reversed(steps)]]
    corners = (
        np.array(lead.outer) + np.outer([p for p, _ in profile], along) + np.outer([h for _, h in profile], across)
    )
    return [(float(x), float(y)) for x, y in corners]


def rasterise(layout: Layout, side: int, pixel_um: float) -> Frame:
    """Return the layout on a grid of (side, side) pixels with the package's centre in the middle."""
    half = layout.body / 2
    body = _filled([(-half, -half), (half, -half), (half, half), (-half, half)], side, pixel_um).astype(bool)
    die_pad = _filled(die_pad_outline(layout), side, pixel_um).astype(bool)
    leads = np.zeros((side, side), np.uint8)
    bond_pads = np.zeros((side, side), np.uint8)
    for number, lead in enumerate(layout.leads, start=1):
        _fill(leads, lead_outline(lead), pixel_um, number)
        _fill(bond_pads, lead_outline(lead, bond_pad_only=True), pixel_um, number)
    ties = np.zeros((side, side), np.uint8)
    for start, end in layout.tie_bars:
        _fill(ties, _bar(start, end, layout.tie_bar_width), pixel_um, 1)
    leads[die_pad | ~body] = 0
    moat = np.zeros((side, side), bool)
    if layout.moat is not None:
        inset, width = layout.moat
        outer = _filled(die_pad_outline(layout, inset), side, pixel_um)
        inner = _filled(die_pad_outline(layout, inset + width), side, pixel_um)
        moat = (outer > inner) & die_pad
    metal = (die_pad | (leads > 0) | (ties > 0)) & body
    return Frame(body, metal, die_pad, leads, (bond_pads > 0) & (leads == bond_pads), moat)


def _bar(start: Point, end: Point, width: float) -> list[Point]:
    along = np.subtract(end, start)
    across = np.array([-along[1], along[0]]) / max(float(np.hypot(*along)), 1e-9) * width / 2
    corners = [np.add(start, across), np.add(end, across), np.subtract(end, across), np.subtract(start, across)]
    return [(float(x), float(y)) for x, y in corners]


def _filled(outline: list[Point], side: int, pixel_um: float) -> NDArray[np.uint8]:
    mask = np.zeros((side, side), np.uint8)
    _fill(mask, outline, pixel_um, 1)
    return mask


def _fill(mask: NDArray[np.uint8], outline: list[Point], pixel_um: float, value: int) -> None:
    centre = (mask.shape[0] - 1) / 2
    pixels = np.asarray(outline) / pixel_um + centre
    scaled = np.round(pixels * 2**_SUBPIXEL_BITS).astype(np.int32)
    cv2.fillPoly(mask, [scaled], color=(value,), lineType=cv2.LINE_8, shift=_SUBPIXEL_BITS)
