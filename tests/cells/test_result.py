import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from csam_lightning.cells.result import covered


def test_time_in_which_folds_overlap_counts_once() -> None:
    assert covered([(0, 10), (5, 12), (20, 25), (21, 22)]) == 17
    assert covered([]) == 0


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 20)), max_size=12))
def test_covered_counts_each_unit_of_time_once(drawn: list[tuple[int, int]]) -> None:
    spans = [(begin, begin + length) for begin, length in drawn]
    units = {unit for begin, end in spans for unit in range(begin, end)}
    assert covered(spans) == len(units)


def test_covered_keeps_fractions() -> None:
    assert math.isclose(covered([(0.25, 1.5), (1.25, 2.0)]), 1.75)
    assert covered([(1.0, 2.0), (2.0, 3.0)]) == pytest.approx(2)
