"""Batch normalisation over a batch that is spread over several processes, on any kind of device.

PyTorch's own, ``SyncBatchNorm``, runs on GPUs alone.
"""

from typing import Any, cast

import torch
from lightning.pytorch.plugins.layer_sync import LayerSync
from torch import Tensor, distributed, nn
from torch.nn import functional


class WholeBatchNorm2d(nn.BatchNorm2d):
    """Normalises by mean and variance of the images of all processes, in training; images (batch, channels, H, W).

    Its parameters and buffers are those of :class:`torch.nn.BatchNorm2d`, and so is its output for the whole batch.
    Every process must hold at least one image.
    """

    def forward(self, images: Tensor) -> Tensor:
        """Return the normalised images, of the same shape and dtype."""
        if not self.training:
            return super().forward(images)
        mean, variance, count = whole_statistics(images.detach())
        self._remember(mean, variance * count / (count - 1))
        normalised = _Normalise.apply(images, self.weight, self.bias, mean, variance, count, self.eps)
        return cast("Tensor", normalised)

    def _remember(self, mean: Tensor, variance: Tensor) -> None:
        running = (self.running_mean, self.running_var, self.num_batches_tracked)
        running_mean, running_variance, batches = cast("tuple[Tensor, Tensor, Tensor]", running)
        momentum = cast("float", self.momentum)
        running_mean.lerp_(mean, momentum)
        running_variance.lerp_(variance, momentum)
        batches.add_(1)


def whole_statistics(images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return mean and (biased) variance of each channel over all processes, shape (channels,), and the pixels' number.

    Args:
        images: This process's images, shape (batch, channels, H, W).
    """
    variance, mean = torch.var_mean(images.float(), dim=(0, 2, 3), correction=0)
    mine = torch.cat([mean, variance, mean.new_tensor([images.numel() // images.shape[1]])])
    table = mine.new_zeros(distributed.get_world_size(), len(mine))
    table[distributed.get_rank()] = mine
    distributed.all_reduce(table)  # a sum with zeros: every process now holds the rows of all
    means, variances, counts = torch.split(table, [len(mean), len(mean), 1], dim=1)
    count = counts.sum()
    mean = (counts * means).sum(dim=0) / count
    return mean, (counts * (variances + (means - mean) ** 2)).sum(dim=0) / count, count


class _Normalise(torch.autograd.Function):
    """Normalisation by statistics of the whole batch, which pass the gradient on to the images of all processes."""

    @staticmethod
    def forward(  # noqa: PLR0917 - PyTorch passes them by position
        ctx: Any,
        images: Tensor,
        weight: Tensor,
        bias: Tensor,
        mean: Tensor,
        variance: Tensor,
        count: Tensor,
        eps: float,
    ) -> Tensor:
        ctx.save_for_backward(images, weight, mean, variance, count)
        ctx.eps = eps
        return functional.batch_norm(images, mean, variance, weight, bias, training=False, eps=eps)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        images, weight, mean, variance, count = ctx.saved_tensors
        direct, to_weight, to_bias = torch.ops.aten.native_batch_norm_backward(
            gradients[0], images, weight, mean, variance, None, None, False, ctx.eps, [True, True, True]
        )
        whole = torch.stack([to_weight, to_bias])
        distributed.all_reduce(whole)
        inverse = torch.rsqrt(variance + ctx.eps)
        slope = -weight * inverse**2 * whole[0] / count
        offset = -weight * inverse * whole[1] / count - slope * mean
        through_statistics = slope.view(-1, 1, 1) * images + offset.view(-1, 1, 1)
        return (direct + through_statistics).to(images.dtype), to_weight, to_bias, None, None, None, None


class WholeBatchSync(LayerSync):
    """Turns a module's batch normalisation into that of the whole batch while it is trained, and back."""

    def apply(self, model: nn.Module) -> nn.Module:
        """Turn every :class:`torch.nn.BatchNorm2d` into :class:`WholeBatchNorm2d`; parameters stay the same objects."""
        return _reclassed(model, nn.BatchNorm2d, WholeBatchNorm2d)

    def revert(self, model: nn.Module) -> nn.Module:
        """Undo :meth:`apply`."""
        return _reclassed(model, WholeBatchNorm2d, nn.BatchNorm2d)


def _reclassed(model: nn.Module, before: type[nn.Module], after: type[nn.Module]) -> nn.Module:
    for module in model.modules():
        if type(module) is before:
            module.__class__ = after
    return model
