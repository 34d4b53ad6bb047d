"""Models as ONNX files, for ONNX Runtime and whatever else reads that format."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from csam_lightning.errors import InputError
from csam_lightning.exporting.deployed import DYNAMIC, INPUT, OUTPUTS, DeployedModel, example
from csam_lightning.exporting.description import metadata, rebuilt
from csam_lightning.files import written_atomically
from csam_lightning.model.ensemble_file import named_tensors, unusable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from csam_lightning.exporting.outputs import Outputs, Predictor
    from csam_lightning.model.ensemble import Ensemble

OPSET = 18
"""Of 2022: old runtimes read it, and all that the graph needs is in it."""
LARGEST = 2**31 - 2**27
"""Bytes of tensors: an ONNX file is one protobuf message, which ends at 2 GiB, and the graph takes room too."""


def write_onnx(ensemble: "Ensemble", path: Path) -> None:
    """Write a model to an ONNX file, whole or not at all.

    Raises:
        InputError: What writes ONNX is not installed, or the model is too large for one file.
        OSError: It cannot be written.
    """
    with _installed():
        import onnx
        import onnxscript  # noqa: F401 - PyTorch's exporter needs it
    if sum(tensor.nbytes for _, tensor in named_tensors(ensemble)) > LARGEST:
        raise InputError("the model is too large", where="format onnx", mend="take format=pt2 or safetensors")
    outputs = OUTPUTS if ensemble.novelty is not None else OUTPUTS[:-1]
    with _quiet(), torch.no_grad():
        program = torch.onnx.export(
            DeployedModel(ensemble),
            (example(),),
            input_names=[INPUT],
            output_names=list(outputs),
            dynamic_shapes=DYNAMIC,
            opset_version=OPSET,
            dynamo=True,
            optimize=False,  # runtimes do it themselves; the tensors stay what they were trained to be
            verbose=False,
        )
    if program is None:
        raise RuntimeError("PyTorch returned no ONNX program")
    model = program.model_proto
    onnx.helper.set_model_props(model, metadata(ensemble))
    onnx.checker.check_model(model)
    with written_atomically(path) as temporary:
        temporary.write_bytes(model.SerializeToString())


def onnx_predictor(path: Path) -> "Predictor":
    """Return what ONNX Runtime makes of an ONNX file.

    Raises:
        InputError: ONNX Runtime is not installed.
    """
    with _installed():
        import onnxruntime
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]

    def predict(images: "NDArray[np.uint8]") -> "Outputs":
        return dict(zip(names, session.run(names, {INPUT: images}), strict=True))

    return predict


def read_onnx(path: Path) -> "Ensemble":
    """Read a model back from an ONNX file; nothing in it is run.

    Raises:
        InputError: It is damaged or something else, or what reads ONNX is not installed.
    """
    with _installed():
        import onnx
        from google.protobuf.message import DecodeError
    try:
        model = onnx.load(path, load_external_data=False)
    except (DecodeError, OSError, ValueError) as error:
        raise unusable(path, "is no model of this program") from error
    tensors = {tensor.name: tensor for tensor in model.graph.initializer}

    def in_graph(name: str) -> bytes:
        if onnx.external_data_helper.uses_external_data(tensors[name]):
            raise ValueError(f"{name} is in another file")
        return bytes(onnx.numpy_helper.to_array(tensors[name]).tobytes())

    return rebuilt(path, {entry.key: entry.value for entry in model.metadata_props}, in_graph)


@contextmanager
def _installed() -> Iterator[None]:
    try:
        yield
    except ModuleNotFoundError as error:
        mend = "pip install 'csam-lightning[export]', or take format=pt2 or safetensors"
        raise InputError(f"there is no Python package {error.name} here", where="format onnx", mend=mend) from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporter's remarks on its own workings from the user; its errors are raised all the same."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
