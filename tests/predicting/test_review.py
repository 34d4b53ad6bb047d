from dataclasses import replace

import numpy as np
import pytest
from hydra import compose, initialize_config_module

from csam_lightning.errors import InputError
from csam_lightning.evaluation.conformal import Unit, least
from csam_lightning.model.ensemble import Ensemble
from csam_lightning.model.held_out import HeldOut
from csam_lightning.predicting.review import ReviewRule, class_doubts, compare, facts_of, limits, scan_doubts
from tests.predicting.conftest import FACTS, network

RULE = ReviewRule(coverage=0.95)
HARDLY = (
    "to compare with, so at a coverage of 0.95 hardly any scan rules it out; "
    "coverage=0.9 leaves more scans to the model"
)


@pytest.mark.parametrize(
    ("fitting", "told"),
    [
        (("A",), []),
        (("A", "C"), ["it may be A or C"]),
        (("A", "B", "D"), ["it may be A, B or D"]),
        ((), ["no class fits"]),
        (("B",), ["only B fits, though A is likelier"]),
    ],
)
def test_a_class_is_in_doubt_unless_it_alone_fits(fitting: tuple[str, ...], told: list[str]) -> None:
    assert list(class_doubts(RULE, "A", 0.5, fitting)) == told


def test_without_scans_to_compare_with_the_probability_decides() -> None:
    assert list(class_doubts(RULE, "A", 0.95, None)) == []
    for low in (0.9499, float("nan")):
        assert list(class_doubts(RULE, "A", low, None)) == ["its probability is below 0.95"]


def test_a_scan_is_strange_by_its_looks_or_its_kind() -> None:
    unlike = "it looks unlike the scans that the model knows (p = 0.01)"
    assert list(scan_doubts(RULE, 0.011, [])) == []
    assert list(scan_doubts(RULE, 0.01, ["it is in colour"])) == ["it is in colour", unlike]
    assert list(scan_doubts(ReviewRule(kind=False), 0.01, ["it is in colour"])) == [unlike]
    assert list(scan_doubts(ReviewRule(strange=0), 1e-9, [])) == []
    assert list(scan_doubts(RULE, None, [])) == []


def test_classes_are_ruled_out_by_counting_held_out_scans() -> None:
    """Of 19 held-out scans of class A all gave it 0.5 or more: at 0.95, only a scan below all of them is ruled out."""
    given = np.concatenate([np.linspace(0.5, 0.95, 19), np.full(9, 0.9)])
    codes = np.repeat([0, 1], [19, 9])
    rest = (1 - given)[:, None] / 3
    probabilities = np.repeat(rest, 4, axis=1)
    probabilities[np.arange(28), codes] = given
    known = HeldOut(np.log(probabilities), codes, np.zeros(28, dtype=np.int64))
    ensemble = Ensemble([network(0)], replace(FACTS, temperature=1.0, folds=(0,)), held_out=known)
    new = np.array([[[0.49, 0.01, 0.25, 0.25], [0.51, 0.01, 0.24, 0.24]]], dtype=np.float32)
    fitting = compare(ensemble, RULE, new, None).fitting
    assert fitting is not None
    assert fitting[:, 0].tolist() == [False, True]
    assert fitting[:, 1].tolist() == [True, True]
    takes = "scans to compare with and is never ruled out: that takes 19 at a coverage of 0.95"
    assert limits(ensemble, RULE) == [
        f"class A has 19 scans {HARDLY}",
        *(f"class {name} has {count} {takes}" for name, count in (("B", 9), ("C", 0), ("D", 0))),
        "the model does not know what its scans look like, so strange ones are not found",
    ]


def test_what_a_model_of_an_older_version_cannot_do_is_said(ensemble: Ensemble) -> None:
    older = Ensemble([network(0)], replace(FACTS, folds=(0,)))
    compared = compare(older, RULE, np.full((1, 1, 4), 0.25, np.float32), None)
    assert (compared.fitting, compared.novelty) == (None, None)
    promise, strange = limits(older, RULE)
    assert promise.startswith("the model keeps no scans to compare with, so nothing is promised")
    assert strange.startswith("the model does not know what its scans look like")
    assert limits(ensemble, RULE) == []


