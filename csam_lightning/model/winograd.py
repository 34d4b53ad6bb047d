"""Convolutions with 3×3 kernels by Winograd's minimal filtering, which takes a fourth or fifth of the products.

A tile of m×m results, m from 4 to 6, is reckoned from the n×n pixels around it, n = m + 2, by n² products for each pair
of channels in place of 9 m². Pixels and kernels are transformed, multiplied point by point, summed over channels, and
transformed back: the sums are n² matrix products. It pays where multiplying is what takes the time. In single precision
rounding errors are some ten times those of the direct sum, a few millionths. What it gains: ``benchmarks/NOTES.md``.

A. Lavin and S. Gray, Fast algorithms for convolutional neural networks, CVPR 2016 (arXiv:1509.09308).
"""

from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple, Self, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from csam_lightning.acceleration.products import ProductConv2d, replace_convolutions

KERNEL = 3
POINTS = {4: (0, 1, -1, 1 / 2, -2), 5: (0, 1, -1, 1 / 2, -2, 2), 6: (0, 1, -1, 2, -2, 1 / 2, -1 / 2)}
"""By the side of a tile's results: where polynomials are multiplied, beside infinity.

Small fractions, which err little: by 9, 22 and 27 parts in ten million, where 64 channels are a ReLU's and the weights
and numbers before it normal; the direct sum errs by 2.
"""

KERNEL_TILES = 24
"""What is done once for a kernel takes as long as so many tiles, about."""
WORTH_IT = 0.75
"""The share of the products that are left, what is done once among them, below which the detour pays."""
MOST_KEPT = 2**24
"""Bytes up to which transformed pixels are kept for the backward pass, as kernels are; more are transformed anew."""
TILES_AT_A_TIME = 200
"""About; so few that a core's caches hold them from one step to the next."""


class WinogradConv2d(ProductConv2d):
    """A convolution with a 3×3 kernel, stride 1 and padding 1, reckoned tile by tile in training where that pays.

    Elsewhere, on maps of few pixels and in less than single precision, it is reckoned as the module was that it took
    the place of.

    Attributes:
        products_elsewhere: Whether that is by products.
    """

    products_elsewhere: bool

    @classmethod
    def like(cls, convolution: nn.Conv2d) -> Self:
        """Return one that shares the weights of ``convolution``, which it takes the place of."""
        made = super().like(convolution)
        made.products_elsewhere = isinstance(convolution, ProductConv2d)
        return made

    def convolve(self, images: Tensor) -> Tensor:
        """Return what :meth:`forward` does in training."""
        single = images.dtype in {torch.float32, torch.float64} and not torch.is_autocast_enabled(images.device.type)
        if single and (tiling := _Tiling.of(len(images), *images.shape[2:])):
            return cast("Tensor", _Convolve.apply(images, self.weight, tiling))
        return super().convolve(images) if self.products_elsewhere else nn.Conv2d.forward(self, images)


def convolve_by_tiles(network: nn.Module, *, most_channels: int) -> None:
    """Let convolutions with 3×3 kernels be reckoned tile by tile in training, over the same weights in another order.

    Args:
        network: Its modules are replaced.
        most_channels: Of a convolution's result, up to which it is replaced.
    """

    def chosen(convolution: nn.Conv2d) -> bool:
        sides = (convolution.kernel_size, convolution.stride, convolution.padding)
        return sides == ((KERNEL, KERNEL), (1, 1), (1, 1)) and convolution.out_channels <= most_channels

    replace_convolutions(network, WinogradConv2d, chosen)


class _Transforms(NamedTuple):
    """What transforms a line: of pixels (n, n), of a kernel (n, 3), of sums over channels to results (m, n)."""

    pixels: Tensor
    kernel: Tensor
    results: Tensor


