import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import confusion_matrix

from csam_lightning.evaluation.metrics import score


def test_scores_follow_the_definitions() -> None:
    codes = np.array([0, 0, 0, 1, 1, 2])
    predicted = np.array([0, 0, 1, 1, 2, 2])
    scores = score(codes, np.eye(3, dtype=np.float32)[predicted])
    assert scores.accuracy == pytest.approx(4 / 6)
    assert scores.precision == pytest.approx((2 / 2 + 1 / 2 + 1 / 2) / 3)
    assert scores.recall == pytest.approx((2 / 3 + 1 / 2 + 1 / 1) / 3)
    assert scores.f1 == pytest.approx((4 / 5 + 2 / 4 + 2 / 3) / 3)
    assert scores.confusion_matrix.tolist() == [[2, 1, 0], [0, 1, 1], [0, 0, 1]]


def test_class_without_an_image_counts_not_at_all_even_when_predicted() -> None:
    scores = score(np.array([0, 0, 1, 1]), np.eye(3, dtype=np.float32)[[0, 2, 1, 1]])
    assert scores.recall == pytest.approx((0.5 + 1) / 2)
    assert scores.precision == pytest.approx(1)
    assert scores.confusion_matrix.tolist() == [[1, 0, 1], [0, 2, 0], [0, 0, 0]]


def test_class_never_predicted_has_no_precision() -> None:
    scores = score(np.array([0, 1]), np.eye(2, dtype=np.float32)[[0, 0]])
    assert scores.precision == pytest.approx((0.5 + 0) / 2)


@given(st.integers(1, 40).flatmap(lambda n: st.tuples(*(arrays(np.int64, n, elements=st.integers(0, 3)),) * 2)))
@settings(max_examples=50)
def test_scores_equal_what_the_confusion_matrix_says(drawn: tuple[np.ndarray, np.ndarray]) -> None:
    codes, predicted = drawn
    scores = score(codes, np.eye(4, dtype=np.float32)[predicted])
    matrix = confusion_matrix(codes, predicted, labels=range(4))
    present = matrix.sum(axis=1) > 0
    right, named = np.diag(matrix)[present], matrix.sum(axis=0)[present]
    assert scores.accuracy == pytest.approx(np.trace(matrix) / matrix.sum())
    assert scores.recall == pytest.approx((right / matrix.sum(axis=1)[present]).mean())
    assert scores.f1 == pytest.approx((2 * right / (matrix.sum(axis=1)[present] + named)).mean())
    assert scores.precision == pytest.approx(np.divide(right, named, where=named > 0, out=np.zeros(len(right))).mean())
