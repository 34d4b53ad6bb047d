"""Images against what the reflection coefficients demand, with everything else switched off."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from csam_lightning.simulation.config import SimulationConfig
from csam_lightning.simulation.delamination import NEVER, History
from csam_lightning.simulation.imaging import build_interface, take_scan
from csam_lightning.simulation.package import PackageId
from csam_lightning.simulation.specimen import Specimen, make_specimen

CU = PackageId("Cu", 0, test=False)
FAULTS = (
    "gain_drift",
    "line_gain",
    "line_jitter_um",
    "backlash_um",
    "placement_um",
    "rotation_deg",
    "tilt_deg",
    "warpage_um",
    "focus_um",
    "gate_drift_ns",
    "noise",
    "bubbles_per_scan",
)


@pytest.fixture(scope="module")
def ideal(shipped: SimulationConfig) -> SimulationConfig:
    """A microscope without faults over a homogeneous mould."""
    quiet: dict[str, Any] = dict.fromkeys(FAULTS, 0.0)
    return replace(
        shipped,
        geometry=replace(shipped.geometry, moat_share=0.0),
        growth=replace(shipped.growth, contact_islands=0.0, process_zone_um=[0.0, 0.0]),
        water=replace(shipped.water, lead_share=0.0),
        mould=replace(shipped.mould, speckle=0.0, voids_per_package=0.0, attenuation_spread=0.0, impedance_spread=0.0),
        scanner=replace(shipped.scanner, **quiet),
    )


def opened(config: SimulationConfig, where: str, package: PackageId = CU) -> Specimen:
    """Return a specimen whose delamination at the second read-out is the given region, or half of the die pad."""
    specimen = make_specimen(config, package)
    regions = {
        "none": specimen.frame.metal & False,
        "die pad": specimen.frame.die_pad,
        "leads": specimen.frame.leads > 0,
    }
    half = specimen.frame.die_pad.copy()
    half[:, config.image_px // 2 :] = False
    region = {**regions, "half": half}[where]
    arrival = np.where(region, 1, NEVER).astype(np.uint8)
    return replace(specimen, history=History(arrival, np.zeros(6), np.zeros(6)))


def scan(config: SimulationConfig, specimen: Specimen, read_out: int = 1) -> NDArray[np.float64]:
    image, _ = take_scan(config, specimen, build_interface(config, specimen), read_out)
    return image.astype(np.float64)


def test_gap_is_brighter_than_bonded_copper_by_the_ratio_of_reflections(ideal: SimulationConfig) -> None:
    bonded = scan(ideal, opened(ideal, "none"))[190:210, 190:210]
    gap = scan(ideal, opened(ideal, "die pad"))[190:210, 190:210]
    assert bonded.mean() == pytest.approx(ideal.scanner.metal_grey, abs=1)
    assert gap.mean() / bonded.mean() == pytest.approx(49.7 / 35.7, abs=0.02)
    assert gap.mean() / bonded.mean() == pytest.approx(1.37, abs=0.03)


def test_opposite_signs_cancel_at_the_front_of_a_delamination(ideal: SimulationConfig) -> None:
    row = scan(ideal, opened(ideal, "half"))[200, 150:250]
    assert row[:20].mean() == pytest.approx(ideal.scanner.metal_grey * 1.39, rel=0.02)
    assert row[-20:].mean() == pytest.approx(ideal.scanner.metal_grey, rel=0.02)
    assert row[40:60].min() < 0.2 * row[-20:].mean()
    dark = (row < 0.5 * row[-20:].mean()).sum() * ideal.pixel_um
    assert 20 <= dark <= 91


def test_thin_water_hides_a_delaminated_lead(ideal: SimulationConfig) -> None:
    thin = replace(
        ideal, water=replace(ideal.water, lead_share=1.0, gap_um=0.01, gap_spread=0.0, penetration=[1.0, 1.0])
    )
    bonded, dry = scan(ideal, opened(ideal, "none")), scan(ideal, opened(ideal, "leads"))
    specimen = opened(thin, "leads")
    wet, mask = take_scan(thin, specimen, build_interface(thin, specimen), 1)
    on_leads = specimen.frame.leads > 0
    assert np.abs(wet - bonded)[on_leads].mean() < 2
    assert np.abs(dry - bonded)[on_leads].mean() > 15
    assert set(np.unique(mask)) == {0, 85, 170}
    assert np.array_equal(mask == 170, specimen.frame.bond_pads)


def test_what_is_no_metal_is_dark(shipped: SimulationConfig) -> None:
    specimen = make_specimen(shipped, PackageId("Ag", 0, test=False))
    image = scan(shipped, specimen, 0)
    mould = specimen.frame.body & ~specimen.frame.metal
    beside = ~specimen.frame.body
    assert image[beside].mean() < image[mould].mean() < 0.5 * image[specimen.frame.die_pad].mean()


def test_metallization_hardly_shows(ideal: SimulationConfig) -> None:
    greys = [
        scan(ideal, opened(ideal, "none", PackageId(name, 0, test=False)))[200, 200] for name in ("Ag", "NiPdAu", "Cu")
    ]
    assert np.ptp(greys) <= 0.03 * np.mean(greys)


def test_mask_shows_the_true_share_where_the_scan_lies(shipped: SimulationConfig) -> None:
    specimen = make_specimen(shipped, PackageId("NiPdAu", 22, test=False))
    interface = build_interface(shipped, specimen)
    image, mask = take_scan(shipped, specimen, interface, 3)
    assert image.shape == mask.shape == (400, 400)
    assert image.dtype == mask.dtype == np.uint8
    share = (mask == 255).sum() / specimen.frame.die_pad.sum()
    assert 0.1 < share == pytest.approx(specimen.history.die_pad_share[3], abs=0.02)


def test_scans_of_one_package_look_alike_and_are_no_copies(shipped: SimulationConfig) -> None:
    still = replace(shipped, scanner=replace(shipped.scanner, placement_um=0.0, rotation_deg=0.0))
    mine, other = (make_specimen(still, PackageId("Cu", number, test=False)) for number in (0, 1))
    pad = mine.frame.die_pad
    first, second = scan(still, mine, 0)[pad], scan(still, mine, 1)[pad]
    stranger = scan(still, other, 1)[pad]
    assert not np.array_equal(first, second)
    assert np.corrcoef(first, second)[0, 1] > 0.6
    assert abs(np.corrcoef(first, stranger)[0, 1]) < 0.3