def test_packages_are_counted_where_they_have_several_scans() -> None:
    codes = np.repeat([0, 1, 2, 3], 38)
    uniform = np.log(np.full((152, 4), 0.25))
    packages = np.arange(152) // 2
    known = HeldOut(uniform, codes, np.zeros(152, dtype=np.int64), packages)
    ensemble = Ensemble([network(0)], replace(FACTS, folds=(0,)), held_out=known)
    new = np.full((1, 1, 4), 0.25, dtype=np.float32)
    unknown = "the model does not know what its scans look like, so strange ones are not found"
    hardly = [f"class {name} has 19 packages {HARDLY}" for name in "ABCD"]
    assert limits(ensemble, RULE) == [*hardly, unknown]
    assert limits(ensemble, replace(RULE, coverage=0.8)) == [unknown]
    one_less = replace(known, packages=np.maximum(packages, 1))
    fewer = Ensemble([network(0)], replace(FACTS, folds=(0,)), held_out=one_less)
    takes = "packages to compare with and is never ruled out: that takes 19 at a coverage of 0.95"
    assert limits(fewer, RULE) == [f"class A has 18 {takes}", *hardly[1:], unknown]
    by_scan = [f"class {name} has 38 scans {HARDLY}" for name in "ABCD"]
    assert limits(fewer, replace(RULE, unit=Unit.scan)) == [*by_scan, unknown]
    assert compare(fewer, RULE, new, None).fitting is not None
    without = Ensemble([network(0)], replace(FACTS, folds=(0,)), held_out=replace(known, packages=None))
    uncounted = "the packages of the model's scans are unknown: its coverage counts scans, as if each were a package"
    assert limits(without, replace(RULE, unit=Unit.package)) == [uncounted, *by_scan, unknown]
    assert "packages exchangeable" in " ".join(facts_of("m", ensemble, RULE))
    assert "which scans of one package are not" in " ".join(facts_of("m", without, RULE))


def test_model_of_the_published_protocol_has_one_reason_and_no_promise() -> None:
    model = Ensemble([network(0)], replace(FACTS, folds=(0,), temperature=1.0, protocol="published"))
    [line] = limits(model, RULE)
    assert line == (
        "no coverage or novelty: the model was validated under the published protocol, whose validation scans share "
        "packages with training; scans whose probability is below 0.95 are to be looked at, and none of these "
        "probabilities is calibrated"
    )
    facts = " ".join(facts_of("m", model, RULE))
    assert "the predicted class has a probability of at least 0.95" in facts
    assert "Coverage" not in facts
    assert "strange" not in facts


def test_class_mix_of_a_model_is_shown() -> None:
    model = Ensemble([network(0)], replace(FACTS, folds=(0,), prevalence=(0.1, 0.2, 0.3, 0.4)))
    assert "Probabilities are calibrated for the class mix A 0.1, B 0.2, C 0.3, D 0.4." in facts_of("m", model, RULE)


@pytest.mark.parametrize(("name", "value"), [("coverage", 0.0), ("coverage", 1.0), ("strange", -0.1), ("strange", 1.0)])
def test_shares_that_are_none_are_refused(name: str, value: float) -> None:
    with pytest.raises(InputError, match=f"^{name}: {value} makes no sense here; give a share"):
        replace(RULE, **{name: value})  # type: ignore[arg-type] # a field's name


def test_advice_names_a_lower_coverage_only_where_there_is_one_worth_trying() -> None:
    """A class of as many packages as it takes: at 0.95, 0.9 and 0.8 the next lower one is proposed, then none."""
    for coverage, advice in ((0.95, "; coverage=0.9 leaves"), (0.9, "; coverage=0.8 leaves"), (0.8, None)):
        none, packages = np.zeros(least(coverage), np.int64), np.arange(least(coverage))
        held = HeldOut(np.zeros((len(none), len(FACTS.classes))), none, none, packages)
        made = Ensemble([network(0)], replace(FACTS, folds=(0,)), held_out=held)
        line = limits(made, ReviewRule(coverage=coverage))[0]
        assert "hardly any scan rules it out" in line
        assert line.endswith("out") if advice is None else advice in line


@pytest.mark.parametrize("command", ["predict", "app"])
def test_commands_have_the_rule_s_own_defaults(command: str) -> None:
    with initialize_config_module("csam_lightning.conf", version_base="1.3"):
        settings = compose(command, ["model=m", "output=out", *(["input=in"] if command == "predict" else [])])
    assert ReviewRule(settings.coverage, settings.strange, settings.kind, Unit(settings.unit)) == ReviewRule()
