"""What works: a GPU where there is one, unless told otherwise."""

from enum import StrEnum

import torch

from csam_lightning.errors import InputError


class Accelerator(StrEnum):
    """What is to work."""

    auto = "auto"
    cpu = "cpu"
    gpu = "gpu"


def device_for(accelerator: Accelerator) -> torch.device:
    """Return the device that is to work.

    Raises:
        InputError: A GPU is wanted and there is none.
    """
    there = torch.cuda.is_available()
    if accelerator == Accelerator.gpu and not there:
        raise InputError(
            "this machine has no GPU that PyTorch can use", where="accelerator=gpu", mend="give auto or cpu"
        )
    return torch.device("cuda" if there and accelerator != Accelerator.cpu else "cpu")
