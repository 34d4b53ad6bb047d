"""Kinds of TIFF that Pillow reads otherwise than they are meant, put right or refused."""

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImagePalette
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from csam_lightning.errors import InputError

MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
WIDTH, HEIGHT, BITS, MEANING, COLOUR_MAP, SAMPLE_FORMAT = 256, 257, 258, 262, 320, 339
STRIPS, TILES = 273, 324
WHITE_IS_ZERO, SIGNED, FLOAT = 0, 2, 3
MOST_BELOW_16_BITS = 2**14 - 1
"""Samples of a 16-bit file that are all this low may come from a converter of 10, 12 or 14 bits."""

KINDS_READ = "save it as 8- or 16-bit grey, RGB or palette"


def tags_of(image: Image.Image) -> Mapping[int, Any]:
    """Return the tags of an image, nothing of one that is no TIFF."""
    tags: Mapping[int, Any] = getattr(image, "tag_v2", {}) if image.format == "TIFF" else {}
    return tags


def settle_tiff(image: Image.Image, path: Path) -> None:
    """Put right what can be before the pixels are decoded.

    A colour map is meant from 0 to 65535; one that holds no value above 255 was written from 0 to 255, as libtiff's
    ``checkcmap`` takes it too.

    Raises:
        InputError: The file does not state whether 0 is black or white.
    """
    tags = tags_of(image)
    if tags and MEANING not in tags:
        what = "does not state whether 0 is black or white (tag PhotometricInterpretation)"
        raise InputError(what, where=str(path), mend="export the image again")
    colour_map = tags.get(COLOUR_MAP, ())
    if image.mode in {"P", "PA"} and colour_map and max(colour_map) <= 255:  # noqa: PLR2004 -- of 8 bits
        image.palette = ImagePalette.raw("RGB;L", bytes(colour_map))


def settled_samples(samples: NDArray[Any], tags: Mapping[int, Any], path: Path) -> NDArray[Any]:
    """Return decoded grey samples as they are meant.

    Pillow leaves 16-bit samples of which 0 is white as they are, though it inverts others.

    Raises:
        InputError: Samples are negative, which Pillow takes for bright ones where they have 8 bits. Or 0 is white, and
            the samples do not show their range.
    """
    if samples.dtype == np.uint8 and SIGNED in tags.get(SAMPLE_FORMAT, ()) and samples.max() > np.iinfo(np.int8).max:
        low, high = int(samples.view(np.int8).min()), int(samples.view(np.int8).max())
        what = f"holds signed samples from {low} to {high}"
        raise InputError(what, where=str(path), mend="add 128 to them and save it as unsigned 8-bit grey")
    if samples.dtype == np.uint16 and tags.get(MEANING) == WHITE_IS_ZERO:
        if samples.max() <= MOST_BELOW_16_BITS:
            what = f"holds 16-bit samples up to {samples.max()} of which 0 is white; black may be 4095 or 65535"
            raise InputError(what, where=str(path), mend="save it with 0 as black")
        return np.asarray(np.iinfo(np.uint16).max - samples)
    return samples


def unknown_kind(data: bytes, path: Path) -> InputError | None:
    """Return the error of a TIFF that is whole but of a kind that Pillow does not know; None of anything else."""
    if data[:4] not in MAGIC:
        return None
    try:
        tags = ImageFileDirectory_v2(data[:16] if data[2:3] == b"+" or data[3:4] == b"+" else data[:8])
        stream = io.BytesIO(data)
        stream.seek(tags.next)
        tags.load(stream)
        whole = tags[WIDTH] and tags[HEIGHT] and MEANING in tags and (STRIPS in tags or TILES in tags)
        bits, form = tags.get(BITS, (1,)), tags.get(SAMPLE_FORMAT, (1,))[0]
    except Exception:  # noqa: BLE001 -- a damaged directory raises nearly anything
        return None
    if not whole:
        return None
    samples = f"{len(bits)} samples" if len(bits) > 1 else "1 sample"
    name = {SIGNED: "signed ", FLOAT: "floating-point "}.get(form, "")
    kind = f"TIFF with {samples} of {bits[0]} {name}bits, meaning {tags[MEANING]}"
    return InputError(f"holds pixels of a kind not read ({kind})", where=str(path), mend=KINDS_READ)
