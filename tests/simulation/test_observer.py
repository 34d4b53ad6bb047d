"""The inspector's judgement."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from csam_lightning.simulation.config import Observer
from csam_lightning.simulation.observer import class_of, judged


@pytest.mark.parametrize(
    ("die_pad", "bond_pad", "label"),
    [(0.5, 0.0, "A"), (0.0, 0.11, "B"), (0.2, 0.3, "C"), (0.0, 0.0, "D"), (0.1, 0.1, "D")],
)
def test_class_follows_the_two_regions(die_pad: float, bond_pad: float, label: str) -> None:
    assert class_of(die_pad, bond_pad, 0.1) == label


@given(share=st.floats(0, 1), error=st.floats(0, 1), limit=st.floats(0, 0.5), seed=st.integers(0, 1000))
def test_judgement_is_never_off_by_more_than_the_limit(share: float, error: float, limit: float, seed: int) -> None:
    seen = judged(share, Observer(threshold=0.1, error=error, error_limit=limit), np.random.default_rng(seed))
    assert abs(seen - share) <= share * limit + 1e-12


def test_judgement_errs_by_the_stated_spread() -> None:
    rng = np.random.default_rng(0)
    seen = [judged(0.1, Observer(threshold=0.1, error=0.08, error_limit=1.0), rng) for _ in range(4000)]
    assert np.std(seen) == pytest.approx(0.008, rel=0.05)
    assert np.mean(seen) == pytest.approx(0.1, rel=0.01)
