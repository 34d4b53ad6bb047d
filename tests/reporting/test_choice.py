"""Which cell the report recommends, from cells whose predictions the tests choose."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from csam_lightning.reporting.advice import Advice, advise, cautions
from csam_lightning.reporting.candidate_tables import candidate_table, data_size_table
from csam_lightning.reporting.cells import ReportCell, read_cell
from csam_lightning.reporting.choice import Recommendation, choose_as_the_paper, choose_ours
from csam_lightning.reporting.comparison import Comparison, comparable, compared, work_shown
from csam_lightning.reporting.evidence import ErrorRate, ErrorRates
from csam_lightning.reporting.out_of_fold import OutOfFold, parsed
from csam_lightning.reporting.picking import TOLERANCE
from tests.reporting.conftest import Made, Said, stored

RATES = ErrorRates(0.9, ErrorRate(0.04, 0.01, 0.09), ErrorRate(0.02, 0.0, 0.05))
CASE = tuple[Made, Said | None]


def cell(made: Made) -> ReportCell:
    found = read_cell(*stored(made))
    assert isinstance(found, ReportCell)
    return found


def comparison_of(*cases: CASE) -> Comparison:
    cells = [cell(made) for made, _ in cases]
    predictions: Mapping[str, OutOfFold | str] = {
        one.id: "predictions.csv is not in the store" if said is None else parsed(said.csv)
        for one, (_, said) in zip(cells, cases, strict=True)
    }
    allowed, _ = comparable(cells)
    return compared(cells, predictions, [one for one in allowed if one.protocol == "grouped"])


def found_in(*cases: CASE, tolerance: float = TOLERANCE) -> Recommendation:
    found = choose_ours(comparison_of(*cases), tolerance=tolerance)
    assert found is not None
    return found


def name_of(found: Recommendation) -> str | None:
    return None if found.chosen is None else found.chosen.name


def advice_on(*cases: CASE, rates: ErrorRates | None = RATES, store: str | None = None) -> Advice:
    comparison, cells = comparison_of(*cases), [cell(made) for made, _ in cases]
    found = choose_ours(comparison, tolerance=TOLERANCE)
    return advise(comparison, found, {one.id: rates for one in cells}, cells, tolerance=TOLERANCE, store=store)


def test_the_worst_of_four_cells_is_not_chosen_for_its_few_seconds() -> None:
    good = [(Made(side=side, f1=(0.3, 0.95), seconds=900), Said((9, 9, 9, 9))) for side in (100, 150, 200)]
    worst = Made(side=50, f1=(0.2, 0.32), seconds=1), Said((0, 2, 3, 6))
    found = found_in(*good, worst)
    assert name_of(found) == "840 px100 b8"
    [row] = [row for row in candidate_table(found).rows if row[0] == "840 px50 b8"]
    assert row[-2] == "A"


def test_a_poor_cell_is_not_headlined_over_a_good_one_where_intervals_over_two_folds_overlap() -> None:
    best = Made(side=150, f1=(0.864, 0.940), seconds=697), Said((9, 9, 9, 9))
    poor = Made(side=50, f1=(0.530, 0.586), seconds=207), Said((5, 6, 5, 6))
    assert cell(best[0]).interval[0] < cell(poor[0]).interval[1]
    advice = advice_on(poor, best)
    assert advice.chosen is not None
    assert advice.chosen.name == "840 px150 b8"
    assert advice.sentences[0].startswith("Use 840 px150 b8: macro F1 0.9")


def test_a_paired_difference_separates_cells_whose_own_intervals_overlap() -> None:
    better, worse = (Made(side=200), Said((7, 7, 7, 7), skill=2)), (Made(side=100), Said((6, 6, 6, 6), skill=3))
    found = found_in(better, worse, tolerance=1.0)
    bounds = [found.interval(place) for place in range(2)]
    assert bounds[0][0] < bounds[1][1]
    assert bounds[1][0] < bounds[0][1]
    assert name_of(found) == "840 px200 b8"


def test_of_cells_near_the_best_the_one_of_least_work_is_taken_whatever_the_seconds() -> None:
    best = Made(side=200, seconds=1), Said((9, 9, 9, 9))
    near = Made(side=100, seconds=1000), Said((10, 9, 7, 10))
    longer = Made(side=100, batch=16, epochs=40, seconds=1), Said((10, 9, 7, 10))
    far = Made(side=50, seconds=1), Said((8, 8, 8, 8))
    assert name_of(found_in(best, near, longer, far)) == "840 px100 b8"
    assert name_of(found_in(best, near, longer, far, tolerance=0.0)) == "840 px200 b8"


def test_of_equal_work_the_better_score_is_taken() -> None:
    better, other = (Made(batch=16), Said((9, 9, 9, 9))), (Made(batch=8), Said((9, 9, 9, 9), skill=-1))
    assert name_of(found_in(other, better, tolerance=1.0)) == "840 px100 b16"


def test_work_is_images_times_pixels_times_epochs_over_all_folds() -> None:
    assert cell(Made(size=840, side=100, epochs=20, f1=(0.5,) * 5)).work == pytest.approx(840 * 4 * 100**2 * 20)
    assert np.isnan(cell(Made(params={"trainer.max_epochs": "many"})).work)
    assert np.isnan(cell(Made(f1=(0.5,))).work)


def test_a_cell_of_unknown_work_is_not_taken_for_its_little_work() -> None:
    unknown = Made(side=50, params={"trainer.max_epochs": "?"}), Said((9, 9, 9, 9))
    assert name_of(found_in((Made(side=100), Said((9, 9, 9, 9))), unknown)) == "840 px100 b8"


def test_seeds_of_one_setting_are_one_candidate_by_their_mean() -> None:
    seeds = [(Made(seed=seed), Said((right,) * 4)) for seed, right in enumerate((5, 9, 7))]
    found = found_in(*seeds, (Made(side=200), Said((8, 8, 8, 8))))
    assert [candidate.name for candidate in found.group.candidates] == ["840 px100 b8 (3 seeds)", "840 px200 b8"]
    scores, pooled = found.group.scores, found.group.pooled
    assert pooled.score[0] == pytest.approx(np.mean(scores.score[:3]))
    assert pooled.draws[0] == pytest.approx(scores.draws[:3].mean(axis=0))
    assert found.group.candidates[0].model.seed == 1
    assert name_of(found) == "840 px200 b8"
    assert "mean of 3 seeds" in advice_on(*seeds).sentences[0]


def test_seeds_that_validated_on_other_scans_are_not_pooled() -> None:
    comparison = comparison_of((Made(), Said()), (Made(seed=1), Said(names="other")))
    assert [len(group.cells) for group in comparison.groups] == [1, 1]


def test_cells_of_other_data_sizes_are_not_ranked_together() -> None:
    easy = [(Made(size=420, side=side), Said((10, 10, 10, 10), packages=5)) for side in (50, 100, 150)]
    all_scans = Made(size=840), Said((8, 8, 8, 8))
    comparison = comparison_of(*easy, all_scans)
    found = choose_ours(comparison, tolerance=TOLERANCE)
    assert found is not None
    assert name_of(found) == "840 px100 b8"
    assert [group.scans for group in comparison.groups] == [400, 200]
    said = cautions(comparison, [cell(made) for made, _ in (*easy, all_scans)])
    assert said[0] == (
        "Not ranked with these: 3 cells (data size 420). They validated on other scans than the 400 of the "
        "recommended group, the largest."
    )


def test_data_sizes_are_compared_on_the_scans_that_both_validated() -> None:
    comparison = comparison_of(
        (Made(size=420), Said((7, 7, 7, 7), packages=5)),
        (Made(size=420, side=50), Said((9, 9, 9, 9), packages=5)),
        (Made(size=840), Said((9, 9, 9, 9))),
    )
    found = choose_ours(comparison, tolerance=TOLERANCE)
    assert found is not None
    table = data_size_table(comparison, found)
    assert table is not None
    [[size, name, common, mine, other, difference, low, high]] = table.rows
    assert (size, name, common) == (420, "420 px100 b8", 200)
    assert mine == pytest.approx(0.9, abs=0.01)
    assert other == pytest.approx(0.7, abs=0.01)
    assert difference == pytest.approx(0.2)
    assert [low, high] == pytest.approx([0.2] * 2, abs=0.05)
    alone = comparison_of((Made(), Said()))
    assert data_size_table(alone, found) is None


@pytest.mark.parametrize("right", [(0, 0, 0, 10), (3, 2, 3, 2), (10, 0, 0, 0)])
def test_none_is_usable_where_the_best_is_no_better_than_guessing(right: Sequence[int]) -> None:
    cases = [(Made(side=side), Said(right)) for side in (50, 100)]
    found = found_in(*cases)
    assert found.chosen is None
    advice = advice_on(*cases)
    assert advice.chosen is None
    assert advice.command is None
    assert advice.sentences[0].startswith("None of the 2 candidates is usable yet: the best macro F1, ")
    assert advice.sentences[0].endswith(" is not separated from guessing (0.250).")
    assert "trainer.max_epochs" in advice.sentences[-1]
    assert advice.shown.id == found.best.model.id
    assert advice_on(cases[0]).sentences[0].startswith("840 px50 b8 is not usable yet: ")


def test_a_class_that_is_never_found_is_named_first() -> None:
    advice = advice_on((Made(), Said((0, 9, 9, 9))))
    assert advice.sentences[1] == "By its likeliest classes it never finds class A: look at the confusion matrix."


def test_a_cell_that_is_right_less_often_than_the_majority_class_is_said_to_be() -> None:
    many_sound = pd.concat([Said((8, 8, 8, 2)).table, *(Said((8, 8, 8, 2), names=f"more{n}").table for n in range(4))])
    rows = many_sound[many_sound["label"].eq("D") | many_sound["path"].str.startswith("scan")]
    one = cell(Made())
    comparison = compared([one], {one.id: parsed(rows.to_csv(index=False).encode())}, [one])
    found = choose_ours(comparison, tolerance=TOLERANCE)
    said = {}
    for accuracy in (None, 0.6, 0.7):
        rates = {} if accuracy is None else {one.id: replace(RATES, accuracy=accuracy)}
        said[accuracy] = advise(comparison, found, rates, [one], tolerance=TOLERANCE, store=None).sentences
    assert said[None][0].startswith("Of these cells take 840 px100 b8, but do not rely on it yet: macro F1 0.4")
    assert said[None][1] == (
        "By its likeliest classes it is right on 42.5 % of these scans, and always answering D on 62.5 %: train longer "
        "or on larger images."
    )
    assert said[0.6][1].startswith(
        "After calibration it is right on 60.0 % of these scans, and always answering D on 62.5 %"
    )
    assert said[0.7][0].startswith("Use 840 px100 b8: macro F1 0.4")


def test_the_first_sentences_say_what_to_use_and_what_to_expect() -> None:
    advice = advice_on((Made(side=200), Said((9, 9, 9, 9))), (Made(side=100), Said((10, 9, 7, 10))))
    use, errors, unseen, best, work = advice.sentences
    assert use.startswith("Use 840 px100 b8: macro F1 0.896 (95 % interval 0.8")
    assert use.endswith(" by its likeliest classes, before calibration, on 400 held-out scans of 40 packages.")
    assert errors == (
        "As the calibrated model judges, 4.0 % (1.0 to 9.0) of delaminated scans escape, and 2.0 % (0.0 to 5.0) of "
        "sound scans are overkilled."
    )
    assert unseen == "The choice between cells did not look at these two rates."
    assert "Cells are compared by their likeliest classes, before calibration." in advice.rule
    assert "is that of 840 px200 b8: 0.0" in best
    assert work == "The recommended cell takes a quarter of the work."
    assert advice.command == "python -m csam_lightning.predict model=840-100-8-grouped-0 input=DIR output=verdicts"
    assert advice.reason.startswith("2 of 2 candidates are near the best: 840 px100 b8, 840 px200 b8. Of these, ")


def test_what_older_runs_lack_is_said() -> None:
    advice = advice_on((Made(), Said()), rates=None, store="http://lab:5000")
    assert advice.sentences[1].startswith("Escape and overkill are not among its results. Run the training command")
    assert advice.command is not None
    assert advice.command.endswith(" tracking.uri='http://lab:5000'")


def test_a_cell_without_predictions_is_not_recommended() -> None:
    cases: list[CASE] = [(Made(side=50), Said((8, 8, 8, 8))), (Made(side=100), None)]
    comparison, cells = comparison_of(*cases), [cell(made) for made, _ in cases]
    assert name_of(found_in(*cases)) == "840 px50 b8"
    assert cautions(comparison, cells)[0] == (
        "Not among the candidates: 840 px100 b8 (predictions.csv is not in the store). They stand in the tables with "
        "Student's interval over the folds. Run the training command again: finished folds are not trained again."
    )
    score = comparison.score(cells[1])
    assert (score.value, score.by_package) == (cells[1].f1, False)
    assert (score.low, score.high) == cells[1].interval
    assert advice_on(cases[1]).sentences == [
        "No cell can be recommended: predictions.csv is not in the store.",
        "Run the training command again: finished folds are not trained again.",
    ]


def test_a_cell_of_the_published_protocol_is_not_recommended() -> None:
    published = Made(f1=(0.9, 0.9), protocol="published"), Said()
    advice = advice_on(published)
    assert advice.chosen is None
    assert advice.sentences[0] == "No cell can be recommended: all follow the published protocol."
    assert name_of(found_in(published, (Made(f1=(0.5, 0.6)), Said((8, 8, 8, 8))))) == "840 px100 b8"


def test_few_packages_are_told() -> None:
    said = cautions(comparison_of((Made(), Said(packages=4))), [])
    assert said == [
        "Only 16 packages validated: intervals of fewer than 30 are somewhat too narrow.",
    ]
    use, rare, *_ = advice_on((Made(), Said((9, 9, 9, 9), packages=4))).sentences
    assert use.startswith("Of these cells take 840 px100 b8, but do not rely on it yet: macro F1 0.9")
    assert rare == (
        "Classes that come from fewer than 5 packages (A from 4, B from 4, C from 4, D from 4) make macro F1 unsure."
    )


rights = st.tuples(*[st.integers(0, 10)] * 4)
cases = st.lists(st.tuples(st.sampled_from((50, 100, 200)), st.integers(0, 2), rights), min_size=1, max_size=5)


@given(cases, st.randoms(use_true_random=False))
def test_the_order_of_cells_does_not_matter_and_the_same_cells_give_the_same_numbers(
    drawn: list[tuple[int, int, tuple[int, ...]]], shuffle: random.Random
) -> None:
    made = {(side, seed): (Made(side=side, seed=seed), Said(right, packages=3)) for side, seed, right in drawn}
    one = list(made.values())
    other = shuffle.sample(one, len(one))
    assert advice_on(*one).sentences == advice_on(*other).sentences
    assert candidate_table(found_in(*one)) == candidate_table(found_in(*other))


@given(st.floats(0.01, 50))
def test_shares_of_work_are_written_for_people(share: float) -> None:
    assert work_shown(share).endswith("work")


@pytest.mark.parametrize(
    ("share", "words"),
    [
        (1 / 3, "a third of the work"),
        (0.5, "half of the work"),
        (0.71, "71 % of the work"),
        (0.0123, "0.012 of the work"),
        (1.0, "the same work"),
        (2.25, "2.2 times the work"),
        (np.nan, "an unknown share of the work"),
    ],
)
def test_shares_of_work_in_words(share: float, words: str) -> None:
    assert work_shown(share) == words


def test_the_paper_s_rule_takes_the_least_overfitting_of_those_that_reach_the_last_read_out() -> None:
    early = cell(Made(size=420, delta_accuracy=0.0, delta_loss=0.0))
    over = cell(Made(size=840, side=200, delta_accuracy=0.30, delta_loss=-0.9))
    least = cell(Made(size=840, side=100, delta_accuracy=-0.10, delta_loss=-0.2))
    choice = choose_as_the_paper([early, over, least], {early.id: 200, over.id: 500, least.id: 500}, 500)
    assert choice.cell is least
    assert choice.reason == (
        "2 of 3 cells are trained on scans up to the last read-out (500 cycles); 840 px100 b8 ranks 1 by |Δ accuracy| "
        "and 1 by |Δ loss| among them: Δ accuracy -0.100, Δ loss -0.200."
    )


def test_the_paper_s_rule_adds_ranks_and_breaks_ties_by_delta_loss() -> None:
    accurate = cell(Made(side=100, delta_accuracy=0.01, delta_loss=-0.5))
    lossy = cell(Made(side=200, delta_accuracy=0.02, delta_loss=-0.4))
    reach = {accurate.id: 500.0, lossy.id: 500.0}
    assert choose_as_the_paper([accurate, lossy], reach, 500).cell is lossy


@pytest.mark.parametrize("last", [None, 900.0])
def test_without_known_read_outs_the_paper_s_rule_takes_the_largest_size(last: float | None) -> None:
    small = cell(Made(size=420, delta_accuracy=0, delta_loss=0))
    large = cell(Made(size=840, delta_accuracy=0.5, delta_loss=-0.9))
    choice = choose_as_the_paper([small, large], {large.id: 500}, last)
    assert choice.cell is large
    assert "of the largest data size, 840 (no cell is known to reach the last read-out)" in choice.reason


def test_scores_of_the_published_protocol_take_no_part() -> None:
    grouped = cell(Made(f1=(0.5, 0.6)))
    published = cell(Made(f1=(0.9, 0.9), protocol="published"))
    kept, remarks = comparable([published, grouped])
    assert kept == [grouped]
    assert remarks[0].startswith("Left out: 1 cell of the published protocol: ")
    kept, remarks = comparable([published])
    assert kept == [published]
    assert "promise more than they keep" in remarks[0]


def test_scores_on_other_data_take_no_part() -> None:
    cells = [cell(Made(size=size)) for size in (420, 840)]
    other = cell(replace(Made(), fingerprint="other"))
    kept, remarks = comparable([other, *cells])
    assert kept == cells
    assert remarks == ["Left out: 1 cell of other data sets: their scores do not compare."]
