"""A model as one file: tensors and JSON in the format of safetensors; to read it runs no code that it brings along.

Its metadata hold, under ``csam_lightning``, the facts, what each network is built from, and a checksum of the tensors.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

import torch
from pydantic import TypeAdapter, ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from csam_lightning.errors import InputError
from csam_lightning.files import written_atomically
from csam_lightning.model.classifier import ScanClassifier
from csam_lightning.model.ensemble import Ensemble, ModelFacts
from csam_lightning.model.held_out import HeldOut
from csam_lightning.model.novelty import NoveltyStatistics

SUFFIX = ".safetensors"
FORMAT = "csam_lightning model 1"
KEY = "csam_lightning"
HELD_OUT = ("log_probabilities", "codes", "networks", "packages")
SETTINGS = ("pixel_mean", "pixel_std", "learning_rate", "weight_decay", "warmup_epochs")
NOVELTY = ("mean", "whitening", "held_out")


def write_ensemble(ensemble: Ensemble, path: Path) -> None:
    """Write a model to one file, whole or not at all.

    Raises:
        OSError: It cannot be written, for want of room for example.
    """
    tensors = dict(named_tensors(ensemble))
    description = json.dumps(described(ensemble, tensors))
    with written_atomically(path) as temporary:
        try:
            save_file(tensors, temporary, metadata={KEY: description})
        except SafetensorError as error:
            raise OSError(str(error)) from error


def read_ensemble(path: Path) -> Ensemble:
    """Read what :func:`write_ensemble` wrote.

    Raises:
        InputError: There is no such file, it is damaged, or it is something else.
    """
    if not path.is_file():
        raise InputError("no such file", where=f"model {path}", mend="name a file that export or register wrote")
    try:
        with safe_open(path, framework="pt") as file:
            description = json.loads((file.metadata() or {})[KEY])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - it is no mapping
    except (SafetensorError, KeyError, ValueError, OSError) as error:
        raise unusable(path, "is no model of this program") from error
    return assembled(path, description, tensors)


def unusable(path: Path, what: str) -> InputError:
    """Return the error of a file that is no model."""
    return InputError(what, where=f"model {path}", mend="export the model anew from its run")


def named_tensors(ensemble: Ensemble) -> Iterator[tuple[str, Tensor]]:
    """Yield all tensors that a model is made of, contiguous in the memory of the CPU, and their names in a file."""
    for name, tensor in _parts(ensemble):
        yield name, tensor.contiguous().cpu()


def _parts(ensemble: Ensemble) -> Iterator[tuple[str, Tensor]]:
    for number, network in enumerate(ensemble.networks):
        for name, tensor in network.state_dict().items():
            yield f"network.{number}.{name}", tensor
    if ensemble.held_out is not None:
        for name in HELD_OUT:
            values = getattr(ensemble.held_out, name)
            if values is not None:
                yield f"held_out.{name}", torch.from_numpy(values)
    for number, statistics in enumerate(ensemble.novelty or ()):
        for name in NOVELTY:
            yield f"novelty.{number}.{name}", torch.from_numpy(getattr(statistics, name))


def checksum(tensors: Mapping[str, Tensor]) -> str:
    """Return what tells these tensors from others, hexadecimal."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def described(ensemble: Ensemble, tensors: Mapping[str, Tensor]) -> dict[str, Any]:
    """Return what besides its ``tensors`` makes up a model, as JSON values."""
    networks = [dict(cast("ScanClassifier", network).hparams) for network in ensemble.networks]
    return {"format": FORMAT, "facts": asdict(ensemble.facts), "networks": networks, "sha256": checksum(tensors)}


def assembled(path: Path, description: Any, tensors: Mapping[str, Tensor]) -> Ensemble:
    """Put together a model that :func:`described` describes.

    Args:
        path: The file that both were read from, for messages.
        description: Untrusted, as the tensors are.
        tensors: By name.

    Raises:
        InputError: They do not make a model.
    """
    if not isinstance(description, dict) or description.get("format") != FORMAT:
        raise unusable(path, f"is a model of another version than {FORMAT!r}")
    if description.get("sha256") != checksum(tensors):
        raise unusable(path, "is damaged: its checksum differs")
    try:
        return _built(description, tensors)
    except (KeyError, TypeError, ValueError, RuntimeError, IndexError, ValidationError, InputError) as error:
        raise unusable(path, "does not describe a model that can be built") from error


def _built(description: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> Ensemble:
    facts = TypeAdapter(ModelFacts).validate_python(description["facts"])
    settings = description["networks"]
    if not settings or len(settings) != len(facts.folds):
        raise ValueError(f"{len(settings)} networks from {len(facts.folds)} folds")
    numbers = range(len(settings))
    networks = [network_of(facts, settings[number], _under(f"network.{number}.", tensors)) for number in numbers]
    held_out = _arrays("held_out.", tensors)
    novelty = [_arrays(f"novelty.{number}.", tensors) for number in numbers]
    return Ensemble(
        networks,
        facts,
        held_out=HeldOut(**held_out) if held_out else None,
        novelty=[NoveltyStatistics(**arrays) for arrays in novelty] if all(novelty) else None,
    )


def network_of(facts: ModelFacts, settings: Mapping[str, Any], state: Mapping[str, Tensor]) -> ScanClassifier:
    """Return a network of a model.

    Args:
        facts: What is known of the model.
        settings: The network's hyperparameters; further ones are left aside.
        state: Its state.

    Raises:
        InputError, LookupError, TypeError, ValueError, RuntimeError: They do not make one.
    """
    chosen = {name: settings[name] for name in SETTINGS}
    with torch.random.fork_rng(devices=[]):  # the random weights that it begins with are nobody's business
        network = ScanClassifier(arch=facts.arch, weights=None, num_classes=len(facts.classes), **chosen)
    network.load_state_dict(state)
    return network


def _under(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def _arrays(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Any]:
    arrays: dict[str, Any] = {name: tensor.numpy() for name, tensor in _under(prefix, tensors).items()}
    return arrays
