"""The threshold of class D in the model card and in exported files."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd

from csam_lightning.evaluation.calibrated import HeldOutScans, rate_text
from csam_lightning.evaluation.model_scores import model_scores
from csam_lightning.exporting.description import metadata
from csam_lightning.exporting.operating_section import operating_section
from csam_lightning.model.ensemble import Ensemble
from tests.evaluation.test_model_scores import FITTED, KNOWN, RULE, model
from tests.model.test_ensemble import ensemble

__all__ = ["ensemble"]  # a fixture

COLUMNS = ["p_A", "p_B", "p_C", "p_D"]


def predictions_of(packages: list[str]) -> pd.DataFrame:
    """What two networks say of four scans of the test split: A, D, D and B."""
    said = np.array([[0.6, 0.1, 0.1, 0.2], [0.1, 0.1, 0.1, 0.7], [0.1, 0.1, 0.05, 0.75], [0.1, 0.2, 0.1, 0.6]])
    rows = pd.DataFrame(said, columns=COLUMNS).assign(split="test", label=list("ADDB"), package_id=packages)
    return pd.concat([rows.assign(fold="0"), rows.assign(fold="1")], ignore_index=True)


def test_section_shows_the_threshold_and_what_it_costs_on_both_sides() -> None:
    """Out of fold and on the test split, as the model with its own threshold judges."""
    for packages, clusters in ((["P1", "P2", "P2", "P3"], [0, 1, 1, 2]), (["P1", "", "P2", "P3"], [0, 1, 2, 3])):
        table = predictions_of(packages)
        logs = np.log(table[COLUMNS].to_numpy(dtype=np.float32).astype(np.float64).reshape(2, 4, 4))
        expected = model_scores(model(), HeldOutScans(logs, np.array([0, 3, 3, 1]), clusters))
        assert expected is not None
        lines = list(operating_section(model(), table))
        assert lines[0] == RULE
        for title, scored in (("out of fold", expected.out_of_fold), ("test split", expected.test)):
            assert scored is not None
            [row] = [line for line in lines if line.startswith(f"| {title} |")]
            cells = [cell.strip() for cell in row.split("|")[2:-1]]
            assert cells == [
                str(scored.scores.confusion_matrix.sum()),
                f"{scored.scores.accuracy:.3f}",
                f"{scored.scores.f1:.3f}",
                rate_text(scored.escape),
                rate_text(scored.overkill),
            ]
        assert lines[-2] == "Escape: delaminated scans called sound (D). Overkill: sound scans called delaminated."


def test_section_without_a_test_split_without_held_out_scans_and_with_other_classes() -> None:
    """It shows what is known, and says why the rest is not."""
    assert not [line for line in operating_section(model(), None) if line.startswith("| test split")]
    unknown = "How good the model is as it judges is unknown: the model keeps no held-out scans of known package."
    assert list(operating_section(model(held_out=None), None)) == [RULE, "", unknown]
    other = model(replace(FITTED, classes=("ok", "void", "crack", "D")))
    lines = list(operating_section(other, None))
    assert lines[-1].endswith("| none | none |")
    assert "Escape" not in "".join(lines)


def test_exported_files_say_how_to_read_class_d(ensemble: Ensemble) -> None:
    """Files give probabilities; who turns them into a class finds the threshold beside them."""
    told = metadata(model(replace(FITTED, sound=0.7), KNOWN))
    assert json.loads(told["sound"]) == 0.7
    assert "but D (sound) only where its probability is above the metadata 'sound'" in json.loads(told["use"])
    other = metadata(ensemble)
    assert json.loads(other["sound"]) is None
    assert json.loads(other["use"]).endswith("The class of a scan is the likeliest one.")
