"""Puts a model into MLflow's registry, in a form that MLflow serves without this program and without a pickle."""

import os
import re
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from csam_lightning.errors import InputError
from csam_lightning.registry.find import ARTIFACT
from csam_lightning.tracking.store import hide_password, open_store

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

FOLDER = ARTIFACT.partition("/")[0]
"""In the run: the ONNX model as MLflow keeps it, and beside it the file of this program and the model card."""
CARD = "model_card.md"
REQUIREMENTS = ("numpy", "onnx", "onnxruntime")


class ModelName(NamedTuple):
    """What a model is called in the registry.

    Attributes:
        name: Its name.
        alias: The alias that its version gets; None for none.
    """

    name: str
    alias: str | None

    def check(self) -> None:
        """Check that a model can be called so.

        Raises:
            InputError: It cannot.
        """
        if not re.fullmatch(r"[^/@:%\x00-\x1f]{1,200}", self.name) or self.name != self.name.strip():
            raise InputError(f"{self.name!r} names no model", where="register", mend="give a name without / @ : and %")
        if self.alias is None:
            return
        taken = self.alias == "latest" or re.fullmatch("[vV][0-9]+", self.alias)
        if taken or not re.fullmatch("[A-Za-z0-9_-]{1,200}", self.alias):
            mend = "give letters, digits, _ and -, for example champion; neither latest nor a v and a number"
            raise InputError(f"{self.alias!r} is no alias", where="alias", mend=mend)


def save_served(
    onnx_file: Path, folder: Path, *, example: "NDArray[np.uint8]", outputs: "Mapping[str, NDArray[np.float32]]"
) -> None:
    """Write a model to a new folder as MLflow keeps ONNX models, with signature, example and requirements.

    Args:
        onnx_file: The model.
        folder: The folder.
        example: Grey scans that show what its one input, ``images``, is like, of shape (scans, height, width).
        outputs: What it says of them, scans first.
    """
    import mlflow.onnx
    import numpy as np
    import onnx
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema, TensorSpec

    inputs = Schema([TensorSpec(np.dtype(np.uint8), (-1, -1, -1), "images")])
    said: list[ColSpec | TensorSpec] = [
        TensorSpec(values.dtype, (-1, *values.shape[1:]), name) for name, values in outputs.items()
    ]
    mlflow.onnx.save_model(
        onnx.load(onnx_file),
        folder,
        signature=ModelSignature(inputs, Schema(said)),
        input_example={"images": example},
        pip_requirements=[f"{name}=={version(name)}" for name in REQUIREMENTS],
        onnx_execution_providers=["CPUExecutionProvider"],
        save_as_external_data=False,
    )


def register(
    uri: str, run_id: str, folder: Path, called: ModelName, *, description: str, tags: "Mapping[str, str]"
) -> str:
    """Send a model's folder to the run that it came from, and register it; registered again it is the same version.

    Args:
        uri: The store's full address.
        run_id: The run; it keeps the folder as ``FOLDER``.
        folder: What :func:`save_served` wrote, and what is to be kept beside it.
        called: What it is called.
        description: Markdown that the registry shows.
        tags: Of the version.

    Returns:
        Its version.

    Raises:
        InputError: The store refuses.
    """
    from mlflow.exceptions import MlflowException

    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    client = open_store(uri)
    try:
        try:
            client.create_registered_model(called.name)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        client.log_artifacts(run_id, str(folder), FOLDER)
        former = [one for one in client.search_model_versions(f"run_id='{run_id}'") if one.name == called.name]
        made = next(iter(former), None) or client.create_model_version(
            called.name, f"runs:/{run_id}/{FOLDER}", run_id=run_id, tags=dict(tags), description=description
        )
        if called.alias is not None:
            client.set_registered_model_alias(called.name, called.alias, made.version)
    except MlflowException as error:
        reason = hide_password(str(error).splitlines()[0], uri)[:200]
        raise InputError(
            f"the store refuses it: {reason}",
            where=f"register {called.name}",
            mend="mend the store, or take another name",
        ) from error
    return str(made.version)
