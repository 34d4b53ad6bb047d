"""Scores of a set of classified images, by scikit-learn."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Scores:
    """Scores over a whole set.

    Attributes:
        accuracy: Share of images classified rightly.
        precision: Mean over the classes present of TP / (TP + FP); 0 for a class that is never predicted.
        recall: Mean over the classes present of TP / (TP + FN).
        f1: Mean over the classes present of 2 TP / (2 TP + FP + FN).
        confusion_matrix: Counts, actual × predicted, int64 of shape (classes, classes).
    """

    accuracy: float
    precision: float
    recall: float
    f1: float
    confusion_matrix: "NDArray[np.int64]"

    def to_json(self, classes: Sequence[str]) -> dict[str, Any]:
        """Return the scores as JSON values, with the names of the confusion matrix's ``classes``."""
        return {
            "accuracy": self.accuracy,
            "precision": self.precision,
            "recall": self.recall,
            "f1": self.f1,
            "classes": list(classes),
            "confusion_matrix": self.confusion_matrix.tolist(),
        }


def score(codes: "NDArray[np.int64]", probabilities: "NDArray[np.float32]") -> Scores:
    """Score the likeliest class of each image, see :func:`score_classes`.

    Args:
        codes: Actual class numbers, shape (images,), at least one image.
        probabilities: Class probabilities, shape (images, classes).
    """
    return score_classes(codes, probabilities.argmax(axis=1), classes=probabilities.shape[1])


def score_classes(codes: "NDArray[np.int64]", predicted: "NDArray[np.int64]", *, classes: int) -> Scores:
    """Score predictions; a class without an image in the set counts neither as 0 nor as 1, but not at all.

    Args:
        codes: Actual class numbers, shape (images,), at least one image.
        predicted: Class numbers that the images are given, shape (images,).
        classes: Number of classes.
    """
    from sklearn import metrics

    precision, recall, f1, _ = metrics.precision_recall_fscore_support(
        codes, predicted, labels=np.unique(codes), average="macro", zero_division=0
    )
    return Scores(
        accuracy=float(metrics.accuracy_score(codes, predicted)),
        precision=float(precision),
        recall=float(recall),
        f1=float(f1),
        confusion_matrix=metrics.confusion_matrix(codes, predicted, labels=np.arange(classes)),
    )
