"""Pillow's bilinear resizing in tensor operations, so that a graph can hold it: bit for bit that of Pillow 13.

Pillow resizes one direction after the other. In each, an output pixel is the weighted mean of the input pixels under a
triangle as wide as the reduction asks for; weights are rounded to 22 binary places, and the result to a whole number.
Sums of that kind stay below 2^31, so float64 holds them exactly, in whatever order they are added up.
"""

import torch
from torch import Tensor

ONE = 1 << 22
WHITE = 255


def resized(images: Tensor, side: int) -> Tensor:
    """Resize as :func:`csam_lightning.data.images.resize_grey` does.

    Pillow before 13 always begins with the rows; of scans whose height shrinks by more than twice as many pixels as
    their width, it gives grey values that differ by 1 here and there.

    Args:
        images: Grey values, uint8 of shape (scans, height, width).
        side: Height and width wanted, in pixels.

    Returns:
        uint8 of shape (scans, side, side).
    """
    pixels = images.double()
    height, width = pixels.new_ones(()) * images.shape[1], pixels.new_ones(()) * images.shape[2]
    down = _weights(images.shape[1], side, pixels)
    across = _weights(images.shape[2], side, pixels).T
    columns_first = (height > side) & (height - side > 2 * (width - side))
    rows_then_columns = _rounded(down @ _rounded(pixels @ across))
    columns_then_rows = _rounded(_rounded(down @ pixels) @ across)
    return torch.where(columns_first, columns_then_rows, rows_then_columns).to(torch.uint8)


def _weights(size: int, side: int, like: Tensor) -> Tensor:
    """Return by how many parts of ``ONE`` each input pixel counts for each output pixel, shape (side, size)."""
    scale = like.new_ones(()) * size / side
    inputs = torch.arange(size, dtype=like.dtype, device=like.device)
    centres = (torch.arange(side, dtype=like.dtype, device=like.device) + 0.5) * scale
    triangles = (1 - ((inputs - centres[:, None] + 0.5) / scale.clamp(min=1)).abs()).clamp(min=0)
    return torch.floor(triangles / triangles.sum(dim=1, keepdim=True) * ONE + 0.5)


def _rounded(sums: Tensor) -> Tensor:
    return torch.floor((sums + ONE / 2) / ONE).clamp(0, WHITE)
