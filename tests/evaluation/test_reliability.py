import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchmetrics.functional.classification import binary_calibration_error

from csam_lightning.evaluation.reliability import class_reliability
from tests.evaluation.test_calibration import drawn


@given(st.integers(0, 1000), st.integers(1, 100))
@settings(max_examples=8)
def test_calibration_error_of_a_class_is_torchmetrics(seed: int, scans: int) -> None:
    logs, codes = drawn(scans, seed=seed)
    probabilities = np.exp(logs).astype(np.float32)
    for code, found in enumerate(class_reliability(probabilities, codes, None)):
        said = torch.from_numpy(probabilities[:, code])
        # torchmetrics takes the likelier side of each scan: below a half it would compare with the other class
        high = said > 0.5
        mine = class_reliability(probabilities[high.numpy()], codes[high.numpy()], None)[code] if high.any() else None
        if mine is not None:
            theirs = binary_calibration_error(said[high], torch.from_numpy(codes == code)[high].long(), n_bins=15)
            assert mine.error == pytest.approx(float(theirs), abs=1e-5)
        assert found.scans.sum() == scans


def test_reliability_by_hand() -> None:
    probabilities = np.array([[0.9, 0.1], [0.85, 0.15], [0.9, 0.1], [0.2, 0.8], [0.1, 0.9]])
    first, second = class_reliability(probabilities, np.array([0, 1, 0, 1, 1]), ["p", "p", "q", "q", "r"])
    assert first.scans[[1, 2, 12, 13]].tolist() == [1, 1, 1, 2]
    assert first.probability[12] == pytest.approx(0.85)
    assert first.share[13] == 1
    assert np.isnan(first.share[0])
    assert first.error == pytest.approx((0.1 + 0.2 + 0.85 + 2 * 0.1) / 5)
    assert first.sure.value == pytest.approx(2 / 3)
    assert (first.sure.scans, first.sure.packages) == (3, 2)
    assert (second.sure.value, second.sure.scans) == (1.0, 1)  # 0.8 is not above 0.8


def test_interval_counts_packages() -> None:
    codes = (np.random.default_rng(0).random(60) < 0.5).astype(np.int64)
    probabilities = np.tile([0.7, 0.3], (600, 1))
    alike = np.repeat(codes, 10)
    by_scan, by_package = (
        class_reliability(probabilities, alike, packages)[0] for packages in (None, np.arange(600) // 10)
    )
    expected = abs((codes == 0).mean() - 0.7)
    assert [by_scan.error, by_package.error] == pytest.approx([expected, expected])
    assert by_package.high - by_package.low > 2 * (by_scan.high - by_scan.low)


def test_interval_covers_the_true_error() -> None:
    """A class whose probability is 0.7 and whose share is 0.5 has an error of 0.2; a calibrated one has none."""
    hit = []
    for seed in range(30):
        rng = np.random.default_rng(seed)
        probabilities = np.tile([0.7, 0.3], (200, 1))
        found = class_reliability(probabilities, (rng.random(200) > 0.5).astype(np.int64), None)[0]
        hit.append(found.low <= 0.2 <= found.high)
    assert np.mean(hit) >= 0.85
