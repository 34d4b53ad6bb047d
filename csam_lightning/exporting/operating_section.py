"""The model card's section on the threshold of class D, its escapes and its overkill."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from csam_lightning.evaluation.calibrated import HeldOutScans, rate_text
from csam_lightning.evaluation.model_scores import model_scores, threshold_rule, unknown_because
from csam_lightning.evaluation.predictions import packages_of_test_split, said_of_test_split
from csam_lightning.exporting.markdown import table

if TYPE_CHECKING:
    import pandas as pd

    from csam_lightning.model.ensemble import Ensemble


def operating_section(ensemble: "Ensemble", predictions: "pd.DataFrame | None") -> Iterator[str]:
    """Yield when the model calls a scan sound, and its scores as it judges, as Markdown.

    Args:
        ensemble: The model.
        predictions: The cell's ``predictions.csv``, ``label`` and ``fold`` as text; None where there is none.
    """
    if rule := threshold_rule(ensemble):
        yield rule
        yield ""
    scores = model_scores(ensemble, _test_split(ensemble, predictions))
    if scores is None:
        yield f"How good the model is as it judges is unknown: {unknown_because(ensemble)}."
        return
    rows = [
        [
            title,
            scored.scores.confusion_matrix.sum(),
            f"{scored.scores.accuracy:.3f}",
            f"{scored.scores.f1:.3f}",
            *map(rate_text, (scored.escape, scored.overkill)),
        ]
        for title, scored in (("out of fold", scores.out_of_fold), ("test split", scores.test))
        if scored is not None
    ]
    yield from table(["as the model judges", "scans", "accuracy", "macro F1", "escape", "overkill"], rows)
    if scores.sound is not None:
        yield ""
        yield "Escape: delaminated scans called sound (D). Overkill: sound scans called delaminated."
        yield "In brackets: 95 % confidence intervals that count packages, not scans."


def _test_split(ensemble: "Ensemble", predictions: "pd.DataFrame | None") -> HeldOutScans | None:
    """Return the probabilities of each network of the test split; None where there is none."""
    if predictions is None or not (predictions["split"] == "test").any():
        return None
    logs, codes = said_of_test_split(predictions, ensemble.facts.classes, ensemble.facts.folds)
    packages = packages_of_test_split(predictions, ensemble.facts.folds)
    return HeldOutScans(logs, codes, np.full(len(codes), "") if packages is None else packages)