@cache
def _transforms(side: int, dtype: torch.dtype) -> _Transforms:
    """Return the matrices for tiles of ``side`` results, by the Cook-Toom algorithm.

    Convolving a tile is the transpose of multiplying polynomials: these are evaluated at n - 1 points and at infinity,
    multiplied there, and interpolated after Lagrange. See section 4 of Lavin and Gray, and its supplement.
    """
    points = np.array(POINTS[side], dtype=float)
    others = [np.delete(points, number) for number in range(len(points))]
    lagrange = [np.append(np.poly(other)[::-1], 0) for other in others]
    scales = [np.prod(point - other) for point, other in zip(points, others, strict=True)]
    pixels = np.vstack([*lagrange, np.poly(points)[::-1]])
    kernel = np.vstack([*(np.vander(points, KERNEL, increasing=True) / np.array(scales)[:, None]), [0, 0, 1]])
    results = np.vstack([np.vander(points, side, increasing=True), np.eye(side)[-1]]).T
    return _Transforms(*(torch.from_numpy(matrix).to(dtype) for matrix in (pixels, kernel, results)))


def _transformed(squares: Tensor, matrix: Tensor) -> Tensor:
    """Return squares of numbers, shape (a, a, ...), transformed in both directions by a matrix (b, a): (b, b, ...)."""
    after, before = matrix.shape
    rows = (matrix @ squares.reshape(before, -1)).view(after, before, -1)
    return torch.bmm(matrix.expand(after, -1, -1), rows).view(after, after, *squares.shape[2:])


