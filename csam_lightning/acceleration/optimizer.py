"""AdamW that goes through memory as it lies."""

from typing import Any

import torch
from torch import Tensor


class MemoryOrderAdamW(torch.optim.AdamW):
    """Fused AdamW for weights in any dense order in memory: equal to PyTorch's, which it feeds, to the bit.

    PyTorch's kernel for CPUs copies each gradient that is not contiguous and never reads the copy. It also goes through
    weights and moments as they lie: where their orders differ, as after a checkpoint from elsewhere, it mixes them up
    and says nothing.
    """

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take up a state, each moment in the order of its weights."""
        super().load_state_dict(state_dict)
        for weight, state in self.state.items():
            for name, value in state.items():
                if value.shape == weight.shape and value.stride() != weight.stride():
                    state[name] = torch.empty_like(weight).copy_(value)

    def _init_group(self, group: dict[str, Any], *lists: list[Tensor] | bool) -> bool:
        """Fill the lists of what a step needs, weights, gradients and moments as views that are contiguous.

        PyTorch 2.6 has a switch among them.
        """
        has_complex: bool = super()._init_group(group, *lists)  # type: ignore[no-untyped-call]
        for tensors in lists:
            if isinstance(tensors, list):
                tensors[:] = map(as_it_lies, tensors)
        return has_complex


def as_it_lies(tensor: Tensor) -> Tensor:
    """Return a view whose axes are ordered as they lie in memory, so that it is contiguous if ``tensor`` is dense."""
    if tensor.is_contiguous():
        return tensor
    return tensor.permute(sorted(range(tensor.dim()), key=tensor.stride, reverse=True))
