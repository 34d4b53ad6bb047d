"""ResNets with a one-channel stem, from torchvision."""

from collections.abc import Mapping
from pathlib import Path
from pickle import UnpicklingError
from urllib.error import URLError

import torch
import torchvision
from torch import Tensor, nn

from csam_lightning.errors import InputError

ARCHITECTURES = ("resnet18", "resnet34", "resnet50", "resnet101")


def build_resnet(arch: str, *, num_classes: int, weights: str | None) -> nn.Module:
    """Build a ResNet that maps (batch, 1, H, W) to logits (batch, num_classes).

    Args:
        arch: One of ``ARCHITECTURES``.
        num_classes: Number of classes.
        weights: None for random weights, ``imagenet`` for torchvision's pretrained ones, or a file with a state
            dict. The stem of three-channel weights is summed over colour, which gives the response to a grey image;
            the last layer stays random unless its shape fits.

    Raises:
        InputError: Unknown architecture, or weights that are missing, unreadable or of another network.
    """
    if arch not in ARCHITECTURES:
        raise InputError(
            f"unknown network {arch!r}", where="model.arch", mend=f"choose one of {', '.join(ARCHITECTURES)}"
        )
    network: nn.Module = torchvision.models.get_model(arch, weights=None, num_classes=num_classes)
    stem = nn.Conv2d(1, 64, kernel_size=7, stride=2, padding=3, bias=False)
    nn.init.kaiming_normal_(stem.weight, mode="fan_out", nonlinearity="relu")  # as torchvision does
    network.conv1 = stem
    if weights is not None:
        state = _imagenet_weights(arch) if weights == "imagenet" else read_weights(Path(weights))
        _load(network, state, source=weights)
    return network


def _imagenet_weights(arch: str) -> Mapping[str, Tensor]:
    pretrained = torchvision.models.get_model_weights(arch).DEFAULT
    try:
        state: Mapping[str, Tensor] = pretrained.get_state_dict(progress=False, check_hash=True, weights_only=True)
    except (URLError, OSError) as error:
        file = Path(torch.hub.get_dir()) / "checkpoints" / Path(pretrained.url).name
        raise InputError(
            f"the ImageNet weights of {arch} could not be downloaded ({error})",
            where="model.weights=imagenet",
            mend=f"connect to the network, or place the file of {pretrained.url} at {file}",
        ) from error
    return state


def read_weights(path: Path) -> Mapping[str, Tensor]:
    """Read a state dict, bare or under the key ``state_dict``, without running any code in the file.

    Raises:
        InputError: No such file, or no state dict in it.
    """
    try:
        loaded = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise InputError(
            f"no file {path}", where="model.weights", mend="give null, imagenet or an existing file"
        ) from error
    except (UnpicklingError, RuntimeError, EOFError, OSError, ValueError) as error:
        raise InputError(
            f"{path} is no weights file that can be read safely",
            where="model.weights",
            mend="give a file written by torch.save(network.state_dict(), …)",
        ) from error
    state = loaded.get("state_dict", loaded) if isinstance(loaded, dict) else None
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise InputError(f"{path} holds no state dict", where="model.weights", mend="save network.state_dict() in it")
    return {name.removeprefix("network."): value for name, value in state.items()}


def _load(network: nn.Module, state: Mapping[str, Tensor], *, source: str) -> None:
    adapted = dict(state)
    if "conv1.weight" in adapted and adapted["conv1.weight"].shape[1] != 1:
        adapted["conv1.weight"] = adapted["conv1.weight"].sum(dim=1, keepdim=True)
    own = network.state_dict()
    fitting = {name: value for name, value in adapted.items() if name in own and own[name].shape == value.shape}
    lacking = [name for name in own if name not in fitting and not name.startswith("fc.")]
    if lacking:
        raise InputError(
            f"{source} lacks {len(lacking)} of the network's tensors, {lacking[0]} first",
            where="model.weights",
            mend="give weights of the same model.arch",
        )
    network.load_state_dict(fitting, strict=False)
