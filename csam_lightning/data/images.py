"""Image files as 8-bit grey arrays; files are untrusted data.

How pixels become 8-bit grey, the same for every file and whatever the other files hold:

- 8-bit grey and 1-bit images as they are (1-bit: 0 and 255).
- Colour and palettes by luma, 0.299 R + 0.587 G + 0.114 B (ITU-R BT.601, as Pillow has it). Alpha is left aside: the
  colour beneath it counts.
- 16-bit grey linearly from its range of 8, 12 or 16 bits to 0 … 255. The range is the smallest of the three that holds
  the scan's brightest pixel, because scanners store 12-bit samples in 16-bit files without saying so, and cutting off
  the low byte would leave such a scan 16 grey levels. A range is 16 times (24 dB) the next smaller one, far more than
  gain differs between scans of one series; a percentile stretch, in contrast, would wipe out that gain. A 10- or 14-bit
  scan keeps 64 grey levels.
- The orientation that Exif data ask for is applied, since whoever labelled the image saw it so.
- Of a file with several pages, the first.
"""

import hashlib
import io
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, TiffImagePlugin, UnidentifiedImageError

from csam_lightning.errors import InputError

FORMATS = ("PNG", "TIFF", "BMP", "JPEG")
MAX_PIXELS = 89_000_000  # just under the limit at which Pillow itself begins to warn of decompression bombs
MAX_BYTES = 1 << 30  # of a file: MAX_PIXELS of 16-bit RGBA, uncompressed, and room for metadata
MIN_SIDE = 8  # pixels; below, nothing of a package is left to see
RANGE_BITS = (8, 12, 16)  # ranges of the samples in a 16-bit file
COLOUR_MODES = ("P", "PA", "RGB", "RGBA", "RGBX", "YCbCr")
GREY_MODES = ("1", "L", "LA")

# Images between Pillow's warning and its error are refused here by MAX_PIXELS, so the warning adds nothing.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)
# Registers the format without loading Pillow's forty others.
assert TiffImagePlugin.TiffImageFile.format == "TIFF"  # noqa: S101


@dataclass(frozen=True)
class GreyImage:
    """One decoded image file.

    Attributes:
        pixels: Grey values, uint8 of shape (height, width).
        mode: The file's kind of pixels, for example ``8-bit grey``.
        pages: Images in the file; the first is the one decoded.
        file_hash: SHA-256 of the file's bytes, hexadecimal.
    """

    pixels: NDArray[np.uint8]
    mode: str
    pages: int
    file_hash: str

    @property
    def pixel_hash(self) -> str:
        """SHA-256 of the picture, hexadecimal: equal for equal grey values, whatever the file's format."""
        height, width = self.pixels.shape
        return hashlib.sha256(f"{height}x{width}:".encode() + self.pixels.tobytes()).hexdigest()


def read_grey(path: Path) -> NDArray[np.uint8]:
    """Read a PNG, TIFF, BMP or JPEG file as grey values, uint8 of shape (height, width).

    Raises:
        InputError: The file is missing, no such image, damaged, too small, too large, or of a kind not read.
    """
    return read_image(path).pixels


def read_image(path: Path) -> GreyImage:
    """Read an image file as :func:`read_grey` does, and tell what it was."""
    data = read_bytes(path)
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            _check_size(image.size, path)
            pages = int(getattr(image, "n_frames", 1))
            pixels, mode = _grey(image, path)
    except InputError:
        raise
    except Image.DecompressionBombError as error:
        raise _too_large(str(error), path) from error
    except UnidentifiedImageError as error:
        raise InputError("is no image", where=str(path), mend=f"save it as {', '.join(FORMATS)}") from error
    except Exception as error:  # decoders of damaged files raise nearly anything
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise InputError(
            f"is a damaged image ({reason})", where=str(path), mend="copy or export the image again"
        ) from error
    return GreyImage(pixels, mode, pages, hashlib.sha256(data).hexdigest())


def read_bytes(path: Path) -> bytes:
    """Return a file's bytes.

    Raises:
        InputError: The file cannot be read, is empty, or is too large.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise _too_large(f"more than {MAX_BYTES} bytes", path)
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", where=str(path), mend="make it readable") from error
    if not data:
        raise InputError("is empty (0 bytes)", where=str(path), mend="copy or export the image again")
    return data


def resize_grey(pixels: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """Resize grey values to a square, antialiased.

    An image that is not square is stretched: padding would draw edges stronger than any in the scan and tell the
    network the scan's proportions; cropping would lose bond pads.

    Args:
        pixels: uint8 of shape (height, width).
        side: Height and width wanted, in pixels.

    Returns:
        uint8 of shape (side, side).
    """
    resized = Image.fromarray(pixels).resize((side, side), Image.Resampling.BILINEAR)
    return np.asarray(resized, dtype=np.uint8)


def _check_size(size: tuple[int, int], path: Path) -> None:
    """Refuse absurd dimensions from the header alone, before anything is decoded."""
    width, height = size
    if width * height > MAX_PIXELS:
        raise _too_large(f"{width}x{height} pixels, more than {MAX_PIXELS}", path)
    if min(size) < MIN_SIDE:
        raise InputError(
            f"measures {width}x{height} pixels",
            where=str(path),
            mend=f"give images of at least {MIN_SIDE}x{MIN_SIDE} pixels",
        )


def _too_large(reason: str, path: Path) -> InputError:
    return InputError(f"is too large ({reason})", where=str(path), mend="cut or scale the image down")


def _grey(image: Image.Image, path: Path) -> tuple[NDArray[np.uint8], str]:
    upright = ImageOps.exif_transpose(image)
    mode = upright.mode
    if mode in COLOUR_MODES:
        return np.array(upright.convert("RGB").convert("L")), "palette" if mode[0] == "P" else "colour"
    if mode in GREY_MODES:
        return np.array(upright.convert("L")), "1-bit" if mode == "1" else "8-bit grey"
    if mode.startswith("I"):
        return _eight_bits(np.array(upright), path)
    raise InputError(
        f"holds pixels of a kind not read ({mode})",
        where=str(path),
        mend="save it as 8- or 16-bit grey, RGB or palette",
    )


def _eight_bits(samples: NDArray[np.integer], path: Path) -> tuple[NDArray[np.uint8], str]:
    low, high = int(samples.min()), int(samples.max())
    bits = next((bits for bits in RANGE_BITS if high < 1 << bits), None)
    if low < 0 or bits is None:
        raise InputError(
            f"holds values from {low} to {high}, not 16-bit grey",
            where=str(path),
            mend="save it as unsigned 16-bit grey",
        )
    scaled = samples.astype(np.float32) * np.float32(255 / ((1 << bits) - 1))
    return np.rint(scaled).astype(np.uint8), f"16-bit grey with a {bits}-bit range"
