"""``python -m csam_lightning.crop``: cut scans of trays into their units."""

import sys
from dataclasses import dataclass
from pathlib import Path

from omegaconf import DictConfig

from csam_lightning.cli import run, typed
from csam_lightning.data.colour_rule import Overlay
from csam_lightning.errors import InputError
from csam_lightning.machine.imports import loading


@dataclass(frozen=True)
class CropConfig:
    """``conf/crop.yaml``: the scans to cut, and where to write their units."""

    input: str
    output: str
    palette: list[str] | None
    overlay: Overlay
    gap: int


def main(config: DictConfig) -> None:
    """Write the units, and print the palette and what was found on each scan on stdout.

    Raises:
        InputError: A scan cannot be read or holds no unit, a setting makes no sense, or the folder is in use.
    """
    with loading():
        from csam_lightning.data.palette import palette_names, parse_palette
        from csam_lightning.trays.dataset import common_palette, cut_trays, scan_files

    settings = typed(config, CropConfig)
    if settings.gap < 0:
        raise InputError(f"{settings.gap} makes no sense here", where="gap", mend="give a whole number from 0")
    files = scan_files(Path(settings.input).expanduser())
    palette = common_palette(files) if settings.palette is None else parse_palette(settings.palette)
    if palette is not None:
        sys.stdout.write(f"palette from low to high amplitude: {','.join(palette_names(palette))}\n")
    output = Path(settings.output).expanduser()
    for line in cut_trays(files, palette, output, gap=settings.gap, overlay=settings.overlay):
        sys.stdout.write(f"{line}\n")


if __name__ == "__main__":
    run(main, "crop")
