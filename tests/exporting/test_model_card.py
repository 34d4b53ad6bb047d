import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from sklearn.metrics import precision_recall_fscore_support

from csam_lightning.cells.sources import SimulatedSource
from csam_lightning.evaluation.conformal import COVERAGE, Unit, promise
from csam_lightning.exporting.model_card import Recorded, model_card
from csam_lightning.model.ensemble import Ensemble
from tests.model.test_ensemble import FACTS, network

MATRIX = np.array([[8, 2, 0], [1, 3, 1], [0, 4, 36]])
SAID = np.array([[0.9, 0.04, 0.06], [0.05, 0.05, 0.9], [0.6, 0.3, 0.1], [0.2, 0.2, 0.6]])
"""Of test scans of classes A, A, A and C: sure by 0.9 and right once in two, sure by 0.6 and right twice in two."""


def scores(matrix: NDArray[np.int64]) -> dict[str, Any]:
    actual, predicted = (np.repeat(axis.ravel(), matrix.ravel()) for axis in np.indices(matrix.shape))
    precision, recall, f1, _ = precision_recall_fscore_support(actual, predicted, average="macro", zero_division=0)
    values = {"accuracy": (actual == predicted).mean(), "precision": precision, "recall": recall, "f1": f1}
    return {**values, "classes": ["A", "B", "C"], "confusion_matrix": matrix.tolist()}


@pytest.fixture
def recorded() -> Recorded:
    scans = pd.DataFrame(
        {"label": ["A"] * 40 + ["B"] * 8 + ["C"] * 48, "split": ["train", "train", "train", "test"] * 24}
    )
    scans["package_id"] = [f"p{row // 4}{side}" for row, side in enumerate(scans["split"])]
    scans["metallization"], scans["cycles"] = pd.Series(["Ag", "Cu", pd.NA] * 32), [0.0, 100.0] * 48
    tested = pd.DataFrame(SAID, columns=["p_A", "p_B", "p_C"]).assign(split="test", label=["A", "A", "A", "C"])
    names = ("val_accuracy", "val_precision", "val_recall", "val_f1")
    cell = {"data_size": 72, "image_size": 32, "batch_size": 8, "protocol": "grouped", "seed": 5, "arch": "resnet18"}
    return Recorded(
        run_id="r0",
        source="`/data/lot7`",
        caution=None,
        result={
            "cell": cell,
            "folds": [{"fold": 0}, {"fold": 3}],
            "mean": {name: 0.7 + place / 100 for place, name in enumerate(names)} | {"delta_accuracy": 0.05},
            "std": dict.fromkeys(names, 0.125) | {"delta_accuracy": None},
            "out_of_fold": scores(MATRIX),
            "test": scores(MATRIX.T),
        },
        scans=scans,
        predictions=pd.concat([tested.assign(fold="0"), tested.assign(fold="3")], ignore_index=True),
        settings={
            "data": {"num_folds": 5},
            "trainer": {"max_epochs": 20, "learning_rate": 0.001},
            "augment": {"rotation_degrees": 180.0, "contrast": 0.2, "when": "epoch"},
            "model": {"weights": None},
        },
        tags={"code.version": "0.1.0", "git.commit": "abc", "git.dirty": "true"},
    )


def cells(card: str, first: str) -> list[str]:
    """The cells of the table's row that begins with ``first``."""
    line = re.search(rf"^\| {re.escape(first)} \|(.*)\|$", card, re.MULTILINE)
    assert line is not None, first
    return [cell.strip() for cell in line[1].split("|")]


