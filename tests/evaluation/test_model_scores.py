"""A model's threshold, and its escapes and overkill from the scans that it keeps."""

from dataclasses import replace

import numpy as np
import pytest

from csam_lightning.errors import InputError
from csam_lightning.evaluation.calibrated import HeldOutScans, calibrated_result, rate_text
from csam_lightning.evaluation.calibration import class_mix
from csam_lightning.evaluation.model_scores import model_scores, operating_point, with_sound
from csam_lightning.model.ensemble import Ensemble, ModelFacts
from csam_lightning.model.held_out import HeldOut
from tests.predicting.conftest import FACTS, network

RNG = np.random.default_rng(0)
CODES = RNG.choice(4, 400, p=(0.1, 0.1, 0.1, 0.7))
LOGITS = 2.0 * np.eye(4)[CODES] + RNG.normal(size=(400, 4))
KNOWN = HeldOut(
    LOGITS - np.log(np.exp(LOGITS).sum(axis=1, keepdims=True)), CODES, np.arange(400) % 2, np.arange(400) // 4
)
FITTED = replace(FACTS, prevalence=class_mix(CODES, 4))
RULE = "Class D (sound) needs a probability above 0.5, else the likeliest of A, B and C is taken."


def model(facts: ModelFacts = FITTED, held_out: HeldOut | None = KNOWN) -> Ensemble:
    return Ensemble([network(0), network(1)], facts, held_out=held_out)


def test_scores_are_those_of_training_at_the_model_s_threshold_and_class_mix() -> None:
    """Cross-fitted over its networks' scans, clustered by their packages."""
    assert KNOWN.packages is not None
    scans = HeldOutScans(KNOWN.log_probabilities, CODES, KNOWN.packages)
    mix = (0.2, 0.2, 0.2, 0.4)
    for facts, prevalence in ((replace(FITTED, sound=0.8), None), (replace(FITTED, prevalence=mix), mix)):
        found = model_scores(model(facts))
        assert found is not None
        expected = calibrated_result(
            scans, KNOWN.networks, None, classes="ABCD", sound=facts.sound, prevalence=prevalence
        )
        assert found.out_of_fold.escape == expected.out_of_fold.escape
        assert found.out_of_fold.overkill == expected.out_of_fold.overkill


def test_page_and_app_say_when_a_scan_is_called_sound_and_what_that_costs() -> None:
    """Both rates with their intervals, in plain words."""
    rule, rates = operating_point(model())
    found = model_scores(model())
    assert found is not None
    assert rule == RULE
    assert rates.startswith(
        f"Escape {rate_text(found.out_of_fold.escape)}: delaminated scans called sound. "
        f"Overkill {rate_text(found.out_of_fold.overkill)}: sound scans called delaminated. Measured on scans that the "
    )


@pytest.mark.parametrize(
    ("facts", "held_out", "why"),
    [
        (FITTED, None, "the model keeps no held-out scans of known package"),
        (FITTED, replace(KNOWN, packages=None), "the model keeps no held-out scans of known package"),
        (FACTS, KNOWN, "the model was not calibrated for a class mix"),
        (
            replace(FACTS, protocol="published"),
            None,
            "under the published protocol, held-out scans share packages with training",
        ),
    ],
)
def test_unknown_rates_are_said_to_be_unknown(facts: ModelFacts, held_out: HeldOut | None, why: str) -> None:
    """A model of an older version, and one of the published protocol."""
    assert model_scores(model(facts, held_out)) is None
    assert operating_point(model(facts, held_out)) == [RULE, f"Escape and overkill are unknown: {why}."]


def test_a_threshold_is_set_or_refused() -> None:
    """None keeps the model's own; other classes than A to D have none."""
    made = model(replace(FITTED, sound=0.3))
    assert with_sound(made, None).facts.sound == 0.3
    assert with_sound(made, 0.7).facts.sound == 0.7
    for wrong in (1.0, -0.1, float("nan")):
        with pytest.raises(InputError, match=r"^sound: must be at least 0 and below 1, got .*; give a probability"):
            with_sound(made, wrong)
    other = model(replace(FITTED, classes=("ok", "void", "crack", "D")))
    assert operating_point(other) == []
    with pytest.raises(
        InputError, match=r"^sound: must be left out for a model of the classes ok, void, crack, D, got"
    ):
        with_sound(other, 0.7)
