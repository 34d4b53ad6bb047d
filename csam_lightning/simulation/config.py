"""Every number of the simulator: meaning, unit and source stand in conf/simulation/pqfn.yaml, checks in checks.py."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Material:
    """An acoustic medium: longitudinal velocity in m/s, impedance in MRayl."""

    velocity_m_s: float
    impedance_mrayl: float


@dataclass(frozen=True)
class Metallization:
    """A surface finish on copper, and how readily the mould compound comes off it."""

    finish: str
    finish_um: float
    die_pad_drive: float
    bond_pad_drive: float


@dataclass(frozen=True)
class Geometry:
    """Lead frames: pairs are the [least, greatest] value that a lot of packages draws from."""

    lot_packages: int
    body_um: list[float]
    die_pad_um: list[float]
    die_pad_aspect: list[float]
    die_pad_radius_um: list[float]
    chamfer_um: list[float]
    pad_gap_um: list[float]
    pitch_um: list[float]
    bond_pad_width_share: list[float]
    bond_pad_length_um: list[float]
    finger_width_share: list[float]
    lead_corner_um: list[float]
    two_sided_share: float
    tie_bar_um: list[float]
    diagonal_tie_share: float
    straight_tie_place: float
    moat_share: float
    moat_inset_um: list[float]
    moat_width_um: list[float]
    moat_echo: float


@dataclass(frozen=True)
class Growth:
    """How delaminations nucleate, grow and merge."""

    paris_exponent: float
    rate_um_per_cycle: float
    saturation_um: float
    initial_um: float
    initial_aspect: float
    rounding_um: float
    incubation_cycles: float
    corner_drive: float
    corner_turn_deg: float
    edge_drive: float
    edge_nuclei_per_mm: float
    edge_reach: float
    lead_nuclei: int
    lead_tip_share: float
    site_spread: float
    lead_spread: float
    lot_spread: float
    die_pad_spread: float
    bond_pad_spread: float
    front_roughness: float
    front_grain_um: float
    process_zone_um: list[float]
    contact_islands: float
    island_onset: float
    island_grain_um: float


@dataclass(frozen=True)
class Water:
    """Water from the scanner's tank that has crept along leads into gaps."""

    lead_share: float
    gap_um: float
    gap_spread: float
    penetration: list[float]


@dataclass(frozen=True)
class Transducer:
    """The focused transducer."""

    frequency_mhz: float
    f_number: float


@dataclass(frozen=True)
class Mould:
    """The mould compound above and between the metal."""

    thickness_um: float
    attenuation_db_per_mm: float
    attenuation_exponent: float
    attenuation_reference_mhz: float
    attenuation_spread: float
    impedance_spread: float
    settling_grain_um: float
    speckle: float
    bottom_echo: float
    voids_per_package: float
    void_um: list[float]
    void_in_gate_share: float
    void_depth_share: list[float]
    void_shadow: float


@dataclass(frozen=True)
class Scanner:
    """The microscope, its water and the placing of a package under it."""

    water_path_mm: float
    water_attenuation_db_per_mm: float
    metal_grey: float
    gain_drift: float
    line_gain: float
    line_jitter_um: float
    backlash_um: float
    placement_um: float
    rotation_deg: float
    tilt_deg: float
    warpage_um: float
    warpage_asymmetry: float
    focus_um: float
    gate_ns: float
    gate_drift_ns: float
    noise: float
    holder_echo: float
    bubbles_per_scan: float
    bubble_um: list[float]
    bubble_shadow: float


@dataclass(frozen=True)
class Observer:
    """The inspector whose judgement becomes the label."""

    threshold: float
    error: float
    error_limit: float


@dataclass(frozen=True)
class SimulationConfig:
    """A simulated data set: what to make, of what, and how it is scanned and judged."""

    seed: int
    packages: dict[str, int]
    read_outs: list[int]
    image_px: int
    pixel_um: float
    test_counts: dict[str, int]
    test_scans_per_package: int
    test_package_limit: int
    materials: dict[str, Material]
    metallizations: dict[str, Metallization]
    geometry: Geometry
    growth: Growth
    water: Water
    transducer: Transducer
    mould: Mould
    scanner: Scanner
    observer: Observer
