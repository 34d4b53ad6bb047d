import copy
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from csam_lightning.acceleration.products import ProductConv2d, by_elements, convolve_by_products
from csam_lightning.model import winograd
from csam_lightning.model.resnet import ARCHITECTURES, build_resnet
from csam_lightning.model.winograd import WinogradConv2d, convolve_by_tiles
from tests.acceleration.test_products import assert_equal_outputs_and_gradients, results


def convolution_of(channels: int, out: int) -> nn.Conv2d:
    convolution = nn.Conv2d(channels, out, 3, padding=1, bias=False)
    convolution.weight.data = by_elements(convolution.weight.data)
    return convolution


@pytest.mark.parametrize("side", winograd.POINTS)
@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_equals_convolution_of_the_library_forward_and_backward(data: st.DataObject, side: int) -> None:
    height, width = (data.draw(st.integers(1, 20), what) for what in ("height", "width"))
    batch, channels, out = (data.draw(st.integers(1, 3), what) for what in ("batch", "channels", "out"))
    order = data.draw(st.sampled_from([torch.contiguous_format, torch.channels_last]), "order")
    together = data.draw(st.integers(1, 30), "tiles at a time")
    kept = data.draw(st.sampled_from([0, 10**9]), "bytes kept")
    torch.manual_seed(data.draw(st.integers(0, 1000), "seed"))
    plain = nn.Conv2d(channels, out, 3, padding=1, bias=False).double().to(memory_format=order)
    images = torch.randn(batch, channels, height, width, dtype=torch.float64).contiguous(memory_format=order)
    expected = results(plain, images)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(winograd, "POINTS", {side: winograd.POINTS[side]})
        patch.setattr(winograd, "WORTH_IT", float("inf"))
        patch.setattr(winograd, "TILES_AT_A_TIME", together)
        patch.setattr(winograd, "MOST_KEPT", kept)
        for dtype, tolerance in ((torch.float64, 1e-10), (torch.float32, 1e-3)):
            found = results(WinogradConv2d.like(plain.to(dtype)), images.to(dtype))
            for ours, theirs in zip(found, expected, strict=True):
                torch.testing.assert_close(ours.double(), theirs, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize(("channels", "side"), [(64, 25), (128, 13), (256, 7), (64, 88), (128, 44), (256, 22)])
def test_errors_are_a_few_millionths_in_single_precision(channels: int, side: int) -> None:
    torch.manual_seed(0)
    plain = convolution_of(channels, channels)
    images, course = torch.randn(2, 8, channels, side, side).relu()
    exact = results(copy.deepcopy(plain).double(), images.double(), course.double())
    for found, true in zip(results(WinogradConv2d.like(plain), images, course), exact, strict=True):
        # the direct sum errs by a hundredth to a fifth of that
        assert 0 < (found - true).norm() / true.norm() < 1e-5


@pytest.mark.parametrize(("batch", "side", "tiles"), [(8, 4, 0), (64, 2, 0), (1, 7, 0), (64, 4, 1), (8, 7, 1)])
@pytest.mark.parametrize("kind", [nn.Conv2d, ProductConv2d])
def test_maps_of_few_pixels_are_done_as_before(kind: type[nn.Conv2d], batch: int, side: int, tiles: int) -> None:
    torch.manual_seed(0)
    before, images = convolution_of(8, 6), torch.randn(batch, 8, side, side)
    before = ProductConv2d.like(before) if kind is ProductConv2d else before
    pairs = zip(results(WinogradConv2d.like(before), images), results(before, images), strict=True)
    assert all(torch.equal(*pair) == (not tiles) for pair in pairs)


def test_less_than_single_precision_is_done_as_before() -> None:
    torch.manual_seed(0)
    before, images = ProductConv2d.like(convolution_of(8, 6)), torch.randn(8, 8, 25, 25)
    ours = WinogradConv2d.like(before)
    with torch.autocast("cpu", torch.bfloat16):
        assert all(map(torch.equal, results(ours, images), results(before, images)))
    ours, before, images = ours.bfloat16(), before.bfloat16(), images.bfloat16()
    assert all(map(torch.equal, results(ours, images), results(before, images)))


def test_fewer_products_are_taken() -> None:
    def counted(convolution: nn.Module) -> int:
        images = torch.randn(8, 64, 25, 25, requires_grad=True)
        with torch.profiler.profile(with_flops=True) as profile:
            convolution(images).sum().backward()
        return sum(event.flops for event in profile.events())

    # nine products for each pixel and pair of channels, forward and for one gradient: PyTorch does not count baddbmm_
    directly = 2 * 9 * 25**2 * 8 * 64**2 * 2
    assert 0.2 * directly < counted(WinogradConv2d.like(convolution_of(64, 64))) < 0.35 * directly


@pytest.mark.parametrize(("batch", "kept"), [(8, True), (64, False)])
def test_memory_between_passes_is_bounded(batch: int, kept: bool) -> None:
    saved: list[Tensor] = []

    def note(tensor: Tensor) -> Tensor:
        saved.append(tensor)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        WinogradConv2d.like(convolution_of(64, 64))(torch.randn(batch, 64, 25, 25))
    beside = sum(tensor.nbytes for tensor in saved if tensor.shape != (batch, 25, 25, 64))
    assert beside < winograd.MOST_KEPT + 64 * 64 * 49 * 4
    assert (beside > 64 * 64 * 49 * 4) == kept


def test_evaluation_is_the_librarys_to_the_bit() -> None:
    plain = convolution_of(8, 6).eval()
    ours = WinogradConv2d.like(plain)
    assert ours.weight is plain.weight
    images = torch.randn(2, 8, 17, 19)
    for _ in range(2):
        assert torch.equal(ours.eval()(images), plain(images))
        assert not torch.equal(ours.train()(images), plain(images))


def test_result_and_gradients_lie_as_images_and_weights_do() -> None:
    # else they are copied
    convolution = WinogradConv2d.like(convolution_of(8, 6))
    images = torch.randn(8, 8, 25, 25).contiguous(memory_format=torch.channels_last).requires_grad_()
    result = convolution(images)
    result.sum().backward()
    gradient = convolution.weight.grad
    assert gradient is not None
    assert gradient.stride() == convolution.weight.stride()
    assert images.grad is not None
    for pixels in (result, images.grad):
        assert pixels.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize(
    "settings",
    [
        {"kernel_size": 1, "padding": 0},
        {"stride": 2},
        {"padding": 0},
        {"bias": True},
        {"groups": 2},
        {"out_channels": 258},
    ],
)
def test_other_convolutions_stay_as_they_are(settings: dict[str, Any]) -> None:
    usual: dict[str, Any] = {"in_channels": 4, "out_channels": 256, "kernel_size": 3, "padding": 1, "bias": False}
    network = nn.Sequential(nn.Conv2d(**usual), nn.Conv2d(**{**usual, "in_channels": 256, **settings}))
    convolve_by_tiles(network, most_channels=256)
    assert [type(module) for module in network] == [WinogradConv2d, nn.Conv2d]


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_network_has_the_same_weights_outputs_and_gradients(arch: str) -> None:
    torch.manual_seed(0)
    plain = build_resnet(arch, num_classes=3, weights=None)
    ours = build_resnet(arch, num_classes=3, weights=None)
    ours.load_state_dict(plain.state_dict())
    convolve_by_products(ours, least_channels=256)
    convolve_by_tiles(ours, most_channels=256)
    assert list(ours.state_dict()) == list(plain.state_dict())
    kinds = {name: type(module) for name, module in ours.named_modules()}
    assert {kinds[f"layer{stage}.1.conv2"] for stage in (1, 2, 3)} == {WinogradConv2d}
    assert kinds["layer4.1.conv2"] is ProductConv2d
    assert_equal_outputs_and_gradients(plain, ours)
