from dataclasses import replace

import numpy as np
import pytest
import torch

from csam_lightning.errors import InputError
from csam_lightning.evaluation.prevalence import class_shares, for_prevalence
from csam_lightning.model.ensemble import Ensemble
from tests.model.test_ensemble import FACTS, ensemble, scans

__all__ = ["ensemble"]  # a fixture

MEND = "give a share for each class, of sum 1: prevalence={A: ..., B: ..., C: ...}"


def test_shares_are_put_in_order_and_scaled() -> None:
    assert class_shares({"C": 0.3, "A": 0.2, "B": 0.5005}, "ABC") == pytest.approx((0.2, 0.5, 0.3), abs=1e-3)
    assert sum(class_shares({"C": 0.3, "A": 0.2, "B": 0.5005}, "ABC")) == pytest.approx(1)


@pytest.mark.parametrize(
    ("prevalence", "what"),
    [
        ({}, "lacks class A, B, C"),
        ({"A": 0.5, "B": 0.5}, "lacks class C"),
        ({"A": 0.5, "B": 0.2, "C": 0.2, "E": 0.1}, "names E, which is no class of the model"),
        ({"A": 0.5, "B": 0.5, "C": 0.0}, "must be above 0 for each class, got C: 0"),
        ({"A": 1.5, "B": -0.5, "C": float("nan")}, "must be above 0 for each class, got B: -0.5, C: nan"),
        ({"A": 0.5, "B": 0.5, "C": 0.002}, "must sum to 1, got 1.002"),
        ({"A": float("inf"), "B": 0.5, "C": 0.5}, "must sum to 1, got inf"),
        ({"A": 50, "B": 30, "C": 20}, "must sum to 1, got 100"),
    ],
)
def test_shares_that_are_no_class_mix_are_refused_in_one_line(prevalence: dict[str, float], what: str) -> None:
    with pytest.raises(InputError) as error:
        class_shares(prevalence, "ABC")
    assert str(error.value) == f"prevalence: {what}; {MEND}"


def test_each_network_follows_bayes_rule_at_another_class_mix(ensemble: Ensemble) -> None:
    shifted = for_prevalence(ensemble, {"A": 0.05, "B": 0.05, "C": 0.9})
    assert shifted.facts.prevalence == pytest.approx((0.05, 0.05, 0.9))
    before, after = (model.judge(scans(4)).probabilities.numpy() for model in (ensemble, shifted))
    weighed = before * np.array([0.05, 0.05, 0.9]) / np.array(FACTS.prevalence)
    np.testing.assert_allclose(after, weighed / weighed.sum(axis=2, keepdims=True), atol=1e-6)
    assert for_prevalence(ensemble, None) is ensemble
    back = for_prevalence(shifted, dict(zip("ABC", FACTS.prevalence or (), strict=True)))
    torch.testing.assert_close(back.judge(scans(4)).probabilities, ensemble.judge(scans(4)).probabilities)


@pytest.mark.parametrize(
    ("protocol", "why"),
    [
        ("published", "was validated under the published protocol; train with data.protocol=grouped"),
        (None, "was made by an older version; name the run of its cell, or train again"),
    ],
)
def test_model_of_unknown_class_mix_cannot_be_shifted(protocol: str | None, why: str) -> None:
    model = Ensemble([], replace(FACTS, prevalence=None, protocol=protocol))
    with pytest.raises(InputError) as error:
        for_prevalence(model, {"A": 0.2, "B": 0.2, "C": 0.6})
    assert str(error.value) == f"prevalence: the model is not calibrated for any class mix: it {why}"
