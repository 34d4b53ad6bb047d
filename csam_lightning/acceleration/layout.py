"""How a network's tensors lie in memory, and how its deep convolutions are computed, so that a CPU trains it fast."""

import torch
from torch import nn

from csam_lightning.acceleration.products import ONEDNN_LINEAR, convolve_by_products
from csam_lightning.machine.cpu import lacks_bf16

LARGE_FROM = 150
"""Pixels of a side from which only the deepest convolutions are faster by products; see ``benchmarks/NOTES.md``."""

X86 = frozenset({"AVX2", "AVX512"})
"""PyTorch's names of the instructions of CPUs on which products were measured."""


def lay_out(network: nn.Module, *, side: int, device: torch.device, precision: str) -> None:
    """Arrange ``network`` for training on images of ``side`` pixels a side; numbers differ by rounding alone.

    On a CPU of the kind that was measured all lies pixel by pixel (channels last), and deep convolutions become matrix
    products: in a ResNet-18 the last two of its four stages, for large images the last. Elsewhere all stays as it is.
    """
    if by_products(device, precision):
        network.to(memory_format=torch.channels_last)
        convolve_by_products(network, least_channels=512 if side >= LARGE_FROM else 256)


def by_products(device: torch.device, precision: str) -> bool:
    """Return whether products are known to be faster: with oneDNN on x86, in bf16 if it has instructions for that."""
    known = device.type == "cpu" and torch.backends.cpu.get_cpu_capability() in X86 and ONEDNN_LINEAR is not None
    return known and (precision == "32-true" or not lacks_bf16())
