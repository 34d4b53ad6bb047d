"""Models as PyTorch's exported programs, .pt2: a zip of JSON and bare bytes, and without a pickle in it.

``torch.export.load`` takes the programs written here and unpickles nothing, since there is nothing to unpickle. Of a
file that somebody else has made it would unpickle what is in it, load libraries and evaluate expressions: for files
that are not known to come from here, :func:`read_pt2` reads tensors and metadata by itself and builds the model anew.
"""

import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import ZIP_STORED, BadZipFile, ZipFile

import torch

from csam_lightning.errors import InputError
from csam_lightning.exporting.deployed import DYNAMIC, DeployedModel, example
from csam_lightning.exporting.description import metadata, rebuilt
from csam_lightning.files import written_atomically
from csam_lightning.model.ensemble_file import unusable

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

    from csam_lightning.exporting.outputs import Outputs, Predictor
    from csam_lightning.model.ensemble import Ensemble

WEIGHTS = "data/weights/"
CONFIG = "model_weights_config.json"
EXTRA = "extra/"
PICKLED = (b"\x80", b"PK")
"""How pickles begin, bare or in the zip that ``torch.save`` makes."""


def write_pt2(ensemble: "Ensemble", path: Path) -> None:
    """Write a model to a .pt2 file, whole or not at all.

    Raises:
        InputError: This version of PyTorch would pickle part of it.
        OSError: It cannot be written.
    """
    with torch.no_grad():
        program = torch.export.export(DeployedModel(ensemble), (example(),), dynamic_shapes=DYNAMIC)
    program.example_inputs = None  # the one thing that would be pickled
    buffer = io.BytesIO()  # in a file, its members would bear the file's passing name
    torch.export.save(program, buffer, extra_files=metadata(ensemble))
    with written_atomically(path) as temporary:
        temporary.write_bytes(buffer.getbuffer())
        pickles = pickled_members(temporary)
        if pickles:
            what = f"PyTorch {torch.__version__} pickles {pickles[0]}"
            raise InputError(what, where="format pt2", mend="write format=onnx or safetensors, or take a newer PyTorch")


def pickled_members(path: Path) -> list[str]:
    """Return the names of all that is pickled in a .pt2 file."""
    found = []
    with ZipFile(path) as archive:
        for name in archive.namelist():
            raw = WEIGHTS in name and not name.endswith(".json")
            if not raw and archive.open(name).read(2).startswith(PICKLED):
                found.append(name)
            if name.endswith("_config.json"):
                entries = json.loads(archive.read(name))["config"]
                found += [f"{name}: {tensor}" for tensor, entry in entries.items() if entry["use_pickle"]]
    return found


def pt2_predictor(path: Path) -> "Predictor":
    """Return what PyTorch makes of a .pt2 file that :func:`write_pt2` has just written."""
    program = torch.export.load(path).module()

    def predict(images: "NDArray[np.uint8]") -> "Outputs":
        with torch.no_grad():
            outputs: Mapping[str, torch.Tensor] = program(torch.from_numpy(images))
        return {name: values.numpy() for name, values in outputs.items()}

    return predict


def read_pt2(path: Path) -> "Ensemble":
    """Read a model back from a .pt2 file; nothing in it is run or unpickled.

    Raises:
        InputError: It is damaged or something else.
    """
    try:
        with ZipFile(path) as archive:
            stored = [member.filename for member in archive.infolist() if member.compress_type == ZIP_STORED]
            members = {name.partition("/")[2]: name for name in stored}  # what is compressed may unfold to any size
            names = [name for name in members if name.startswith(EXTRA)]
            texts = {name.removeprefix(EXTRA): archive.read(members[name]).decode() for name in names}
            config: dict[str, Any] = json.loads(archive.read(members[WEIGHTS + CONFIG]))["config"]
            files = {name: archive.read(members[WEIGHTS + entry["path_name"]]) for name, entry in config.items()}
    except (BadZipFile, LookupError, TypeError, ValueError, AttributeError, OSError, EOFError, RuntimeError) as error:
        raise unusable(path, "is no model of this program") from error
    return rebuilt(path, texts, lambda name: files[name])
