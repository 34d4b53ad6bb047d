from collections.abc import Callable

import numpy as np
import pytest
import torch

from csam_lightning.training import layout
from csam_lightning.training.fold import train_fold
from csam_lightning.training.job import FoldFolder, FoldJob, FoldPredictions
from csam_lightning.training.layout import memory_format

MakeJob = Callable[..., FoldJob]


@pytest.mark.parametrize(
    ("side", "device", "expected"),
    [
        (350, "cpu", torch.channels_last),
        (150, "cpu", torch.channels_last),
        (100, "cpu", torch.contiguous_format),
        (350, "cuda", torch.contiguous_format),  # not measured there
    ],
)
def test_large_images_on_a_cpu_lie_pixel_by_pixel(side: int, device: str, expected: torch.memory_format) -> None:
    assert memory_format(side, torch.device(device)) == expected


def trained(job: FoldJob, monkeypatch: pytest.MonkeyPatch, *, orders: str) -> FoldFolder:
    """Train epoch by epoch, each in the order of its letter: p pixel by pixel, c channel by channel."""
    for epoch, order in enumerate(orders, start=1):
        monkeypatch.setattr(layout, "CHANNELS_LAST_FROM", 1 if order == "p" else 1000)
        train_fold(job, lambda _: None, until=epoch)
    return FoldFolder(job.folder)


def predictions(folder: FoldFolder) -> "np.typing.NDArray[np.float32]":
    return FoldPredictions.read(folder.predictions).validation


def test_fold_is_trained_in_the_order_of_its_size(job: MakeJob, monkeypatch: pytest.MonkeyPatch) -> None:
    for order, expected in {"p": torch.channels_last, "c": torch.contiguous_format}.items():
        content = torch.load(trained(job(order), monkeypatch, orders=order).resume, weights_only=True)
        weight = content["state_dict"]["network.layer1.0.conv1.weight"]
        assert weight.is_contiguous(memory_format=expected)
        assert not weight.is_contiguous() or order == "c"


def test_order_in_memory_changes_rounding_alone(job: MakeJob, monkeypatch: pytest.MonkeyPatch) -> None:
    # The rate is small, since AdamW's first steps turn gradients' signs, and so their rounding, into whole steps.
    settings = {"learning_rate": 1e-5}
    usual = predictions(trained(job("usual", trainer=settings), monkeypatch, orders="ccc"))
    for orders in ("ppp", "cpp", "cpc", "ppc"):  # a fold may be taken up by another machine, or another version
        folder = trained(job(orders, trainer=settings), monkeypatch, orders=orders)
        np.testing.assert_allclose(predictions(folder), usual, atol=2e-3, err_msg=orders)


def test_fold_in_pieces_gives_the_same_bits_pixel_by_pixel(job: MakeJob, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layout, "CHANNELS_LAST_FROM", 1)
    train_fold(job("whole"), lambda _: None)
    pieces = trained(job("pieces"), monkeypatch, orders="ppp")
    assert predictions(pieces).tobytes() == predictions(FoldFolder(job("whole").folder)).tobytes()


def test_model_is_kept_in_the_usual_order(job: MakeJob, monkeypatch: pytest.MonkeyPatch) -> None:
    state = torch.load(trained(job(), monkeypatch, orders="ppp").model, weights_only=True)["state_dict"]
    assert all(value.is_contiguous() for value in state.values())
