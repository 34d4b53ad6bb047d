"""What a cross-validated cell is worth: its trained folds summed up."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from csam_lightning.cells.cell import Cell
from csam_lightning.evaluation.calibrated import (
    CalibratedResult,
    HeldOutScans,
    calibrated_json,
    calibrated_result,
)
from csam_lightning.evaluation.calibration import log_probabilities
from csam_lightning.evaluation.metrics import Scores, score
from csam_lightning.evaluation.operating_point import is_delamination
from csam_lightning.evaluation.prevalence import class_shares
from csam_lightning.training.fold_files import FoldOutcome, FoldPredictions

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from csam_lightning.data.folds import Fold


@dataclass(frozen=True)
class FoldResult:
    """A finished fold.

    Attributes:
        number: The fold's number.
        metrics: ``train_…`` and ``val_…`` accuracy and loss of evaluation passes over scans as scanned, validation
            precision, recall and F1, and ``delta_…``, training minus validation. Under the published protocol also the
            validation scores over the balanced images, augmented copies included, as ``val_…_with_copies``.
        history: Metrics per epoch.
        validation: Scores over the validation scans as scanned.
        test: Scores of this fold's network over the test split, or None without one.
    """

    number: int
    metrics: dict[str, float]
    history: list[dict[str, float]]
    validation: Scores
    test: Scores | None


@dataclass(frozen=True)
class CellResult:
    """A cross-validated cell.

    Attributes:
        folds: The folds.
        out_of_fold: Scores over all validation scans, each judged by the one network that did not learn from it.
        test: Scores of the ensemble (mean probability of the folds' networks) over the test split, if there is one.
        seconds: Time in which at least one fold was training.
        images: Images trained on, all folds and epochs together.
        calibrated: Scores of the model as it judges; None under the published protocol, whose validation scans share
            packages with training, so that no calibration can be fitted on them.
    """

    folds: list[FoldResult]
    out_of_fold: Scores
    test: Scores | None
    seconds: float
    images: int
    calibrated: CalibratedResult | None = None

    def over_folds(self, statistic: "Callable[[NDArray[np.float64]], Any]") -> dict[str, float]:
        """Apply ``statistic`` to each metric's values over the folds."""
        return {
            name: float(statistic(np.array([fold.metrics[name] for fold in self.folds])))
            for name in self.folds[0].metrics
        }

    @property
    def mean(self) -> dict[str, float]:
        """Mean of each metric over the folds."""
        return self.over_folds(np.mean)

    @property
    def std(self) -> dict[str, float]:
        """Sample standard deviation of each metric over the folds; NaN for a single fold."""
        return self.over_folds(lambda values: values.std(ddof=1) if len(values) > 1 else np.nan)

    @property
    def single_test(self) -> dict[str, float] | None:
        """Mean over the folds of each single network's accuracy, precision, recall and F1 on the test split."""
        tests = [fold.test for fold in self.folds if fold.test is not None]
        if not tests:
            return None
        names = ("accuracy", "precision", "recall", "f1")
        return {name: float(np.mean([getattr(test, name) for test in tests])) for name in names}


@dataclass(frozen=True)
class RunIds:
    """Runs in MLflow; None where the store has none.

    Attributes:
        cell: The cell's run.
        folds: The folds' runs, by number.
    """

    cell: str | None
    folds: Mapping[int, str | None]


def sum_up(cell: Cell, chosen: "Sequence[Fold]") -> CellResult:
    """Read the finished folds ``chosen`` of ``cell`` and sum them up."""
    outcomes = [FoldOutcome.read(cell.fold_folder(fold.number).outcome) for fold in chosen]
    predictions = [FoldPredictions.read(cell.fold_folder(fold.number).predictions) for fold in chosen]
    folds = [fold_result(cell, fold.number) for fold in chosen]
    originals = [
        predicted.validation[fold.validation.copy == 0] for fold, predicted in zip(chosen, predictions, strict=True)
    ]
    tests = [predicted.test for predicted in predictions]
    judged = np.concatenate([fold.validation.scans for fold in chosen])
    return CellResult(
        folds=folds,
        out_of_fold=score(cell.codes[judged], np.concatenate(originals)),
        test=score(cell.test_codes, np.mean(tests, axis=0)) if len(cell.test) else None,
        seconds=covered((past["ended"] - past["seconds"], past["ended"]) for fold in folds for past in fold.history),
        images=sum(outcome.images for outcome in outcomes),
        calibrated=_calibrated(cell, chosen, originals, tests) if cell.config.data.protocol == "grouped" else None,
    )


def _calibrated(
    cell: Cell,
    chosen: "Sequence[Fold]",
    validation: "Sequence[NDArray[np.float32]]",
    tests: "Sequence[NDArray[np.float32]]",
) -> CalibratedResult:
    """Score the model as it judges, from each fold's probabilities of its validation scans and of the test split."""
    scans = [fold.validation.scans for fold in chosen]
    judged = cell.table.iloc[np.concatenate(scans)]
    return calibrated_result(
        HeldOutScans(
            log_probabilities(np.concatenate(validation)), cell.codes[np.concatenate(scans)], judged["package_id"]
        ),
        np.repeat([fold.number for fold in chosen], [len(part) for part in scans]),
        HeldOutScans(log_probabilities(np.stack(tests)), cell.test_codes, cell.test["package_id"])
        if len(cell.test)
        else None,
        classes=cell.classes,
        sound=cell.config.sound,
        prevalence=_prevalence(cell),
    )


def _prevalence(cell: Cell) -> tuple[float, ...] | None:
    """Return the class mix that the settings ask for; None for that of the training data."""
    wanted = cell.config.prevalence
    return None if wanted is None else class_shares(wanted, cell.classes)


def fold_result(cell: Cell, number: int) -> FoldResult:
    """Read the finished fold ``number`` of ``cell`` and score it."""
    fold, files = cell.folds[number], cell.fold_folder(number)
    outcome, predictions = FoldOutcome.read(files.outcome), FoldPredictions.read(files.predictions)
    original = fold.validation.copy == 0
    validation = score(cell.codes[fold.validation.scans], predictions.validation[original])
    metrics = {
        "train_accuracy": outcome.train_accuracy,
        "train_loss": outcome.train_loss,
        "val_accuracy": validation.accuracy,
        "val_loss": outcome.val_loss,
        "val_precision": validation.precision,
        "val_recall": validation.recall,
        "val_f1": validation.f1,
        "delta_accuracy": outcome.train_accuracy - validation.accuracy,
        "delta_loss": outcome.train_loss - outcome.val_loss,
    }
    if cell.config.data.protocol == "published":
        copied = score(cell.codes[fold.validation.scan], predictions.validation)
        metrics |= {
            "val_accuracy_with_copies": copied.accuracy,
            "val_precision_with_copies": copied.precision,
            "val_recall_with_copies": copied.recall,
        }
    test = score(cell.test_codes, predictions.test) if len(cell.test) else None
    return FoldResult(number, metrics, files.read_history(), validation, test)


def covered(spans: Iterable[tuple[float, float]]) -> float:
    """Return the length of the union of ``spans``, each (begin, end)."""
    total, reached = 0.0, -np.inf
    for begin, end in sorted(spans):
        total += max(0.0, end - max(begin, reached))
        reached = max(reached, end)
    return total


def result_json(cell: Cell, result: CellResult, runs: RunIds) -> dict[str, Any]:
    """Return the content of ``result.json``; a number that does not exist (a spread over one fold) is null."""
    data = cell.config.data
    return {
        "cell": {
            "data_size": cell.size,
            "image_size": data.image_size,
            "batch_size": data.batch_size,
            "protocol": data.protocol.value,
            "seed": cell.config.seed,
            "arch": cell.config.model.arch,
        },
        "cell_id": cell.id,
        "run_id": runs.cell,
        "data_fingerprint": cell.fingerprint,
        "sample_bits": cell.sample_bits,
        "overlay": cell.colours.overlay.value,
        "palette": cell.colours.palette,
        "folds": [
            {"fold": fold.number, "run_id": runs.folds.get(fold.number), **_finite(fold.metrics)}
            for fold in result.folds
        ],
        "mean": _finite(result.mean),
        "std": _finite(result.std),
        "out_of_fold": result.out_of_fold.to_json(cell.classes),
        "test": None if result.test is None else result.test.to_json(cell.classes),
        "test_single_mean": result.single_test,
        "sound": cell.config.sound if is_delamination(cell.classes) else None,
        "prevalence": _prevalence(cell),
        "calibrated": None if result.calibrated is None else calibrated_json(result.calibrated, cell.classes),
        "seconds": result.seconds,
        "train_images_per_second": result.images / result.seconds if result.seconds else None,
    }


def _finite(numbers: dict[str, float]) -> dict[str, float | None]:
    return {name: value if np.isfinite(value) else None for name, value in numbers.items()}
