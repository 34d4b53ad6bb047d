"""The model card: what a model was made from, how good it is and what it is for, from what training recorded."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from csam_lightning.evaluation.calibration import (
    calibration_of,
    class_mix,
    cross_fitted,
    fit_calibration,
    with_prevalence,
)
from csam_lightning.evaluation.conformal import COVERAGE, VOID, Unit, class_sets, promise, unit_of
from csam_lightning.evaluation.predictions import packages_of_test_split, said_of_test_split
from csam_lightning.evaluation.reliability import SURE, class_reliability
from csam_lightning.exporting.markdown import table
from csam_lightning.exporting.operating_section import operating_section
from csam_lightning.model.ensemble import PUBLISHED

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from csam_lightning.model.ensemble import Ensemble
    from csam_lightning.model.held_out import HeldOut

FEW = 30
"""Scans of a class below which its scores hang on single scans."""
SCORES = ("accuracy", "precision", "recall", "f1")
NAMES = {"accuracy": "accuracy", "precision": "macro precision", "recall": "macro recall", "f1": "macro F1"}


@dataclass(frozen=True)
class Recorded:
    """What the run of a cell recorded.

    Attributes:
        run_id: The run.
        source: Where its data set came from, as Markdown.
        caution: What every user of a model from that source must know; None: nothing.
        result: ``result.json``.
        scans: ``scans.csv``: every scan of the data set.
        predictions: ``predictions.csv``, ``label`` and ``fold`` as text; None where an older version kept none.
        settings: ``config.yaml``.
        tags: The run's tags.
    """

    run_id: str
    source: str
    caution: str | None
    result: Mapping[str, Any]
    scans: "pd.DataFrame"
    predictions: "pd.DataFrame | None"
    settings: Mapping[str, Any]
    tags: Mapping[str, str]


def model_card(ensemble: "Ensemble", recorded: Recorded) -> str:
    """Return the card as Markdown.

    Raises:
        LookupError, TypeError, ValueError: What is recorded is not what training records.
    """
    sections = {
        "Intended use": _intended_use(ensemble, recorded),
        "Data": _data(recorded),
        "Protocol": _protocol(ensemble, recorded),
        "Metrics": _metrics(ensemble, recorded),
        "Calibration": _calibration(ensemble, recorded),
        "Operating point": operating_section(ensemble, recorded.predictions),
        "Limits": _limits(ensemble, recorded),
        "Training fingerprint": _fingerprint(ensemble, recorded),
    }
    facts = ensemble.facts
    parts = [f"# Model card: delamination in acoustic scans, cell {facts.cell_id}"]
    parts += [f"## {title}\n\n" + "\n".join(lines) for title, lines in sections.items()]
    return "\n\n".join(parts) + "\n"


def _intended_use(ensemble: "Ensemble", recorded: Recorded) -> Iterator[str]:
    facts = ensemble.facts
    seen = ", ".join(sorted(str(name) for name in recorded.scans["metallization"].dropna().unique()))
    yield f"Sorts C-scans of one package each into {', '.join(facts.classes)}, with probabilities, so that a person can"
    yield "look first at those that need it. It is for packages,"
    yield f"metallizations{f' ({seen})' if seen else ''}, scanner and settings like those of its data."
    yield ""
    yield "It is not for releasing parts without a person, nor for scans of anything else."
    if ensemble.novelty is not None:
        yield "Large `distances` show that a scan is unlike those it learned from."
    if recorded.caution:
        yield ""
        yield f"**{recorded.caution}**"


def _data(recorded: Recorded) -> Iterator[str]:
    scans = recorded.scans
    yield f"Source: {recorded.source}."
    yield ""
    rows = []
    for name in [*recorded.result["out_of_fold"]["classes"], None]:
        mine = scans if name is None else scans[scans["label"] == name]
        sides = [mine[mine["split"] == split] for split in ("train", "test")]
        sizes = [size for side in sides for size in (len(side), _packages(side))]
        rows.append(["all" if name is None else name, *sizes])
    yield from table(["class", "scans", "packages", "test scans", "test packages"], rows)
    for column, title in (("metallization", "metallization"), ("cycles", "thermal cycles")):
        counts = scans[column].value_counts().sort_index()
        if len(counts):
            told = ", ".join(
                f"{value:g} ({count})" if column == "cycles" else f"{value} ({count})"
                for value, count in counts.items()
            )
            yield ""
            yield f"Scans by {title}: {told}."


def _packages(scans: "pd.DataFrame") -> str:
    return str(scans["package_id"].nunique()) if scans["package_id"].notna().any() else "unknown"


def _protocol(ensemble: "Ensemble", recorded: Recorded) -> Iterator[str]:
    cell, settings = recorded.result["cell"], recorded.settings
    split = {
        "grouped": "all scans of a package on one side of every split; the training part alone balanced and augmented",
        "published": "balanced and augmented before the split, images split at random",
    }[cell["protocol"]]
    folds, of = ", ".join(map(str, ensemble.facts.folds)), settings["data"]["num_folds"]
    trainer, augment = settings["trainer"], settings["augment"]
    weights = settings["model"]["weights"]
    yield f"- Split: {cell['protocol']}: {split}."
    yield f"- Folds {folds} of {of}: a network each, their mean is the model."
    yield f"- Data size {cell['data_size']}, images {cell['image_size']} px, batch {cell['batch_size']}."
    yield f"- Seed {cell['seed']}."
    yield f"- {cell['arch']} with one input channel, initial weights {weights or 'random'}."
    yield f"- {trainer['max_epochs']} epochs of AdamW, highest rate {trainer['learning_rate']:g}."
    changes = f"rotation up to {augment['rotation_degrees']:g}°, contrast up to ±{augment['contrast']:g}"
    yield f"- Augmentation: {changes}, {'each epoch anew' if augment['when'] == 'epoch' else 'once'}."


def _metrics(ensemble: "Ensemble", recorded: Recorded) -> Iterator[str]:
    result = recorded.result
    numbers = [fold["fold"] for fold in result["folds"]]
    if tuple(numbers) != ensemble.facts.folds:
        yield f"Of the cell's folds {', '.join(map(str, numbers))}, not of this model's alone."
        yield ""
    out, test = result["out_of_fold"], result["test"]
    rows = [
        [
            NAMES[name],
            _spread(result, f"val_{name}"),
            f"{out[name]:.3f}",
            "none" if test is None else f"{test[name]:.3f}",
        ]
        for name in SCORES
    ]
    rows.append(["training − validation accuracy", _spread(result, "delta_accuracy"), "", ""])
    yield from table(["", "folds, mean ± sd", "out of fold", "test split, ensemble"], rows)
    yield ""
    yield "Out of fold: every scan judged by the one network that did not learn from it. Macro: mean over the classes."
    for title, scores in (("out of fold", out), ("test split", test)):
        if scores is not None:
            yield ""
            yield from _by_class(title, scores)


def _spread(result: Mapping[str, Any], name: str) -> str:
    spread = result["std"][name]
    return f"{result['mean'][name]:.3f}" + (" (one fold)" if spread is None else f" ± {spread:.3f}")


def _by_class(title: str, scores: Mapping[str, Any]) -> Iterator[str]:
    matrix = np.array(scores["confusion_matrix"])
    right, actual, predicted = matrix.diagonal(), matrix.sum(axis=1), matrix.sum(axis=0)
    rows = [
        [name, number, _share(hit, said), _share(hit, number), *row]
        for name, number, said, hit, row in zip(
            scores["classes"], actual, predicted, right, matrix.tolist(), strict=True
        )
    ]
    header = [f"{title}: actual", "scans", "precision", "recall", *(f"predicted {name}" for name in scores["classes"])]
    yield from table(header, rows)


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.3f}" if whole else "none"


def _calibration(ensemble: "Ensemble", recorded: Recorded) -> Iterator[str]:
    known, facts, table = ensemble.held_out, ensemble.facts, recorded.predictions
    if recorded.result["cell"]["protocol"] == PUBLISHED and known is None:
        yield f"Not calibrated, {VOID}."
        return
    if known is None or table is None:
        yield "Not calibrated: the predictions that it takes were not kept."
        return
    biases = ", ".join(f"{name} {bias:+.3f}" for name, bias in zip(facts.classes, facts.bias, strict=True))
    yield f"Temperature {facts.temperature:.3f}, bias {biases}, fitted on {len(known.codes)} out-of-fold scans alone."
    if facts.prevalence is not None:
        mix = ", ".join(f"{name} {share:.3g}" for name, share in zip(facts.classes, facts.prevalence, strict=True))
        yield f"They are meant for the class mix {mix}."
    before = np.exp(known.log_probabilities)
    after = cross_fitted(known.log_probabilities, known.codes, known.networks)
    fold_by_fold = "cross-fitted" if len(facts.folds) > 1 else "fitted on these scans"
    title = f"out of fold, {fold_by_fold}"
    yield from _reliability(title, facts.classes, known.codes, known.packages, before, after)
    if not (table["split"] == "test").any():
        return
    logs, codes = said_of_test_split(table, facts.classes, facts.folds)
    number = len(facts.classes)
    mixes = class_mix(known.codes, number), class_mix(codes, number)
    fitted = with_prevalence(fit_calibration(known.log_probabilities, known.codes), *mixes)
    means = [np.exp(logs).mean(axis=0), fitted.probabilities(logs).mean(axis=0)]
    yield from _reliability(
        "test split, ensemble, at its own class mix",
        facts.classes,
        codes,
        packages_of_test_split(table, facts.folds),
        *means,
    )
    yield from _sets(ensemble, known, logs, codes)


def _reliability(
    title: str,
    classes: Sequence[str],
    codes: "NDArray[np.int64]",
    packages: "NDArray[np.int64] | None",
    *probabilities: "NDArray[np.float64]",
) -> Iterator[str]:
    """Yield how far the probability of each class is from its share, before and after calibration."""
    before, after = (class_reliability(kind, codes, packages) for kind in probabilities)
    yield ""
    header = [f"{title}: class", "scans", "calibration error before", "after (95 % interval)"]
    header += [f"right where p > {SURE:g}: before", "after (scans)"]
    rows = [
        [
            name,
            (codes == code).sum(),
            f"{old.error:.3f}",
            f"{new.error:.3f} ({new.low:.3f} to {new.high:.3f})",
            *(f"{one.sure.value:.3f} ({one.sure.scans})" if one.sure.scans else "none" for one in (old, new)),
        ]
        for code, (name, old, new) in enumerate(zip(classes, before, after, strict=True))
    ]
    yield from table(header, rows)


def _sets(
    ensemble: "Ensemble", known: "HeldOut", logs: "NDArray[np.float64]", codes: "NDArray[np.int64]"
) -> Iterator[str]:
    """Yield what coverage promises, and how many scans of the test split kept their class."""
    calibration = calibration_of(ensemble.facts)
    unit = unit_of(known, Unit.auto)
    sets = class_sets(known, calibration.probabilities(logs), calibration=calibration, coverage=COVERAGE, unit=unit)
    yield ""
    yield promise(COVERAGE, unit, len(ensemble.facts.folds))
    yield ""
    yield f"Sets of classes that cannot be ruled out, at {COVERAGE:.0%} class by class, by {unit}, on the test split:"
    yield ""
    covered, sizes = sets[np.arange(len(codes)), codes], sets.sum(axis=1)
    every = ("all", np.ones_like(covered))
    groups = [every, *((name, codes == code) for code, name in enumerate(ensemble.facts.classes))]
    rows = [
        [name, group.sum(), f"{covered[group].mean():.3f}", f"{sizes[group].mean():.2f}"]
        for name, group in groups
        if group.any()
    ]
    yield from table(["actual class", "scans", "hold it", "classes in a set"], rows)


def _limits(ensemble: "Ensemble", recorded: Recorded) -> Iterator[str]:
    trained = recorded.scans[recorded.scans["split"] == "train"]
    counts = trained["label"].value_counts()
    few = [f"{name} ({counts.get(name, 0)})" for name in ensemble.facts.classes if counts.get(name, 0) < FEW]
    if few:
        yield f"- Few training scans of {', '.join(few)}: their scores hang on single scans."
    if recorded.result["test"] is None:
        yield "- There was no test split: how good it is on packages set apart is not known."
    if recorded.result["cell"]["protocol"] == "published":
        yield "- Its scores promise too much: validation scans share packages with training."
    if len(recorded.result["folds"]) < recorded.settings["data"]["num_folds"]:
        yield "- Not all folds were trained: part of the scans was never judged."
    if ensemble.novelty is None:
        yield "- It does not tell scans that are unlike those it learned from."
    yield "- Scores hold for packages, scanner and settings like those of the data; of others nothing was measured."
    yield "- Scans of one package are alike: scores vary more from lot to lot than the number of scans suggests."


def _fingerprint(ensemble: "Ensemble", recorded: Recorded) -> Iterator[str]:
    facts, tags = ensemble.facts, recorded.tags
    dirty = ", with changes" if tags.get("git.dirty") == "true" else ""
    rows = [
        ["data", facts.data_fingerprint],
        ["cell", facts.cell_id],
        ["run", recorded.run_id],
        ["program", f"csam_lightning {tags.get('code.version', 'unknown')}"],
        ["commit", tags.get("git.commit", "unknown") + dirty],
    ]
    yield from table(["", ""], [[name, f"`{value}`"] for name, value in rows])
