import copy
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from csam_lightning.acceleration import products
from csam_lightning.acceleration.products import ProductConv2d, by_elements, convolve_by_products
from csam_lightning.model.resnet import build_resnet


def results(convolution: nn.Module, images: Tensor, course: Tensor | None = None) -> list[Tensor]:
    """Return the result, and the gradients of images and weights for a gradient ``course`` of the result."""
    images = images.clone().requires_grad_()
    result = convolution(images)
    weights = list(convolution.parameters())
    if course is None:
        course = torch.linspace(-1, 1, result.numel(), dtype=result.dtype).reshape(result.shape)
    return [result.detach(), *torch.autograd.grad(result, [images, *weights], course)]


def assert_equal_outputs_and_gradients(plain: nn.Module, ours: nn.Module) -> None:
    """Compare two networks in double precision, where rounding stays small through the many layers."""
    images = torch.randn(3, 1, 64, 64, dtype=torch.float64)
    gradients = []
    for network in (plain.double(), ours.double()):
        logits = network(images)
        gradients.append([logits, *torch.autograd.grad(logits.square().sum(), list(network.parameters()))])
    for expected, found in zip(*gradients, strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-8 + 1e-8 * float(expected.detach().abs().max()))


@settings(deadline=None, max_examples=200)
@given(data=st.data())
def test_equals_convolution_of_the_library_forward_and_backward(data: st.DataObject) -> None:
    kernel, stride = data.draw(st.integers(1, 5), "kernel"), data.draw(st.integers(1, 4), "stride")
    padding = data.draw(st.integers(0, kernel), "padding")
    least = max(1, kernel - 2 * padding)
    height, width = (data.draw(st.integers(least, least + 9), side) for side in ("height", "width"))
    batch, channels, out = (data.draw(st.integers(1, 3), what) for what in ("batch", "channels", "out"))
    order = data.draw(st.sampled_from([torch.contiguous_format, torch.channels_last]), "order")
    torch.manual_seed(data.draw(st.integers(0, 1000), "seed"))
    plain = (
        nn.Conv2d(channels, out, kernel, stride=stride, padding=padding, bias=False).double().to(memory_format=order)
    )
    images = torch.randn(batch, channels, height, width, dtype=torch.float64).contiguous(memory_format=order)
    expected = results(plain, images)
    # in fp32 products are another library's
    for dtype, tolerance in ((torch.float64, 1e-10), (torch.float32, 1e-4)):
        found = results(ProductConv2d.like(plain.to(dtype)), images.to(dtype))
        for ours, theirs in zip(found, expected, strict=True):
            torch.testing.assert_close(ours.double(), theirs, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize(("channels", "out", "stride", "side"), [(256, 512, 2, 7), (512, 512, 1, 4)])
def test_deep_layers_err_no_more_than_the_librarys_in_single_precision(
    channels: int, out: int, stride: int, side: int
) -> None:
    torch.manual_seed(0)
    plain = nn.Conv2d(channels, out, 3, stride=stride, padding=1, bias=False)
    plain.weight.data = by_elements(plain.weight.data)
    images = torch.randn(8, channels, side, side)
    for found, usual, true in zip(
        results(ProductConv2d.like(plain), images),
        results(plain, images),
        results(copy.deepcopy(plain).double(), images.double()),
        strict=True,
    ):
        assert 0 < (found - true).norm() < 2 * (usual - true).norm()


@pytest.mark.skipif(products.ONEDNN_LINEAR is None, reason="PyTorch has no oneDNN here")
def test_single_precision_without_onednn_is_multiplied_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    plain, images = nn.Conv2d(16, 24, 3, padding=1, bias=False), torch.randn(2, 16, 5, 5)
    usual = results(ProductConv2d.like(plain), images)
    monkeypatch.setattr(products, "ONEDNN_LINEAR", None)
    for found, expected in zip(results(ProductConv2d.like(plain), images), usual, strict=True):
        torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("stride", [1, 2])
def test_bf16_errs_no_more_than_the_librarys(stride: int) -> None:
    torch.manual_seed(0)
    plain = nn.Conv2d(64, 96, 3, stride=stride, padding=1, bias=False)
    images = torch.randn(8, 64, 7, 7)
    exact = results(copy.deepcopy(plain).double(), images.double())

    def errors(convolution: nn.Module) -> list[float]:
        with torch.autocast("cpu", torch.bfloat16):
            found = results(convolution, images)
        assert [value.dtype for value in found] == [torch.bfloat16, torch.float32, torch.float32]
        return [float((value - true).norm() / true.norm()) for value, true in zip(found, exact, strict=True)]

    for ours, theirs in zip(errors(ProductConv2d.like(plain)), errors(plain), strict=True):
        assert 0 < ours < 1.5 * theirs


def test_elements_that_meet_nothing_get_a_gradient_of_nought() -> None:
    # of a map of one pixel only the kernel's middle meets anything; memory that is not cleared would show
    plain = nn.Conv2d(2, 3, 3, padding=1, bias=False)
    with torch.no_grad():
        plain.weight.fill_(float("nan"))
        plain.weight[:, :, 1, 1] = 1.0
    result, _, of_weight = results(ProductConv2d.like(plain), torch.ones(1, 2, 1, 1))
    assert result.flatten().tolist() == [2.0, 2.0, 2.0]
    assert of_weight[:, :, 1, 1].abs().sum() > 0
    assert of_weight.abs().sum() == of_weight[:, :, 1, 1].abs().sum()


def test_weights_are_shared_and_evaluation_is_the_librarys_to_the_bit() -> None:
    plain = nn.Conv2d(8, 6, 3, stride=2, padding=1, bias=False).eval()
    plain.weight.data = by_elements(plain.weight.data)
    ours = ProductConv2d.like(plain)
    assert ours.weight is plain.weight
    images = torch.randn(2, 8, 7, 7)
    assert torch.equal(ours(images), plain(images))


def test_weights_gradient_lies_as_the_weights_do() -> None:
    # else it is copied, and a fused optimiser goes through memory as it lies
    convolution = ProductConv2d.like(nn.Conv2d(8, 6, 3, padding=1, bias=False))
    convolution.weight.data = by_elements(convolution.weight.data)
    convolution(torch.randn(2, 8, 4, 4)).sum().backward()
    gradient = convolution.weight.grad
    assert gradient is not None
    assert gradient.stride() == convolution.weight.stride()


def test_weights_lie_element_by_element_of_the_kernel() -> None:
    weight = torch.randn(6, 8, 3, 3)
    ours = by_elements(weight)
    assert torch.equal(ours, weight)
    assert all(ours[:, :, row, column].is_contiguous() for row in range(3) for column in range(3))


@pytest.mark.parametrize(
    "settings",
    [
        {"groups": 2},
        {"dilation": 2},
        {"bias": True},
        {"kernel_size": (3, 1)},
        {"stride": (1, 2)},
        {"padding": (1, 0)},
        {"padding": "same"},
        {"padding_mode": "reflect", "padding": 1},
        {"out_channels": 255},
    ],
)
def test_other_convolutions_stay_as_they_are(settings: dict[str, Any]) -> None:
    usual: dict[str, Any] = {"in_channels": 4, "out_channels": 256, "kernel_size": 3, "bias": False}
    network = nn.Sequential(nn.Conv2d(**usual), nn.Conv2d(**{**usual, "in_channels": 256, **settings}))
    convolve_by_products(network, least_channels=256)
    assert [type(module) for module in network] == [ProductConv2d, nn.Conv2d]


@pytest.mark.parametrize(("arch", "least"), [("resnet18", 256), ("resnet18", 512), ("resnet50", 256)])
def test_network_has_the_same_weights_outputs_and_gradients(arch: str, least: int) -> None:
    torch.manual_seed(0)
    plain = build_resnet(arch, num_classes=3, weights=None)
    ours = build_resnet(arch, num_classes=3, weights=None)
    ours.load_state_dict(plain.state_dict())
    state = torch.random.get_rng_state()
    convolve_by_products(ours, least_channels=least)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert list(ours.state_dict()) == list(plain.state_dict())
    replaced = {name for name, module in ours.named_modules() if isinstance(module, ProductConv2d)}
    shapes: dict[str, Any] = {name: module for name, module in plain.named_modules() if isinstance(module, nn.Conv2d)}
    assert replaced == {name for name, module in shapes.items() if module.out_channels >= least}
    assert {"layer4.1.conv2", "layer4.0.downsample.0"} <= replaced
    assert ("layer3.0.conv2" in replaced) == (least == 256)
    assert_equal_outputs_and_gradients(plain, ours)
