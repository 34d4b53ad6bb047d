"""The order in which a network's tensors lie in memory: channel by channel, PyTorch's usual one, or pixel by pixel."""

import lightning as L
import torch

CHANNELS_LAST_FROM = 150
"""Pixels of a side from which a CPU convolves faster pixel by pixel, as measured in ``benchmarks/NOTES.md``."""


def memory_format(side: int, device: torch.device) -> torch.memory_format:
    """Return the order that is faster for images of ``side`` pixels a side; numbers differ by rounding alone."""
    return torch.channels_last if device.type == "cpu" and side >= CHANNELS_LAST_FROM else torch.contiguous_format


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
