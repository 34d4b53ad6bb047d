"""What the figures show: the marks on them are the numbers."""

from pathlib import Path

import numpy as np
import pytest
from matplotlib.container import BarContainer
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from csam_lightning.figures.cell import Matrix, draw_confusion, draw_curves
from csam_lightning.figures.style import CLASS_COLOURS, class_styles, save, shown, styled
from csam_lightning.reporting.cell_items import matrix
from csam_lightning.reporting.cells import ReportCell, read_cell
from csam_lightning.reporting.comparison import Comparison, compared
from csam_lightning.reporting.evidence import SplitScores
from csam_lightning.reporting.figures_data import (
    counts_after,
    counts_before,
    delaminated,
    draw_class_counts,
    draw_metallizations,
)
from csam_lightning.reporting.figures_sweep import DRAWN, Chosen, draw_cost, draw_factor, draw_grid, draw_ranking
from csam_lightning.reporting.out_of_fold import parsed
from tests.reporting.conftest import CLASSES, MATRIX, Made, Said, balance_csv, scans_csv, stored


def cell(made: Made) -> ReportCell:
    found = read_cell(*stored(made))
    assert isinstance(found, ReportCell)
    return found


UNKNOWN = Comparison([], {}, frozenset())
"""No cell has predictions."""


def points(line: Line2D) -> list[list[float]]:
    found: list[list[float]] = np.asarray(line.get_xydata(), dtype=float).tolist()
    return found


def texts(figure: Figure) -> list[str]:
    legends = [entry.get_text() for legend in figure.legends for entry in legend.get_texts()]
    titles = [axis.get_title() for axis in figure.axes]
    return [text.get_text() for axis in figure.axes for text in axis.texts] + titles + legends


def test_factor_figure_shows_every_fold_the_means_and_the_chosen_cells() -> None:
    cells = [cell(Made(size=size, delta_accuracy=size / 4000)) for size in (280, 420, 840)]
    figure = draw_factor(cells, "data_size", Chosen(cells[1], cells[2]))
    accuracy = figure.axes[0]
    means = next(line for line in accuracy.lines if line.get_color() == "black" and len(points(line)) == 3)
    assert points(means) == [pytest.approx(point) for point in [[280, 0.07], [420, 0.105], [840, 0.21]]]
    folds = [line for line in accuracy.lines if line.get_color() == "#999999"]
    assert points(folds[0]) == [pytest.approx([280, y]) for y in (0.06, 0.07, 0.08)]
    marks = {str(line.get_label()): points(line) for line in accuracy.lines if line.get_fillstyle() == "none"}
    assert marks["chosen: our rule"] == [pytest.approx([420, 0.105])]
    assert marks["chosen: paper's rule"] == [pytest.approx([840, 0.21])]
    assert "mean ± sd, 3 folds" in texts(figure)
    assert accuracy.get_xlabel() == "data size / images"
    assert figure.axes[1].get_ylabel() == "Δ loss / nat (training − validation)"


def test_grid_writes_each_score_at_its_place() -> None:
    made = [
        Made(size=s, side=p, batch=b, f1=(s / 1000 + p / 10000 + b / 1000,) * 2)
        for s in (420, 840)
        for p in (50, 100)
        for b in (4, 8)
    ]
    cells = [cell(one) for one in made if (one.size, one.side, one.batch) != (840, 100, 8)]
    figure = draw_grid(cells, Chosen(cells[0], cells[0]))
    assert [axis.get_title() for axis in figure.axes[:2]] == ["batch size 4", "batch size 8"]
    assert [text.get_text() for text in figure.axes[0].texts] == [".43", ".43", ".85", ".85"]
    assert [text.get_text() for text in figure.axes[1].texts] == [".43", ".44", ".85", "-"]
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["420", "840"]


def test_ranking_draws_the_best_and_the_chosen() -> None:
    cells = [cell(Made(size=100 + n, f1=(0.9 - n / 100, 0.91 - n / 100))) for n in range(DRAWN + 5)]
    figure = draw_ranking(cells, UNKNOWN, Chosen(cells[-1], cells[0]))
    names = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert names == [one.name for one in [*cells[:DRAWN], cells[-1]]]


def test_ranking_draws_scores_over_all_scans_and_parts_other_scans() -> None:
    cells = [cell(Made(size=size, side=side)) for size, side in ((840, 100), (840, 50), (420, 100))]
    said = [Said((9, 9, 9, 9)), Said((5, 6, 5, 7)), Said((8, 8, 8, 8), packages=5)]
    predictions = {one.id: parsed(each.csv) for one, each in zip(cells, said, strict=True)}
    comparison = compared(cells, predictions, cells)
    axis = draw_ranking(cells, comparison, Chosen(cells[0], cells[1])).axes[0]
    dots = [points(line)[0] for line in axis.lines if line.get_marker() == "o" and line.get_color() == "black"]
    assert dots == [[pytest.approx(comparison.score(one).value), 3 - place] for place, one in enumerate(cells)]
    bars = [points(line) for line in axis.lines if line.get_linewidth() == 5]
    assert bars[1] == [[comparison.score(cells[1]).low, 2], [comparison.score(cells[1]).high, 2]]
    assert [points(line)[0][1] for line in axis.lines if line.get_linestyle() == ":"] == [1.5]


def test_ranking_of_single_folds_is_drawn(tmp_path: Path) -> None:
    cells = [cell(Made(size=size, f1=(0.5,))) for size in (420, 840)]
    save(draw_ranking(cells, UNKNOWN, Chosen(None, cells[0])), tmp_path / "ranking")
    assert (tmp_path / "ranking.png").stat().st_size > 1000


