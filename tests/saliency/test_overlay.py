import numpy as np
import pytest

from csam_lightning.saliency.overlay import MOST_SIDE, heat, overlay

SIDE = 40


def test_a_scan_shines_through_where_the_map_is_silent_and_is_tinted_where_it_speaks() -> None:
    scan = np.random.default_rng(0).integers(0, 256, (60, 90), dtype=np.uint8)
    saliency = np.zeros((SIDE, SIDE), np.float32)
    saliency[:, SIDE // 2 :] = 1
    painted = overlay(scan, saliency, opacity=0.5)
    assert painted.shape == (60, 90, 3)
    assert (painted[:, :40] == scan[:, :40, None]).all()
    colour = heat(saliency, (60, 90))[0, -1, :3].astype(float)
    expected = (scan[:, 50:, None] + colour) / 2
    assert np.abs(painted[:, 50:] - expected).max() <= 0.51
    assert (overlay(scan, saliency, opacity=0) == scan[..., None]).all()


def test_the_colours_rise_evenly_in_lightness_and_are_told_from_every_grey() -> None:
    """Lightness as CIE defines it (L*), which colour-blind readers see too."""
    levels = np.linspace(0, 1, 256, dtype=np.float32)[None]
    layer = heat(levels**2, levels.shape)
    assert (np.diff(layer[0, :, 3].astype(int)) >= 0).all()
    linear = np.where((rgb := layer[0, :, :3] / 255) <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    lightness = 116 * np.cbrt(linear @ [0.2126, 0.7152, 0.0722]) - 16
    steps = np.diff(lightness[::16])
    assert (steps > 0).all()
    assert steps.max() < 3 * steps.min()
    assert np.ptp(layer[0, :, :3].astype(int), axis=1).min() > 50


def test_an_overlay_of_a_huge_scan_is_reduced() -> None:
    scan = np.zeros((2 * MOST_SIDE, 4 * MOST_SIDE), np.uint8)
    assert overlay(scan, np.zeros((SIDE, SIDE), np.float32)).shape == (MOST_SIDE // 2, MOST_SIDE, 3)


@pytest.mark.parametrize("value", [-0.5, 1.5])
def test_values_beyond_the_scale_take_its_ends(value: float) -> None:
    layer = heat(np.full((2, 2), value, np.float32), (2, 2))
    assert (layer[..., 3] == (255 if value > 0 else 0)).all()
