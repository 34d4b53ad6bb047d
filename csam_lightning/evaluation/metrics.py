"""Scores of a set of classified images, from class probabilities, by scikit-learn."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

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


def score(codes: "NDArray[np.int64]", probabilities: "NDArray[np.float32]") -> Scores:
    """Score predictions; a class without an image in the set counts neither as 0 nor as 1, but not at all.

    Args:
        codes: Actual class numbers, shape (images,), at least one image.
        probabilities: Class probabilities, shape (images, classes).
    """
    from sklearn import metrics

    predicted = probabilities.argmax(axis=1)
    precision, recall, f1, _ = metrics.precision_recall_fscore_support(
        codes, predicted, labels=np.unique(codes), average="macro", zero_division=0
    )
    return Scores(
        accuracy=float(metrics.accuracy_score(codes, predicted)),
        precision=float(precision),
        recall=float(recall),
        f1=float(f1),
        confusion_matrix=metrics.confusion_matrix(codes, predicted, labels=np.arange(probabilities.shape[1])),
    )
