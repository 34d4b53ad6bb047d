"""Convolutions as matrix products, one for each element of the kernel: so a CPU trains a network's deep layers faster.

Deep layers have many weights and small maps. PyTorch's own convolution brings the weights into another order, and
their gradients back, at each step, and its kernels are at their best on larger maps. Here weights are read, and their
gradients written, where they lie, and an element of a kernel multiplies the pixels that it meets and none of the zeros
around them, which are a third of all at 4×4 pixels. What it gains: ``benchmarks/NOTES.md``.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Self, cast

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

LEAST_CHANNELS = 256
"""Channels of a convolution's result from which products are faster: a ResNet-18's last two of four stages."""

Index = tuple[slice, slice, slice]


class ProductConv2d(nn.Conv2d):
    """A convolution of images (batch, channels, H, W) that is reckoned by products in training; as ResNets have them.

    That is without groups, dilation and bias, and alike in both directions. Parameters, and what it does in evaluation,
    are those of :class:`torch.nn.Conv2d`. In training the result lies pixel by pixel (channels last), and so should the
    weights, which are copied for each product otherwise.
    """

    def forward(self, images: Tensor) -> Tensor:
        """Return what :class:`torch.nn.Conv2d` does, but for rounding."""
        if not self.training:
            return super().forward(images)
        [stride, _], [padding, _] = self.stride, cast("tuple[int, int]", self.padding)
        return cast("Tensor", _Convolve.apply(images, self.weight, stride, padding))

    @classmethod
    def like(cls, convolution: nn.Conv2d) -> Self:
        """Return one that shares the weights of ``convolution``, which it takes the place of."""
        [side, _], [stride, _] = convolution.kernel_size, convolution.stride
        with torch.device("meta"):
            made = cls(
                convolution.in_channels,
                convolution.out_channels,
                side,
                stride=stride,
                padding=cast("tuple[int, int]", convolution.padding),
                bias=False,
            )
        made.weight = convolution.weight
        return made


def convolve_by_products(network: nn.Module) -> None:
    """Let the deep convolutions of a network be products in training, over the same weights; others stay."""
    for name, module in list(network.named_modules()):
        if isinstance(module, nn.Conv2d) and module.out_channels >= LEAST_CHANNELS and _is_simple(module):
            network.set_submodule(name, ProductConv2d.like(module))


def _is_simple(convolution: nn.Conv2d) -> bool:
    """Return whether ``convolution`` is of the kind that :class:`ProductConv2d` does."""
    sides = (convolution.kernel_size, convolution.stride, convolution.padding)
    alike = all(isinstance(side, tuple) and side[0] == side[1] for side in sides)
    zeros = convolution.padding_mode == "zeros" and convolution.bias is None
    return alike and zeros and convolution.groups == 1 and convolution.dilation == (1, 1)


@dataclass(frozen=True)
class _Element:
    """One element of a kernel.

    Attributes:
        row: Its row in the kernel.
        column: Its column.
        taken: The pixels (batch, H, W) that it meets.
        reached: The pixels of the result that they add to.
    """

    row: int
    column: int
    taken: Index
    reached: Index


def _elements(
    kernel: torch.Size, images: torch.Size, result: torch.Size, stride: int, padding: int
) -> Iterator[_Element]:
    """Yield a kernel's elements; shapes are (out, in, kH, kW) and (batch, H, W, channels)."""
    for row in range(kernel[2]):
        taken_rows, reached_rows = _met(row - padding, images[1], result[1], stride)
        for column in range(kernel[3]):
            taken_columns, reached_columns = _met(column - padding, images[2], result[2], stride)
            every = slice(None)
            yield _Element(row, column, (every, taken_rows, taken_columns), (every, reached_rows, reached_columns))


def _met(offset: int, pixels: int, results: int, stride: int) -> tuple[slice, slice]:
    """Return which of a line's pixels an element meets that lies ``offset`` beside the first, and their results."""
    first = -(min(offset, 0) // stride)
    stop = max(first, min(results, (pixels - 1 - offset) // stride + 1))
    return slice(first * stride + offset, max(0, (stop - 1) * stride + offset + 1), stride), slice(first, stop)


class _Convolve(torch.autograd.Function):
    """The sum over a kernel's elements of products of pixels (rows) and the element's weights."""

    @staticmethod
    def forward(ctx: Any, images: Tensor, weight: Tensor, stride: int, padding: int) -> Tensor:
        """Return the result, (batch, out, H', W') in channels-last order."""
        pixels = images.permute(0, 2, 3, 1).contiguous()
        batch, height, width, _ = pixels.shape
        rows, columns = ((side + 2 * padding - weight.shape[2]) // stride + 1 for side in (height, width))
        result = pixels.new_zeros(batch, rows, columns, len(weight))
        ctx.elements = list(_elements(weight.shape, pixels.shape, result.shape, stride, padding))
        for element in ctx.elements:
            result[element.reached] += pixels[element.taken] @ weight[:, :, element.row, element.column].T
        ctx.save_for_backward(pixels, weight)
        return result.permute(0, 3, 1, 2)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, None, None]:
        """Return the gradients of images and weights, both in channels-last order."""
        pixels, weight = ctx.saved_tensors
        errors = gradient.permute(0, 2, 3, 1).contiguous()
        of_pixels = torch.zeros_like(pixels)
        of_weight = torch.empty_like(weight)
        for element in ctx.elements:
            error, seen = errors[element.reached], pixels[element.taken]
            error_rows, seen_rows = error.reshape(-1, error.shape[-1]), seen.reshape(-1, seen.shape[-1])
            place = weight[:, :, element.row, element.column], of_weight[:, :, element.row, element.column]
            of_pixels[element.taken] += (error_rows @ place[0]).view(seen.shape)
            torch.mm(error_rows.T, seen_rows, out=place[1])
        return of_pixels.permute(0, 3, 1, 2), of_weight, None, None