def test_cost_shows_time_against_worth() -> None:
    cells = [cell(Made(side=side, batch=batch, seconds=side * batch)) for side in (50, 100) for batch in (4, 8)]
    figure = draw_cost(cells, Chosen(cells[0], cells[3]))
    batch_8 = next(line for line in figure.axes[0].lines if line.get_label() == "batch 8")
    assert points(batch_8) == [pytest.approx(point) for point in [[400, 0.82], [800, 0.82]]]
    assert figure.axes[0].get_xscale() == "log"


def test_class_counts_are_those_of_the_tables() -> None:
    before = counts_before(scans_csv())
    assert before.to_dict("index") == {
        0: {"A": 0, "B": 0, "D": 6},
        300: {"A": 1, "B": 1, "D": 4},
        500: {"A": 2, "B": 2, "D": 2},
    }
    balance = balance_csv(last=300)
    assert counts_after(balance, "copies").to_dict("index") == {
        0: {"A": 0, "B": 1, "D": 0},
        300: {"A": 0, "B": 1, "D": 0},
    }
    figure = draw_class_counts(scans_csv(), balance, CLASSES)
    tops = [max(bar.get_y() + bar.get_height() for bar in bars(figure, side, 0)) for side in (0, 1)]
    assert tops == [6, 7]
    assert [label.get_text() for label in figure.axes[1].get_xticklabels()] == ["0", "300", "500"]
    assert max(bar.get_y() + bar.get_height() for bar in bars(figure, 1, 2)) == 0


def bars(figure: Figure, side: int, place: int) -> list[Rectangle]:
    containers = [found for found in figure.axes[side].containers if isinstance(found, BarContainer)]
    return [container.patches[place] for container in containers]


def test_unknown_read_outs_are_told() -> None:
    scans = scans_csv().assign(cycles=np.nan)
    balance = balance_csv(last=0).assign(cycles=np.nan)
    figure = draw_class_counts(scans, balance, CLASSES)
    assert [label.get_text() for label in figure.axes[0].get_xticklabels()] == ["unknown"]


def test_share_delaminated_follows_the_classes() -> None:
    scans = scans_csv()
    scans.loc[scans["path"] == "3-500.png", "label"] = "C"
    shares = delaminated(scans).set_index(["metallization", "cycles"]).to_dict("index")
    assert shares["NiPdAu", 500] == {"die pad": 1, "bond pad": 0.5, "scans": 2}
    assert shares["Ag", 300] == {"die pad": 0, "bond pad": 0.5, "scans": 2}
    assert {shares["Cu", cycles][region] for cycles in (0, 300, 500) for region in ("die pad", "bond pad")} == {0}
    figure = draw_metallizations(delaminated(scans), [])
    assert [axis.get_title() for axis in figure.axes] == [
        f"{name}: 2 scans per read-out" for name in ("Ag", "Cu", "NiPdAu")
    ]


def test_scores_stand_beside_the_paper_s_numbers() -> None:
    scores = SplitScores(0.85, 0.84, 0.86, 0.85, CLASSES, MATRIX)
    assert matrix("420 px100 b8", scores, (0.68, 0.59)).title == (
        "420 px100 b8\n86 test scans, accuracy 0.85\nprecision 0.84 (paper: 0.68), recall 0.86 (paper: 0.59)"
    )
    assert "paper" not in matrix("840 px100 b8", scores, None).title


def test_confusion_matrices_hold_the_counts() -> None:
    figure = draw_confusion([Matrix("one", CLASSES, np.array(MATRIX)), Matrix("two", CLASSES, np.array(MATRIX))])
    assert [axis.get_title() for axis in figure.axes[:2]] == ["one", "two"]
    assert [int(text.get_text()) for text in figure.axes[0].texts] == np.array(MATRIX).ravel().tolist()


def test_curves_are_the_mean_over_the_epochs_that_all_folds_have() -> None:
    names = ("train/loss", "val/loss", "train/accuracy", "val/accuracy")
    one, other = {1: 1.0, 2: 0.5}, {1: 0.5, 2: 0.25, 3: 0.1}
    figure = draw_curves([dict.fromkeys(names, one), dict.fromkeys(names, other)])
    [mean] = [line for line in figure.axes[0].lines if line.get_label() == "validation"]
    assert points(mean) == [pytest.approx(point) for point in [[1, 0.75], [2, 0.375]]]


def test_a_class_looks_the_same_everywhere_and_no_two_classes_do() -> None:
    names = [f"class {number}" for number in range(40)]
    styles = class_styles(names)
    assert len(set(styles.values())) == 40
    assert class_styles(names[:4]) == {name: styles[name] for name in names[:4]}
    assert [styles[name].colour for name in names[:8]] == list(CLASS_COLOURS)


@pytest.mark.parametrize(
    ("text", "seen"),
    [("840 px100 b8", "840 px100 b8"), ("a\nb\tc", "a b c"), ("x\x00\x1b[0m", "x??[0m"), ("n" * 99, "n" * 39 + "…")],
)
def test_text_from_the_store_is_made_fit_for_a_figure(text: str, seen: str) -> None:
    assert shown(text) == seen


def test_figures_are_the_same_bytes_each_time_and_read_no_formulas(tmp_path: Path) -> None:
    hostile = Matrix("$x_{", ["$\\frac{", "<b>", "&amp;", "漢"], np.array(MATRIX))
    for name in ("one", "two"):
        with styled():
            save(draw_confusion([hostile]), tmp_path / name)
    for suffix in (".png", ".svg"):
        first, second = ((tmp_path / name).with_suffix(suffix).read_bytes() for name in ("one", "two"))
        assert first == second
