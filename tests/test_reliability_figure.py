import numpy as np
import pytest

from csam_lightning.figures.calibration import draw_reliability


def test_reliability_diagram_shows_every_filled_bin_and_how_many_scans_it_holds() -> None:
    scans = np.array([0, 1, 3])
    confidence, accuracy = np.array([np.nan, 0.5, 0.9]), np.array([np.nan, 0.0, 1.0])
    figure = draw_reliability({"before": (scans, confidence, accuracy), "after": (scans, confidence, accuracy)})
    assert [axis.get_title() for axis in figure.axes] == ["before", "after"]
    axis = figure.axes[0]
    drawn = {line.get_label(): line.get_xydata() for line in axis.lines}
    assert np.asarray(drawn["share classified rightly"]).tolist() == [[0.5, 0.0], [0.9, 1.0]]
    bars = [bar.get_path().get_extents(bar.get_patch_transform()) for bar in axis.patches]
    assert [bar.height for bar in bars] == pytest.approx([0, 0.25, 0.75])
    assert [bar.x0 for bar in bars] == pytest.approx([0, 1 / 3, 2 / 3])
