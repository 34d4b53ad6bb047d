"""What an exported file says of its model: for people and programs, and for this program to have the whole model back.

All but the tensors that the file's graph holds anyway stands in its metadata, as JSON.
"""

import base64
import json
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from csam_lightning.evaluation.operating_point import is_delamination
from csam_lightning.exporting.deployed import place_in_graph
from csam_lightning.model.ensemble_file import KEY, assembled, described, named_tensors, unusable

if TYPE_CHECKING:
    from csam_lightning.model.ensemble import Ensemble

USE = (
    "images: grey values of scans, uint8 of shape (scans, height, width), any size; resizing and scaling are inside; "
    "16-bit samples, marks and false colours become grey as 'sample_bits', 'overlay' and 'palette' state. "
    "probabilities: float32 of shape (scans, classes), the classes in the order of the metadata 'classes'. "
)
LIKELIEST = "The class of a scan is the likeliest one."
THRESHOLD = (
    "The class of a scan is the likeliest one, but D (sound) only where its probability is above the metadata 'sound'; "
    "else it is the likeliest of A, B and C."
)
RAW = {"float32": "<f4", "float64": "<f8", "int64": "<i8"}


def metadata(ensemble: "Ensemble") -> dict[str, str]:
    """Return the metadata of a model's file: each fact as JSON, how to use it, and under ``KEY`` what rebuilds it."""
    facts = ensemble.facts
    with_threshold = is_delamination(facts.classes)
    readable = {
        "classes": list(facts.classes),
        "image_size": facts.image_size,
        "temperature": facts.temperature,
        "bias": list(facts.bias),
        "prevalence": None if facts.prevalence is None else list(facts.prevalence),
        "protocol": facts.protocol,
        "data_fingerprint": facts.data_fingerprint,
        "cell_id": facts.cell_id,
        "folds": list(facts.folds),
        "arch": facts.arch,
        "sample_bits": facts.sample_bits,
        "overlay": facts.overlay,
        "palette": facts.palette,
        "version": version("csam-lightning"),
        "sound": facts.sound if with_threshold else None,
        "use": USE + (THRESHOLD if with_threshold else LIKELIEST),
    }
    tensors = dict(named_tensors(ensemble))
    listed = {name: _entry(name, tensor) for name, tensor in tensors.items()}
    whole = {**described(ensemble, tensors), "tensors": listed}
    return {**{name: json.dumps(value) for name, value in readable.items()}, KEY: json.dumps(whole)}


def rebuilt(path: Path, texts: Mapping[str, str], in_graph: Callable[[str], bytes]) -> "Ensemble":
    """Return the model of an exported file.

    Args:
        path: The file, for messages.
        texts: Its metadata, untrusted.
        in_graph: Returns the bytes, little-endian, of a tensor of its graph.

    Raises:
        InputError: It holds no model, or a damaged one.
    """
    try:
        description = json.loads(texts[KEY])
        tensors = {name: _tensor(name, entry, in_graph) for name, entry in description["tensors"].items()}
    except (LookupError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise unusable(path, "is no model of this program") from error
    return assembled(path, description, tensors)


def _entry(name: str, tensor: Tensor) -> dict[str, Any]:
    values = tensor.numpy()
    entry: dict[str, Any] = {"dtype": str(values.dtype), "shape": list(values.shape)}
    if place_in_graph(name) is None:
        entry["base64"] = base64.b64encode(values.astype(RAW[str(values.dtype)]).tobytes()).decode()
    return entry


def _tensor(name: str, entry: Mapping[str, Any], in_graph: Callable[[str], bytes]) -> Tensor:
    place = place_in_graph(name)
    raw = base64.b64decode(entry["base64"], validate=True) if place is None else in_graph(place)
    values = np.frombuffer(raw, dtype=RAW[entry["dtype"]]).reshape(entry["shape"])
    return torch.from_numpy(values.astype(entry["dtype"]))  # a copy that can be written to
