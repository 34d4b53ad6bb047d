"""Maps as files: laid over their scans, and as arrays."""

import logging
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from csam_lightning.errors import InputError
from csam_lightning.predicting.maps import SaliencyMap
from csam_lightning.predicting.scans import Scan
from csam_lightning.saliency.overlay import overlay

if TYPE_CHECKING:
    from csam_lightning.model.ensemble import ModelFacts

OVERLAYS, MAPS = "overlays", "maps"
TAME = "[A-Za-z0-9_-]{1,32}"

logger = logging.getLogger(__name__)


def write_maps(scan: Scan, maps: Sequence[SaliencyMap], folder: Path, *, facts: "ModelFacts", arrays: bool) -> None:
    """Write a scan's maps as ``overlays/<path>.<class>.png``, and as arrays ``maps/<path>.<class>.npy``.

    A scan that has become unreadable since it was judged is passed over with a warning.

    Args:
        scan: The scan; read again, since overlays are as large as it is.
        maps: Its maps.
        folder: Where the two folders are.
        facts: The model's.
        arrays: Whether arrays are wanted.
    """
    if not maps:
        return
    try:
        pixels = scan.pixels(facts.sample_bits, facts.colours)
    except InputError as error:
        logger.warning("%s: %s", scan.path, error)
        return
    for position, one in enumerate(maps):
        name = f"{scan.path}.{file_word(one.speaks_for, position)}"
        picture = folder / OVERLAYS / f"{name}.png"
        picture.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(overlay(pixels, one.values)).save(picture, compress_level=1)
        if arrays:
            array = folder / MAPS / f"{name}.npy"
            array.parent.mkdir(parents=True, exist_ok=True)
            np.save(array, one.values, allow_pickle=False)


def file_word(label: str, position: int) -> str:
    """Return a class's name where it may stand in a file's, else the number of its map: labels are no paths."""
    return label if re.fullmatch(TAME, label) else f"map{position + 1}"