class _Tiling(NamedTuple):
    """How images are cut into tiles of ``side`` results a side: ``rows`` times ``columns`` for each image."""

    side: int
    rows: int
    columns: int

    @classmethod
    def of(cls, images: int, height: int, width: int) -> Self | None:
        """Return the one that takes the fewest products for so many images; None where it is not worth it."""
        taken = {
            tiling: tiling.products * (images * tiling.tiles + KERNEL_TILES)
            for tiling in (cls(side, -(-height // side), -(-width // side)) for side in POINTS)
        }
        best = min(taken, key=taken.__getitem__)
        directly = images * (KERNEL * height - 2) * (KERNEL * width - 2)  # the edges' zeros left out
        return best if taken[best] < WORTH_IT * directly else None

    @property
    def tiles(self) -> int:
        """How many tiles an image has."""
        return self.rows * self.columns

    @property
    def reach(self) -> int:
        """How many pixels a side a tile is reckoned from."""
        return self.side + KERNEL - 1

    @property
    def products(self) -> int:
        """How many products a tile takes for each pair of channels."""
        return self.reach**2

    def parts(self, images: int) -> Iterator[slice]:
        """Yield which images are reckoned at a time."""
        together = max(1, TILES_AT_A_TIME // self.tiles)
        return (slice(start, start + together) for start in range(0, images, together))

    def cut(self, pixels: Tensor) -> Tensor:
        """Return the pixels (batch, H, W, channels) of each tile, which overlap: (n, n, tiles, channels)."""
        batch, height, width, channels = pixels.shape
        padded = pixels.new_zeros(
            batch, self.rows * self.side + KERNEL - 1, self.columns * self.side + KERNEL - 1, channels
        )
        padded[:, 1 : height + 1, 1 : width + 1] = pixels
        tiles = padded.unfold(1, self.reach, self.side).unfold(2, self.reach, self.side)
        return tiles.permute(4, 5, 0, 1, 2, 3).reshape(self.reach, self.reach, -1, channels)

    def add_up(self, tiles: Tensor, into: Tensor) -> None:
        """Put the sum of what tiles (n, n, tiles * channels) hold of each pixel into (batch, H, W, channels)."""
        batch, height, width, channels = into.shape
        parts = tiles.view(self.reach, self.reach, batch, self.rows, self.columns, channels).permute(2, 3, 0, 4, 1, 5)
        padded = into.new_zeros(batch, self.rows + 1, self.side, self.columns + 1, self.side, channels)
        own, beyond, met = slice(self.side), slice(self.side, self.reach), slice(KERNEL - 1)
        padded[:, :-1, :, :-1] = parts[:, :, own, :, own]
        padded[:, 1:, met, :-1] += parts[:, :, beyond, :, own]
        padded[:, :-1, :, 1:, met] += parts[:, :, own, :, beyond]
        padded[:, 1:, met, 1:, met] += parts[:, :, beyond, :, beyond]
        into.copy_(padded.flatten(3, 4).flatten(1, 2)[:, 1 : height + 1, 1 : width + 1])

    def put_together(self, results: Tensor, into: Tensor) -> None:
        """Put the tiles' results (m, m, tiles * channels) into (batch, H, W, channels)."""
        batch, height, width, channels = into.shape
        tiles = results.view(self.side, self.side, batch, self.rows, self.columns, channels).permute(2, 3, 0, 4, 1, 5)
        whole = tiles.reshape(batch, self.rows * self.side, self.columns * self.side, channels)
        into.copy_(whole[:, :height, :width])

    def take_apart(self, errors: Tensor) -> Tensor:
        """Return errors (batch, H, W, channels) tile by tile, (m, m, tiles, channels), noughts beyond their edges."""
        batch, height, width, channels = errors.shape
        whole = errors.new_zeros(batch, self.rows, self.side, self.columns, self.side, channels)
        whole.view(batch, self.rows * self.side, -1, channels)[:, :height, :width] = errors
        return whole.permute(2, 4, 0, 1, 3, 5).reshape(self.side, self.side, -1, channels)


class _Convolve(torch.autograd.Function):
    """Tile by tile; pixels lie channels last, kernels element by element."""

    @staticmethod
    def forward(ctx: Any, images: Tensor, weight: Tensor, tiling: _Tiling) -> Tensor:
        """Return the result, (batch, out, H, W) in channels-last order."""
        pixels = images.permute(0, 2, 3, 1)
        matrices = _transforms(tiling.side, images.dtype)
        kernels = _transformed(weight.permute(2, 3, 0, 1), matrices.kernel).flatten(0, 1)
        result = pixels.new_empty(*pixels.shape[:3], len(weight))
        keep = len(pixels) * tiling.tiles * tiling.products * pixels.shape[-1] * pixels.itemsize <= MOST_KEPT
        kept = []
        for part in tiling.parts(len(pixels)):
            seen = _transformed(tiling.cut(pixels[part]), matrices.pixels).flatten(0, 1)
            sums = torch.bmm(seen, kernels.mT).view(tiling.reach, tiling.reach, -1)
            tiling.put_together(_transformed(sums, matrices.results), result[part])
            if keep:
                kept.append(seen)
        ctx.tiling = tiling
        ctx.save_for_backward(kernels, pixels, *kept)
        return result.permute(0, 3, 1, 2)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, None]:
        """Return the gradients of images, in channels-last order, and of weights, element by element."""
        kernels, pixels, *kept = ctx.saved_tensors
        errors, tiling, reach = gradient.permute(0, 2, 3, 1), ctx.tiling, ctx.tiling.reach
        matrices = _transforms(tiling.side, gradient.dtype)
        of_pixels = errors.new_empty(*errors.shape[:3], kernels.shape[-1])
        of_kernels = torch.empty_like(kernels)
        for number, part in enumerate(tiling.parts(len(errors))):
            seen = kept[number] if kept else _transformed(tiling.cut(pixels[part]), matrices.pixels).flatten(0, 1)
            of_sums = _transformed(tiling.take_apart(errors[part]), matrices.results.T).flatten(0, 1)
            of_kernels.baddbmm_(of_sums.mT, seen, beta=int(number > 0))
            of_tiles = torch.bmm(of_sums, kernels).view(reach, reach, -1)
            tiling.add_up(_transformed(of_tiles, matrices.pixels.T), of_pixels[part])
        of_weight = _transformed(of_kernels.view(reach, reach, *kernels.shape[1:]), matrices.kernel.T)
        return of_pixels.permute(0, 3, 1, 2), of_weight.permute(2, 3, 0, 1), None
