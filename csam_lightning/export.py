"""``python -m csam_lightning.export``: a model as one file, or registered in MLflow."""

import sys
from dataclasses import dataclass
from enum import StrEnum

from omegaconf import DictConfig

from csam_lightning.cli import run, typed
from csam_lightning.config import Name, TrackingConfig
from csam_lightning.machine.imports import loading


class FormatName(StrEnum):
    """Formats; see :data:`csam_lightning.exporting.formats.FORMATS`."""

    onnx = "onnx"
    pt2 = "pt2"
    safetensors = "safetensors"


@dataclass(frozen=True)
class ExportConfig:
    """``conf/export.yaml``: the model, and where it is to go."""

    model: Name
    format: FormatName | None
    output: str | None
    register: Name | None
    alias: Name | None
    prevalence: dict[Name, float] | None
    scans: str | None
    sound: float | None
    tracking: TrackingConfig


def main(config: DictConfig) -> None:
    """Write the file, register the model, and print on stdout what came of it.

    Raises:
        InputError: There is no such model, its scans are not there, or a setting makes no sense.
        RunFailedError: The file would not say what the model says.
    """
    settings = typed(config, ExportConfig)

    with loading():
        from csam_lightning.commands.export import Wishes, export_model

    wishes = Wishes(
        settings.format,
        settings.output,
        settings.register,
        settings.alias,
        settings.scans,
        settings.prevalence,
        settings.sound,
    )
    for line in export_model(settings.model, wishes, uri=settings.tracking.uri):
        sys.stdout.write(f"{line}\n")


if __name__ == "__main__":
    run(main, "export")
