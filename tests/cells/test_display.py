import io
import re
from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console

from csam_lightning import progress
from csam_lightning.cells import display
from csam_lightning.cells.display import fold_progress, print_result
from csam_lightning.cells.result import CellResult, FoldResult
from csam_lightning.evaluation.calibrated import (
    CalibratedResult,
    CalibratedScores,
    HeldOutScans,
    calibrated_result,
    rate_text,
)
from csam_lightning.evaluation.clusters import Rate
from csam_lightning.evaluation.metrics import score
from csam_lightning.progress import track
from csam_lightning.training.events import EpochEnded, FoldFailed

METRICS = {"train/loss": 0.5, "train/accuracy": 0.8, "val/loss": 0.7, "val/accuracy": 0.75, "seconds": 2.0}


@pytest.fixture(params=[True, False], ids=["terminal", "pipe"])
def shown(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> tuple[bool, io.StringIO]:
    """What progress writes, on a terminal and without one."""
    text = io.StringIO()

    def console() -> Console:
        return Console(file=text, force_terminal=request.param, width=120, highlight=False)

    monkeypatch.setattr(display, "console", console)
    monkeypatch.setattr(progress, "console", console)
    return request.param, text


def test_folds_show_bars_on_a_terminal_and_lines_elsewhere(shown: tuple[bool, io.StringIO]) -> None:
    terminal, text = shown
    with fold_progress("840 px100 b8", epochs=5, done={0: 2, 1: 0}) as show:
        show(None)
        show(EpochEnded(0, 3, METRICS))
        show(FoldFailed(1, "no [memory] left"))
    if terminal:
        assert "fold 0: val accuracy 0.750" in text.getvalue()
        assert "3/10" in text.getvalue()
        assert "fold 1: failed" in text.getvalue()
    else:
        assert text.getvalue().splitlines() == [
            "fold 0 epoch 3/5: train loss 0.500, accuracy 0.800; val loss 0.700, accuracy 0.750; 2.0 s",
            "fold 1 failed: no [memory] left",
        ]


def test_track_yields_all_and_shows_how_many(shown: tuple[bool, io.StringIO]) -> None:
    terminal, text = shown
    assert list(track(range(25), description="decoding", total=25)) == list(range(25))
    if terminal:
        assert "25/25" in text.getvalue()
    else:
        lines = text.getvalue().splitlines()
        assert lines[0] == "decoding: 2 of 25"
        assert lines[-1] == "decoding: 25 of 25"
        assert len(lines) <= 12


def result(folds: int, *, classes: int = 2) -> CellResult:
    names = ("train_accuracy", "val_accuracy", "train_loss", "val_loss", "val_f1", "val_precision", "val_recall")
    scores = score(np.array([0, 1, 1]), np.eye(classes, dtype=np.float32)[[0, 1, 0]])
    made = [
        FoldResult(
            number,
            {**dict.fromkeys(names, 0.5 + 0.1 * number), "delta_accuracy": 0.0, "delta_loss": 0.0},
            [],
            scores,
            scores,
        )
        for number in range(folds)
    ]
    return CellResult(made, scores, scores, 10.0, 100)


def test_result_shows_mean_and_spread_and_what_was_confused(capsys: pytest.CaptureFixture[str]) -> None:
    print_result("840 px100 b8", result(3), ["sound [ok]", "bad"])
    text = capsys.readouterr().out
    rows = [line.replace("│", " ").split() for line in text.splitlines()]
    assert ["mean", "0.600", "0.600", "0.000", "0.600", "0.600", "0.000", "0.600", "0.600", "0.600"] in rows
    assert ["±", "sd", "0.100", "0.100", "0.000", "0.100", "0.100", "0.000", "0.100", "0.100", "0.100"] in rows
    assert ["bad", "1", "1"] in rows
    assert "sound [ok]" in text
    assert "ensemble of the folds" in text


def calibrated(classes: tuple[str, ...], scans: int = 40, *, tested: int = 8) -> CalibratedResult:
    """As many delaminated scans as sound ones; of each a quarter is called wrongly."""
    rng = np.random.default_rng(0)
    codes = np.array([0, 3] * (scans // 2))
    given = np.where(np.arange(scans) % 8 < 2, 3 - codes, codes)
    likely = np.full((scans, 4), 0.02)
    likely[np.arange(scans), given] = 0.94
    noisy = likely * rng.uniform(0.9, 1, likely.shape)
    known = HeldOutScans(np.log(noisy), codes, np.arange(scans) // 2)
    test = HeldOutScans(np.log(noisy)[None, :tested], codes[:tested], np.arange(tested))
    return calibrated_result(known, np.arange(scans) // 2 % 2, test, classes=classes, sound=0.5)


def test_screen_says_how_the_model_judges_and_what_escapes_it(capsys: pytest.CaptureFixture[str]) -> None:
    """In plain words, beside the scores that are not calibrated."""
    judged = calibrated(("A", "B", "C", "D"))
    print_result("cell", replace(result(2, classes=4), calibrated=judged), ("A", "B", "C", "D"))
    text = capsys.readouterr().out
    assert "likeliest class, not calibrated: accuracy 0.667, macro F1 0.667, macro precision 0.750" in text
    assert "calibrated for the class mix of the training data; class D needs a probability above sound=0.5" in text
    rows = {line.split("  ")[0].strip(): line for line in text.splitlines() if " % (" in line}
    for name, scored in (("out of fold", judged.out_of_fold), ("test split", judged.test)):
        assert scored is not None
        expected = [f"{scored.scores.accuracy:.3f}", f"{scored.scores.f1:.3f}", *map(rate_text, rates(scored))]
        assert re.split(r"\s{2,}", rows[name].strip()) == [name, *expected]
    assert "25.0 % (" in rows["out of fold"]
    assert "escape: delaminated scans called sound (D); overkill: sound scans called delaminated" in text
    assert "intervals that count packages, not scans" in text
    assert "One fold" not in text


def rates(scored: CalibratedScores) -> tuple[Rate | None, Rate | None]:
    return scored.escape, scored.overkill


def test_screen_says_less_where_there_is_less_to_say(capsys: pytest.CaptureFixture[str]) -> None:
    """Other classes have no escapes, a single fold is calibrated on itself, the published protocol not at all."""
    print_result(
        "cell", replace(result(1, classes=4), calibrated=calibrated(("w", "x", "y", "z"))), ("w", "x", "y", "z")
    )
    text = capsys.readouterr().out
    assert "calibrated for the class mix of the training data\n" in text
    assert "escape" not in text
    assert "One fold: its calibration is fitted on the scans that it is scored on." in text
    print_result("cell", result(2), ["a", "b"])
    assert "Not calibrated, without escape and overkill: under the published protocol, held-out scans share" in (
        " ".join(capsys.readouterr().out.split())
    )


def test_screen_warns_where_the_test_split_has_another_class_mix(capsys: pytest.CaptureFixture[str]) -> None:
    classes = ("A", "B", "C", "[D]")
    print_result("cell", replace(result(2, classes=4), calibrated=calibrated(classes)), classes)
    assert "another class mix" not in capsys.readouterr().out
    judged = replace(result(2, classes=4), calibrated=calibrated(classes, tested=1))
    print_result("cell", judged, classes)
    text = capsys.readouterr().out
    assert "The test split has another class mix" in text
    assert "training data A 49%, B 1%, C 1%, [D] 49%; test split A 100%, B 0%, C 0%, [D] 0%" in text


def test_screen_names_the_class_mix_that_was_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    classes = ("A", "B", "C", "[D]")
    asked = replace(calibrated(classes), prevalence=(0.1, 0.1, 0.1, 0.7))
    print_result("cell", replace(result(2, classes=4), calibrated=asked), classes)
    text = capsys.readouterr().out
    assert "calibrated for the class mix A 10%, B 10%, C 10%, [D] 70%" in text
    assert "calibrated for A 10%, B 10%, C 10%, [D] 70%; test split A 50%, B 0%, C 0%, [D] 50%" in text


def test_single_fold_has_no_spread() -> None:
    assert all(np.isnan(value) for value in result(1).std.values())
    assert result(3).std["val_loss"] == pytest.approx(0.1)
    assert result(3).single_test == pytest.approx({"accuracy": 2 / 3, "precision": 0.75, "recall": 0.75, "f1": 2 / 3})


def test_title_claims_no_more_than_the_protocol_and_the_folds_allow(capsys: pytest.CaptureFixture[str]) -> None:
    print_result("cell", result(2), ["a", "b"], whole=False)
    assert "every scan of these folds judged by the one network that did not learn from it" in capsys.readouterr().out
    made = result(2)
    for fold in made.folds:
        fold.metrics.update(dict.fromkeys(("val_accuracy_with_copies", "val_precision_with_copies"), 0.75))
        fold.metrics["val_recall_with_copies"] = 0.25
    print_result("cell", made, ["a", "b"], protocol="published")
    text = capsys.readouterr().out
    assert "did not learn from it" not in text
    assert "mean of the folds: accuracy 0.750, macro precision 0.750, macro recall 0.250" in " ".join(text.split())
