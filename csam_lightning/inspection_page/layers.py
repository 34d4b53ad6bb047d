"""A scan and its maps as pictures of their own, so that a browser can lay one over the other."""

import io
from typing import TYPE_CHECKING, NamedTuple

from PIL import Image

from csam_lightning.predicting.scans import reduced_to
from csam_lightning.saliency.overlay import heat

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from csam_lightning.predicting.maps import SaliencyMap

SIDE = 480  # pixels of a picture's longer side


class Heat(NamedTuple):
    """A map: the classes that it speaks for and against, and a PNG whose colours are the more opaque the stronger."""

    speaks_for: str
    against: str
    png: bytes


class Layers(NamedTuple):
    """A scan as PNG, and what is to be laid over it, stretched to its size."""

    scan: bytes
    heats: tuple[Heat, ...]


def layers(pixels: "NDArray[np.uint8]", maps: "Sequence[SaliencyMap]") -> Layers:
    """Return the pictures of a scan.

    Args:
        pixels: Grey values, uint8 of shape (height, width).
        maps: Its maps.
    """
    small = reduced_to(pixels, SIDE)
    shape = (small.shape[0], small.shape[1])
    heats = (Heat(one.speaks_for, one.against, png(heat(one.values, shape))) for one in maps)
    return Layers(png(small), tuple(heats))


def png(pixels: "NDArray[np.uint8]") -> bytes:
    """Return a picture, uint8 of shape (height, width) or (height, width, 4), as a PNG."""
    data = io.BytesIO()
    Image.fromarray(pixels).save(data, "PNG", compress_level=3)
    return data.getvalue()
