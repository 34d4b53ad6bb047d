"""Convolutions as matrix products, one for each element of the kernel: so a CPU trains a network's deep layers faster.

Deep layers have many weights and small maps. PyTorch's own convolution brings the weights into another order, and
their gradients back, at each step, and its kernels are at their best on larger maps. Here weights are read where they
lie, and an element of a kernel multiplies the pixels that it meets and none of the zeros around them, which are a third
of all at 4×4 pixels. What it gains: ``benchmarks/NOTES.md``.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from typing import Any, Self, cast

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

ONEDNN_LINEAR: Callable[..., Tensor] | None = (
    getattr(torch.ops.mkldnn, "_linear_pointwise", None) if torch.backends.mkldnn.is_available() else None  # type: ignore[no-untyped-call]
)
"""What PyTorch's compiler puts in the place of a linear layer: a product by oneDNN.

In fp32 it is 1.1 times as fast as MKL, which ``@`` calls, where both use AVX2. Where a CPU has AVX-512 and is not
Intel's, MKL keeps to AVX2 all the same, and oneDNN is 2.2 times as fast. Products in bf16 are oneDNN's anyway.
"""

Index = tuple[slice, slice, slice]


class ProductConv2d(nn.Conv2d):
    """A convolution of images (batch, channels, H, W) on a CPU, reckoned by products in training; as ResNets have them.

    That is without groups, dilation and bias, and alike in both directions. Parameters, and what it does in evaluation,
    are those of :class:`torch.nn.Conv2d`. In training the result lies pixel by pixel (channels last), and weights
    should lie by :func:`by_elements`: they are copied otherwise.
    """

    def forward(self, images: Tensor) -> Tensor:
        """Return what :class:`torch.nn.Conv2d` does, but for rounding."""
        return self.convolve(images) if self.training else super().forward(images)

    def convolve(self, images: Tensor) -> Tensor:
        """Return what :meth:`forward` does in training."""
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
        return made.train(convolution.training)


def convolve_by_products(network: nn.Module, *, least_channels: int) -> None:
    """Let convolutions be products in training, over the same weights in another order; others stay.

    Args:
        network: Its modules are replaced.
        least_channels: Of a convolution's result, from which it is replaced.
    """
    for name, module in list(network.named_modules()):
        if isinstance(module, nn.Conv2d) and _is_simple(module) and module.out_channels >= least_channels:
            module.weight.data = by_elements(module.weight.data)
            network.set_submodule(name, ProductConv2d.like(module))


def by_elements(weight: Tensor) -> Tensor:
    """Return weights (out, in, kH, kW) that lie in memory element by element of the kernel, each a matrix (out, in)."""
    return weight.permute(2, 3, 0, 1).contiguous().permute(2, 3, 0, 1)


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
        taken: The pixels (batch, H, W) that it meets.
        reached: The pixels of the result that they add to.
    """

    taken: Index
    reached: Index


@lru_cache(maxsize=256)
def _elements(
    kernel: int, sides: tuple[int, int], results: tuple[int, int], stride: int, padding: int
) -> tuple[_Element, ...]:
    """Return the elements of a kernel of that side, row by row, for maps (height, width) of pixels and of results."""
    every = slice(None)
    found: list[_Element] = []
    for row, column in product(range(kernel), repeat=2):
        taken_rows, reached_rows = _met(row - padding, sides[0], results[0], stride)
        taken_columns, reached_columns = _met(column - padding, sides[1], results[1], stride)
        found.append(_Element((every, taken_rows, taken_columns), (every, reached_rows, reached_columns)))
    return tuple(found)


def _met(offset: int, pixels: int, results: int, stride: int) -> tuple[slice, slice]:
    """Return which of a line's pixels an element meets that lies ``offset`` beside the first, and their results."""
    first = -(min(offset, 0) // stride)
    stop = max(first, min(results, (pixels - 1 - offset) // stride + 1))
    return slice(first * stride + offset, max(0, (stop - 1) * stride + offset + 1), stride), slice(first, stop)


class _Convolve(torch.autograd.Function):
    """The sum over a kernel's elements of products of pixels (rows) and the element's weights.

    Under autocast operands are bf16, and so is each product; they are added up in float32.
    """

    @staticmethod
    @torch.amp.custom_fwd(device_type="cpu", cast_inputs=torch.bfloat16)  # type: ignore[untyped-decorator]
    def forward(ctx: Any, images: Tensor, weight: Tensor, stride: int, padding: int) -> Tensor:
        """Return the result, (batch, out, H', W') in channels-last order."""
        pixels, kernel = images.permute(0, 2, 3, 1).contiguous(), weight.permute(2, 3, 0, 1).contiguous()
        batch, height, width, _ = pixels.shape
        side, channels = weight.shape[2], len(weight)
        rows, columns = ((length + 2 * padding - side) // stride + 1 for length in (height, width))
        result = _zeros(pixels, (batch, rows, columns, channels))
        ctx.elements = _elements(side, (height, width), (rows, columns), stride, padding)
        for element, weights in zip(ctx.elements, kernel.flatten(0, 1).unbind(), strict=True):
            seen = pixels[element.taken]
            added = _multiply(_rows(seen), weights)
            result[element.reached].add_(added.view(*seen.shape[:3], channels))
        ctx.save_for_backward(pixels, kernel)
        return result.to(pixels.dtype).permute(0, 3, 1, 2)

    @staticmethod
    @torch.amp.custom_bwd(device_type="cpu")  # type: ignore[untyped-decorator]
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, None, None]:
        """Return the gradients of images, in channels-last order, and of weights, element by element."""
        pixels, kernel = ctx.saved_tensors
        errors = gradient.permute(0, 2, 3, 1).contiguous()
        of_pixels = _zeros(pixels, pixels.shape)
        of_kernel = torch.empty_like(kernel, dtype=of_pixels.dtype)
        each = zip(ctx.elements, kernel.flatten(0, 1).unbind(), of_kernel.flatten(0, 1).unbind(), strict=True)
        for element, weights, of_weights in each:
            seen = pixels[element.taken]
            error_rows, seen_rows = _rows(errors[element.reached]), _rows(seen)
            of_pixels[element.taken].add_(_multiply(error_rows, weights.T).view(seen.shape))
            of_weights.copy_(_multiply(error_rows.T, seen_rows.T))
        return of_pixels.to(pixels.dtype).permute(0, 3, 1, 2), of_kernel.permute(2, 3, 0, 1), None, None


def _zeros(like: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Return zeros to add up numbers of ``like``'s type in."""
    return like.new_zeros(shape, dtype=torch.promote_types(like.dtype, torch.float32))


def _rows(pixels: Tensor) -> Tensor:
    """Return pixels (batch, H, W, channels) as rows (batch * H * W, channels) without gaps in memory."""
    return pixels.reshape(-1, pixels.shape[-1]).contiguous()


def _multiply(left: Tensor, right: Tensor) -> Tensor:
    """Return left (m, k) times the transpose of right (n, k); each, or its transpose, has to be without gaps."""
    if ONEDNN_LINEAR is None or left.dtype != torch.float32 or not left.numel():
        return left @ right.T
    return ONEDNN_LINEAR(left, right, None, "none", [], "")
