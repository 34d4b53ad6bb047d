import numpy as np

from csam_lightning.saliency.baselines import brightness, edges


def test_edges_lie_about_the_outline_and_brightness_on_the_area() -> None:
    scan = np.full((1, 60, 60), 50, np.uint8)
    scan[0, 20:40, 20:40] = 150
    found, bright = edges(scan, smooth=1.0), brightness(scan)
    assert found.dtype == bright.dtype == np.float32
    assert found.min() == bright.min() == 0
    assert found.max() == bright.max() == 1
    assert found[0, 30, 20] > 0.8
    assert found[0, 30, 30] < 1e-3
    assert found[0, 5, 5] < 1e-3
    assert bright[0, 30, 30] > 0.999
    assert bright[0, 5, 5] < 1e-3


def test_a_blank_scan_has_neither() -> None:
    blank = np.full((2, 30, 30), 255, np.uint8)
    assert edges(blank).max() < 1e-3
    assert brightness(blank).max() < 1e-3
