import numpy as np
import pytest

from csam_lightning.evaluation.reliability import class_reliability
from csam_lightning.figures.calibration import draw_reliability


def test_reliability_diagram_shows_every_filled_bin_of_each_class_and_how_many_scans_it_holds() -> None:
    codes = np.array([0, 0, 1, 1])
    before = np.array([[0.9, 0.1], [0.9, 0.1], [0.9, 0.1], [0.1, 0.9]])
    after = np.array([[0.65, 0.35], [0.65, 0.35], [0.65, 0.35], [0.01, 0.99]])
    kinds = {"before": before, "after": after}
    found = {name: [one.curve for one in class_reliability(kind, codes, None)] for name, kind in kinds.items()}
    figure = draw_reliability(("A", "B"), found, title="a cell")
    assert [axis.get_title() for axis in figure.axes] == ["class A", "class B"]
    axis = figure.axes[0]
    drawn = {points.get_label(): np.asarray(points.get_offsets()) for points in axis.collections}
    np.testing.assert_allclose(drawn["share of the class, before"], [[0.1, 0], [0.9, 2 / 3]])
    np.testing.assert_allclose(drawn["share of the class, after"], [[0.01, 0], [0.65, 2 / 3]])
    bars = [bar.get_path().get_extents(bar.get_patch_transform()) for bar in axis.patches]
    assert [bar.height for bar in bars if bar.height] == pytest.approx([0.25, 0.75])
    assert [bar.x0 for bar in bars if bar.height] == pytest.approx([0, 9 / 15])


def test_classes_beyond_four_begin_a_new_row() -> None:
    probabilities = np.full((5, 5), 0.2)
    found = {"after": [one.curve for one in class_reliability(probabilities, np.arange(5), None)]}
    figure = draw_reliability(tuple("ABCDE"), found)
    assert [axis.get_title() for axis in figure.axes] == [f"class {name}" for name in "ABCDE"]
