from collections.abc import Callable

import numpy as np
import pytest
import torch

from csam_lightning.acceleration import layout
from csam_lightning.acceleration.layout import by_products, lay_out
from csam_lightning.acceleration.products import ProductConv2d
from csam_lightning.model.resnet import build_resnet
from csam_lightning.training.fold import train_fold
from csam_lightning.training.fold_files import FoldFolder, FoldPredictions
from csam_lightning.training.job import FoldJob

MakeJob = Callable[..., FoldJob]


def stages_of(network: torch.nn.Module, kind: type[ProductConv2d]) -> list[str]:
    return sorted({name.partition(".")[0] for name, module in network.named_modules() if type(module) is kind})


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
@pytest.mark.parametrize("capability", ["AVX2", "AVX512"])
def test_network_is_laid_out_as_was_measured_to_be_fastest(
    monkeypatch: pytest.MonkeyPatch, capability: str, precision: str
) -> None:
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
    monkeypatch.setattr(layout, "lacks_bf16", lambda: False)
    monkeypatch.setattr(layout, "ONEDNN_LINEAR", torch.mm)  # whatever it is, if it is there
    for side, stages in ((149, ["layer3", "layer4"]), (150, ["layer4"])):
        network = build_resnet("resnet18", num_classes=3, weights=None)
        lay_out(network, side=side, device=torch.device("cpu"), precision=precision)
        weight = network.get_submodule("layer2.0.conv1").weight
        assert isinstance(weight, torch.Tensor)
        assert weight.is_contiguous(memory_format=torch.channels_last)
        assert not weight.is_contiguous()
        assert stages_of(network, ProductConv2d) == stages


@pytest.mark.parametrize("unlike", ["gpu", "no bf16", "no oneDNN", "another processor"])
def test_network_stays_as_it_is_where_nothing_was_measured(monkeypatch: pytest.MonkeyPatch, unlike: str) -> None:
    monkeypatch.setattr(
        torch.backends.cpu, "get_cpu_capability", lambda: "SVE256" if unlike == "another processor" else "AVX2"
    )
    monkeypatch.setattr(layout, "lacks_bf16", lambda: unlike == "no bf16")
    monkeypatch.setattr(layout, "ONEDNN_LINEAR", None if unlike == "no oneDNN" else torch.mm)
    network = build_resnet("resnet18", num_classes=3, weights=None)
    device = torch.device("cuda" if unlike == "gpu" else "cpu")
    lay_out(network, side=100, device=device, precision="bf16-mixed" if unlike == "no bf16" else "32-true")
    assert all(weight.is_contiguous() for weight in network.parameters())
    assert not stages_of(network, ProductConv2d)
    assert by_products(torch.device("cpu"), "32-true") == (unlike in {"gpu", "no bf16"})


def trained(job: FoldJob, monkeypatch: pytest.MonkeyPatch, *, orders: str) -> FoldFolder:
    """Train epoch by epoch, each as its letter says.

    m by matrix products, p pixel by pixel, c channel by channel.
    """
    for epoch, order in enumerate(orders, start=1):
        with monkeypatch.context() as patch:
            patch.setattr(layout, "by_products", lambda *_, order=order: order != "c")
            if order == "p":
                patch.setattr(layout, "convolve_by_products", lambda *_, **__: None)
            train_fold(job, lambda _: None, until=epoch)
    return FoldFolder(job.folder)


def predictions(folder: FoldFolder) -> "np.typing.NDArray[np.float32]":
    return FoldPredictions.read(folder.predictions).validation


def test_fold_is_trained_in_the_order_of_its_layout(job: MakeJob, monkeypatch: pytest.MonkeyPatch) -> None:
    plain, last = torch.contiguous_format, torch.channels_last
    for order, expected in {"p": last, "c": plain, "m": last}.items():
        content = torch.load(trained(job(order), monkeypatch, orders=order).resume, weights_only=True)
        weights = [content["state_dict"][f"network.layer{stage}.1.conv1.weight"] for stage in (1, 4)]
        kept = [form for form in (plain, last) if weights[0].is_contiguous(memory_format=form)]
        assert kept == [expected]
        by_elements = [weight[:, :, 0, 0].is_contiguous() for weight in weights]
        assert by_elements == [False, order == "m"]


def test_order_in_memory_changes_rounding_alone(job: MakeJob, monkeypatch: pytest.MonkeyPatch) -> None:
    # The rate is small, since AdamW's first steps turn gradients' signs, and so their rounding, into whole steps.
    settings = {"learning_rate": 1e-5}
    usual = predictions(trained(job("usual", trainer=settings), monkeypatch, orders="ccc"))
    # a fold may be taken up by another machine, or another version
    for orders in ("ppp", "cpp", "ppc", "mmm", "cmm", "mcc", "mpm"):
        folder = trained(job(orders, trainer=settings), monkeypatch, orders=orders)
        atol = 3.5e-3 if "m" in orders else 2e-3
        np.testing.assert_allclose(predictions(folder), usual, atol=atol, err_msg=orders)


@pytest.mark.parametrize("order", ["c", "m"])
def test_fold_in_pieces_gives_the_same_bits(job: MakeJob, monkeypatch: pytest.MonkeyPatch, order: str) -> None:
    pieces = trained(job("pieces"), monkeypatch, orders=3 * order)
    monkeypatch.setattr(layout, "by_products", lambda *_: order != "c")
    train_fold(job("whole"), lambda _: None)
    assert predictions(pieces).tobytes() == predictions(FoldFolder(job("whole").folder)).tobytes()


@pytest.mark.parametrize("order", ["c", "m"])
def test_model_is_kept_in_the_usual_order(job: MakeJob, monkeypatch: pytest.MonkeyPatch, order: str) -> None:
    state = torch.load(trained(job(), monkeypatch, orders=3 * order).model, weights_only=True)["state_dict"]
    assert all(value.is_contiguous() for value in state.values())