def test_card_tells_data_scores_and_calibration(ensemble: Ensemble, recorded: Recorded) -> None:
    card = model_card(ensemble, recorded)
    assert cells(card, "A") == ["30", "10", "10", "10"]
    assert cells(card, "B") == ["6", "2", "2", "2"]
    assert cells(card, "all") == ["72", "24", "24", "24"]
    assert "Scans by metallization: Ag (32), Cu (32)." in card
    assert "Scans by thermal cycles: 0 (48), 100 (48)." in card
    out, test = recorded.result["out_of_fold"], recorded.result["test"]
    for place, (row, name) in enumerate(
        [("accuracy", "accuracy"), ("macro precision", "precision"), ("macro recall", "recall"), ("macro F1", "f1")]
    ):
        assert cells(card, row) == [f"{0.7 + place / 100:.3f} ± 0.125", f"{out[name]:.3f}", f"{test[name]:.3f}"]
    assert cells(card, "training − validation accuracy") == ["0.050 (one fold)", "", ""]
    by_class = card.partition("out of fold: actual")[2]
    assert cells(by_class, "B") == ["5", f"{3 / 9:.3f}", f"{3 / 5:.3f}", "1", "3", "1"]
    assert "Temperature 2.000, bias A +0.750, B -0.250, C -0.500, fitted on 6 out-of-fold scans alone." in card
    assert "They are meant for the class mix A 0.5, B 0.25, C 0.25." in card
    tested = card.partition("test split, ensemble, at its own class mix: class")[2]
    number, error, _, sure, _ = cells(tested, "A")
    assert (number, sure) == ("3", "1.000 (1)")
    assert float(error) == pytest.approx((0.1 + 0.95 + 0.4 + 0.2) / 4, abs=1e-3)  # a scan in each bin
    assert cells(tested, "C")[3] == "0.000 (1)"
    assert "out of fold, cross-fitted: class" in card
    assert promise(COVERAGE, Unit.package, 2) in card
    covered = card.partition("actual class")[2]
    sets = {name: cells(covered.partition("## Limits")[0], name) for name in ("all", "A", "C")}
    assert {name: int(number) for name, (number, _, _) in sets.items()} == {"all": 4, "A": 3, "C": 1}
    held = {name: float(share) * int(number) for name, (number, share, _) in sets.items()}
    assert held["all"] == pytest.approx(held["A"] + held["C"], abs=0.01)
    assert "| B |" not in covered.partition("## Limits")[0]


def test_card_tells_use_protocol_limits_and_fingerprint(ensemble: Ensemble, recorded: Recorded) -> None:
    card = model_card(ensemble, recorded)
    assert "into A, B, C, with probabilities" in card
    assert "`/data/lot7`" in card
    assert "- Folds 0, 3 of 5: a network each" in card
    assert "- Few training scans of B (6): their scores hang on single scans." in card
    assert "- Not all folds were trained" in card
    assert cells(card, "data") == ["`f0`"]
    assert cells(card, "commit") == ["`abc, with changes`"]
    assert "simulated" not in card
    source = SimulatedSource({"seed": 0}, Path("cache"))
    settings = {**recorded.settings, "data": {"num_folds": 2}}
    simulated = replace(recorded, source=source.description, caution=source.caution, settings=settings)
    card = model_card(ensemble, simulated)
    assert "**Trained on simulated scans: it shows how this program works, and is not for real parts.**" in card
    assert "- Not all folds were trained" not in card


def test_card_of_what_an_older_version_or_a_poorer_data_set_left(ensemble: Ensemble, recorded: Recorded) -> None:
    result = {**recorded.result, "test": None, "cell": {**recorded.result["cell"], "protocol": "published"}}
    unknown = dict.fromkeys(("package_id", "metallization", "cycles"), float("nan"))
    scans = recorded.scans.assign(**unknown)
    bare = Ensemble([network(0)], replace(FACTS, folds=(3,)))
    assert "`distances`" in model_card(ensemble, recorded)
    card = model_card(bare, replace(recorded, result=result, scans=scans, predictions=None))
    assert "Not calibrated, no coverage or novelty: the model was validated under the published protocol" in card
    assert "- There was no test split" in card
    assert "`distances`" not in card
    assert "- Its scores promise too much: validation scans share packages with training." in card
    assert "- It does not tell scans that are unlike those it learned from." in card
    assert "Of the cell's folds 0, 3, not of this model's alone." in card
    assert cells(card, "A") == ["30", "unknown", "10", "unknown"]
    assert "metallizations, scanner" in card
