"""The formats of exported models, by name."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from csam_lightning.data.images import resize_grey
from csam_lightning.errors import InputError
from csam_lightning.exporting.onnx_file import onnx_predictor, read_onnx, write_onnx
from csam_lightning.exporting.outputs import Outputs, Predictor
from csam_lightning.exporting.pt2_file import pt2_predictor, read_pt2, write_pt2
from csam_lightning.model.ensemble_file import SUFFIX, read_ensemble, write_ensemble

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from csam_lightning.model.ensemble import Ensemble


@dataclass(frozen=True)
class Format:
    """A format of files.

    Attributes:
        suffix: Of its files' names.
        write: Writes a model to a file, whole or not at all.
        predictor: Returns what those who deploy the file will run.
        read: Reads the model back, from a file that is not to be trusted.
    """

    suffix: str
    write: "Callable[[Ensemble, Path], None]"
    predictor: Callable[[Path], Predictor]
    read: "Callable[[Path], Ensemble]"


def ensemble_predictor(ensemble: "Ensemble") -> Predictor:
    """Return what a model makes of scans in this program, which resizes them itself."""

    def predict(images: "NDArray[np.uint8]") -> Outputs:
        scans = [torch.from_numpy(resize_grey(image, ensemble.facts.image_size).copy()) for image in images]
        said = ensemble.judge(torch.stack(scans)[:, None])
        outputs = {
            "probabilities": said.probabilities.mean(dim=0).numpy(),
            "network_probabilities": said.probabilities.transpose(0, 1).numpy(),
        }
        return outputs if said.distances is None else {**outputs, "distances": said.distances.T.numpy()}

    return predict


FORMATS = {
    "onnx": Format(".onnx", write_onnx, onnx_predictor, read_onnx),
    "pt2": Format(".pt2", write_pt2, pt2_predictor, read_pt2),
    "safetensors": Format(SUFFIX, write_ensemble, lambda path: ensemble_predictor(read_ensemble(path)), read_ensemble),
}


def read_exported(path: Path) -> "Ensemble":
    """Read a model from a file of any format, known by its suffix.

    Raises:
        InputError: It is damaged, or no file of these formats.
    """
    for form in FORMATS.values():
        if path.suffix == form.suffix:
            return form.read(path)
    suffixes = ", ".join(form.suffix for form in FORMATS.values())
    raise InputError("is no exported model", where=f"model {path}", mend=f"name a file that ends in {suffixes}")
