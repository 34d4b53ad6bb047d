"""How a network's tensors lie in memory, and how its deep convolutions are reckoned, so that a CPU trains it fast."""

import lightning as L
import torch
from torch import nn

from csam_lightning.model.products import convolve_by_products

CHANNELS_LAST_FROM = 150
"""Pixels of a side from which a CPU convolves faster pixel by pixel, without products; see ``benchmarks/NOTES.md``."""

PRODUCTS_PAY_WITH = "AVX2"
"""Widest instructions of CPUs on which deep convolutions were measured to be faster by products: no AVX-512."""


def lay_out(network: nn.Module, *, side: int, device: torch.device, precision: str) -> None:
    """Arrange ``network`` for training on images of ``side`` pixels a side; numbers differ by rounding alone.

    On a CPU without AVX-512, in fp32, deep convolutions become matrix products and everything lies pixel by pixel
    (channels last). On other CPUs, and in bf16, large images alone lie pixel by pixel. On a GPU all stays as it is.
    """
    products = by_products(device, precision)
    if products:
        convolve_by_products(network)
    large = device.type == "cpu" and side >= CHANNELS_LAST_FROM
    network.to(memory_format=torch.channels_last if products or large else torch.contiguous_format)


def by_products(device: torch.device, precision: str) -> bool:
    """Return whether products are known to be faster: in fp32, by Intel's MKL, which PyTorch for x86 brings."""
    mkl: bool = torch.backends.mkl.is_available()  # type: ignore[no-untyped-call]
    widest = torch.backends.cpu.get_cpu_capability()
    return device.type == "cpu" and precision == "32-true" and mkl and widest == PRODUCTS_PAY_WITH


class MomentsInOrder(L.Callback):
    """Gives an optimiser's state the order of the weights, which it may lack where a checkpoint came from elsewhere.

    Fused optimisers go through memory as it lies: where the two differ, they mix up weights and say nothing.
    """

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:  # noqa: ARG002
        """Copy what lies in another order."""
        for optimizer in trainer.optimizers:
            for weight, state in optimizer.state.items():
                for name, value in state.items():
                    if value.shape == weight.shape and value.stride() != weight.stride():
                        state[name] = torch.empty_like(weight).copy_(value)
