from collections.abc import Callable

import numpy as np
import pytest
import torch

from csam_lightning.model.products import ProductConv2d
from csam_lightning.model.resnet import build_resnet
from csam_lightning.training import layout
from csam_lightning.training.fold import train_fold
from csam_lightning.training.job import FoldFolder, FoldJob, FoldPredictions
from csam_lightning.training.layout import by_products, lay_out

MakeJob = Callable[..., FoldJob]


@pytest.fixture(params=["AVX2", "AVX512"])
def capability(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Let PyTorch believe in a CPU with, or without, AVX-512."""
    monkeypatch.setattr(torch.backends.mkl, "is_available", lambda: True)
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: request.param)
    return str(request.param)


@pytest.mark.parametrize(
    ("side", "device", "precision", "pixel_by_pixel", "products"),
    [
        (350, "cpu", "32-true", True, "AVX2"),
        (100, "cpu", "32-true", "AVX2", "AVX2"),
        (350, "cpu", "bf16-mixed", True, None),
        (150, "cpu", "bf16-mixed", True, None),
        (100, "cpu", "bf16-mixed", False, None),
        (350, "cuda", "32-true", False, None),  # not measured there
    ],
)
def test_network_is_laid_out_as_was_measured_to_be_fastest(
    capability: str, side: int, device: str, precision: str, *, pixel_by_pixel: bool | str, products: str | None
) -> None:
    network = build_resnet("resnet18", num_classes=3, weights=None)
    lay_out(network, side=side, device=torch.device(device), precision=precision)
    weight = network.get_submodule("layer1.0.conv1").weight
    assert isinstance(weight, torch.Tensor)
    expected = pixel_by_pixel in {True, capability}
    assert weight.is_contiguous(memory_format=torch.channels_last) == expected
    assert weight.is_contiguous() != expected
    assert any(isinstance(module, ProductConv2d) for module in network.modules()) == (products == capability)


def test_products_are_left_out_without_the_library_that_makes_them_fast(
    capability: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert by_products(torch.device("cpu"), "32-true") == (capability == "AVX2")
    monkeypatch.setattr(torch.backends.mkl, "is_available", lambda: False)
    assert not by_products(torch.device("cpu"), "32-true")


def trained(job: FoldJob, monkeypatch: pytest.MonkeyPatch, *, orders: str) -> FoldFolder:
    """Train epoch by epoch, each as its letter says: m by matrix products, p pixel by pixel, c channel by channel."""
    for epoch, order in enumerate(orders, start=1):
        monkeypatch.setattr(layout, "by_products", lambda *_, order=order: order == "m")
        monkeypatch.setattr(layout, "CHANNELS_LAST_FROM", 1 if order == "p" else 1000)
        train_fold(job, lambda _: None, until=epoch)
    return FoldFolder(job.folder)


def predictions(folder: FoldFolder) -> "np.typing.NDArray[np.float32]":
    return FoldPredictions.read(folder.predictions).validation


def test_fold_is_trained_in_the_order_of_its_size(job: MakeJob, monkeypatch: pytest.MonkeyPatch) -> None:
    for order, expected in {"p": torch.channels_last, "c": torch.contiguous_format, "m": torch.channels_last}.items():
        content = torch.load(trained(job(order), monkeypatch, orders=order).resume, weights_only=True)
        weight = content["state_dict"]["network.layer1.0.conv1.weight"]
        assert weight.is_contiguous(memory_format=expected)
        assert not weight.is_contiguous() or order == "c"


def test_order_in_memory_changes_rounding_alone(job: MakeJob, monkeypatch: pytest.MonkeyPatch) -> None:
    # The rate is small, since AdamW's first steps turn gradients' signs, and so their rounding, into whole steps.
    settings = {"learning_rate": 1e-5}
    usual = predictions(trained(job("usual", trainer=settings), monkeypatch, orders="ccc"))
    # a fold may be taken up by another machine, or another version
    for orders in ("ppp", "cpp", "cpc", "ppc", "mmm", "cmm", "mcc", "mpm"):
        folder = trained(job(orders, trainer=settings), monkeypatch, orders=orders)
        atol = 3.5e-3 if "m" in orders else 2e-3
        np.testing.assert_allclose(predictions(folder), usual, atol=atol, err_msg=orders)


@pytest.mark.parametrize("order", ["p", "m"])
def test_fold_in_pieces_gives_the_same_bits(job: MakeJob, monkeypatch: pytest.MonkeyPatch, order: str) -> None:
    monkeypatch.setattr(layout, "by_products", lambda *_: order == "m")
    monkeypatch.setattr(layout, "CHANNELS_LAST_FROM", 1)
    train_fold(job("whole"), lambda _: None)
    pieces = trained(job("pieces"), monkeypatch, orders=3 * order)
    assert predictions(pieces).tobytes() == predictions(FoldFolder(job("whole").folder)).tobytes()


@pytest.mark.parametrize("order", ["p", "m"])
def test_model_is_kept_in_the_usual_order(job: MakeJob, monkeypatch: pytest.MonkeyPatch, order: str) -> None:
    state = torch.load(trained(job(), monkeypatch, orders=3 * order).model, weights_only=True)["state_dict"]
    assert all(value.is_contiguous() for value in state.values())
