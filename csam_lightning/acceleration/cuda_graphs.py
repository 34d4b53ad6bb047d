"""CUDA graphs: a training step of a few small images without the cost of launching each of its kernels.

A step's forward and backward pass are recorded once and then replayed, each by one launch. A recording knows memory by
its address, so whatever it reads or writes must stay where it is: parameters and buffers do from the first batch on, by
when Lightning has moved the network and restored a checkpoint, in place. Gradients lie where the next replay writes:
right as long as none is kept beyond its step, and Lightning sets them to None before each backward pass.
"""

import gc
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import lightning as L
import torch
from torch import Tensor, nn

from csam_lightning.data.datamodule import Batch

Capture = Callable[[nn.Module, tuple[Tensor, ...]], object]
"""Puts a ``forward`` that replays into a module, as :func:`torch.cuda.make_graphed_callables` does."""


class GraphedSteps(L.Callback):
    """Records a network's passes at the first batch and replays them for each training batch of that shape.

    Other batches (an epoch's short last one) and evaluation go the plain way. Numbers differ by rounding at most.

    Args:
        capture: What records.
    """

    def __init__(self, capture: Capture = torch.cuda.make_graphed_callables) -> None:
        """Record nothing yet."""
        self._capture = capture

    def on_train_batch_start(
        self,
        trainer: L.Trainer,
        pl_module: L.LightningModule,
        batch: Batch,
        batch_idx: int,  # noqa: ARG002 - Lightning's signature
    ) -> None:
        """Record, unless it is done, under the precision that training steps have."""
        if "forward" in vars(pl_module):
            return
        gc.collect()  # an earlier fold's graphs may not be freed during a recording
        warnings.filterwarnings("ignore", message=".*AccumulateGrad node's stream does not match.*")  # as it must be
        with _left_as_it_is(pl_module), trainer.precision_plugin.forward_context():
            replay_by_shape(pl_module, batch[0], self._capture)

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:  # noqa: ARG002
        """Give the recording's memory back."""
        vars(pl_module).pop("forward", None)


def replay_by_shape(module: nn.Module, images: Tensor, capture: Capture) -> None:
    """Let ``module`` replay its passes in training, for batches shaped like ``images``; all others go the plain way.

    Args:
        module: The network.
        images: A batch; neither read nor written by replays.
        capture: What records.
    """
    shape, plain = images.shape, module.forward
    capture(module, (images.clone(),))
    replay = module.forward

    def forward(batch: Tensor) -> Tensor:
        taken: Tensor = (replay if module.training and batch.shape == shape else plain)(batch)
        return taken

    module.forward = forward


@contextmanager
def _left_as_it_is(module: nn.Module) -> Iterator[None]:
    """Put buffers and the state of random numbers back to what they were before the block, buffers where they are."""
    before = [(buffer, buffer.clone()) for buffer in module.buffers()]
    gpus = {buffer.device for buffer, _ in before if buffer.is_cuda}
    with torch.random.fork_rng(gpus):
        yield
    for buffer, value in before:
        buffer.copy_(value)
