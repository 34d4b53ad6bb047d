"""Lead frames as drawn and as pixels."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
import scipy.ndimage
from hypothesis import given, settings
from hypothesis import strategies as st

from csam_lightning.simulation.config import SimulationConfig
from csam_lightning.simulation.package import PackageId, die_pad_outline, draw_layout, rasterise


@given(seed=st.integers(0, 2**31))
@settings(max_examples=25)
def test_every_lead_frame_fits_its_body(shipped: SimulationConfig, seed: int) -> None:
    layout = draw_layout(replace(shipped, seed=seed), "lot")
    frame = rasterise(layout, shipped.image_px, shipped.pixel_um)
    assert not (frame.metal & ~frame.body).any()
    assert not (frame.die_pad & (frame.leads > 0)).any()
    assert not (frame.bond_pads & (frame.leads == 0)).any()
    assert not (frame.moat & ~frame.die_pad).any()
    assert frame.leads.max() == len(layout.leads) >= 8
    _, islands = scipy.ndimage.label(frame.leads > 0, structure=np.ones((3, 3)))
    assert islands == len(layout.leads)
    _, touching = scipy.ndimage.label(frame.die_pad | (frame.leads > 0), structure=np.ones((3, 3)))
    assert touching == len(layout.leads) + 1
    with_pad = np.unique(frame.leads[frame.bond_pads])
    assert with_pad.tolist() == list(range(1, len(layout.leads) + 1))


def test_pixels_hold_the_area_that_was_drawn(shipped: SimulationConfig) -> None:
    layout = draw_layout(shipped, "lot")
    frame = rasterise(layout, shipped.image_px, shipped.pixel_um)
    outline = np.array(die_pad_outline(layout), dtype=np.float32)
    assert frame.die_pad.sum() * shipped.pixel_um**2 == pytest.approx(cv2.contourArea(outline), rel=0.02)
    assert frame.body.sum() * shipped.pixel_um**2 == pytest.approx(layout.body**2, rel=0.02)
    pads = sum(lead.bond_pad_length * lead.bond_pad_width for lead in layout.leads)
    assert frame.bond_pads.sum() * shipped.pixel_um**2 == pytest.approx(pads, rel=0.12)


def test_packages_of_a_lot_share_their_lead_frame_and_lots_differ(shipped: SimulationConfig) -> None:
    lots = [PackageId("Ag", number, test=False).lot(shipped.geometry.lot_packages) for number in range(10)]
    assert lots == ["Ag-lot0"] * 5 + ["Ag-lot1"] * 5
    assert draw_layout(shipped, lots[0]) == draw_layout(shipped, lots[4])
    assert draw_layout(shipped, lots[0]) != draw_layout(shipped, lots[5])
    layouts = [draw_layout(shipped, f"lot{number}") for number in range(60)]
    assert {len(layout.tie_bars) for layout in layouts} == {4}
    assert 0 < sum(layout.moat is not None for layout in layouts) < 60
    sides = [
        len({lead.outer[0] for lead in layout.leads if abs(lead.outer[0]) < layout.body / 2}) for layout in layouts
    ]
    assert 0 < sum(count == 0 for count in sides) < 60


def test_test_packages_have_names_and_lots_of_their_own() -> None:
    train, test = PackageId("Ag", 7, test=False), PackageId("Ag", 7, test=True)
    assert (train.name, test.name) == ("Ag-007", "Ag-T0007")
    assert train.lot(5) != test.lot(5)
