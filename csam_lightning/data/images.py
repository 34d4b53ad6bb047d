"""Image files as 8-bit grey arrays; files are untrusted data.

How pixels become 8-bit grey:

- 8-bit grey and 1-bit images as they are (1-bit: 0 and 255).
- Colour and palettes by luma, 0.299 R + 0.587 G + 0.114 B (ITU-R BT.601, as Pillow has it), or as a
  :class:`csam_lightning.data.colour_rule.ColourRule` has it for marks and false colour. Alpha is left aside: the colour
  beneath it counts. Colour of 16 bits a channel is refused: Pillow would cut off the low byte.
- TIFF as :mod:`csam_lightning.data.tiff` puts it right; files whose end was lost are refused, see
  :mod:`csam_lightning.data.damage`.
- 16-bit grey linearly from a range of 8, 12 or 16 bits to 0 … 255, because scanners store 12-bit samples in 16-bit
  files without saying so, and cutting off the low byte would leave such a scan 16 grey levels. All scans of a data set
  share one range, the smallest of the three that holds the brightest pixel of them all: one sample is one grey value
  in every scan, and a hot pixel darkens no scan more than the others. A percentile stretch, or a range of each scan's
  own, would wipe out or invent differences in gain. 10- or 14-bit scans keep 64 grey levels. A file that is read alone
  has a range of its own.
- The orientation that Exif data ask for is applied, since whoever labelled the image saw it so.
- Of a file with several pages, the first.
"""

import hashlib
import io
import os
import stat
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, TiffImagePlugin, UnidentifiedImageError

from csam_lightning.data.colour_rule import BY_LUMA, ColourRule
from csam_lightning.data.colours import Look, Seen, grey_of, look_at
from csam_lightning.data.damage import PNG_SIGNATURE, damage_in
from csam_lightning.data.palette import Palette
from csam_lightning.data.tiff import BITS, KINDS_READ, settle_tiff, settled_samples, tags_of, unknown_kind
from csam_lightning.errors import InputError

FORMATS = ("PNG", "TIFF", "BMP", "JPEG")
MAX_PIXELS = 89_000_000  # just under the limit at which Pillow itself begins to warn of decompression bombs
MAX_BYTES = 1 << 30  # of a file: MAX_PIXELS of 16-bit RGBA, uncompressed, and room for metadata
MIN_SIDE = 8  # pixels; below, nothing of a package is left to see
RANGE_BITS = (8, 12, 16)  # ranges of the samples in a 16-bit file
WHITE = 255
SPREAD = 257  # spreads 0 … 255 over 0 … 65535
COLOUR_MODES = ("P", "PA", "RGB", "RGBA", "RGBX", "YCbCr")
GREY_MODES = ("1", "L", "LA")

Samples: TypeAlias = NDArray[np.uint8] | NDArray[np.uint16]

# Images between Pillow's warning and its error are refused here by MAX_PIXELS, so the warning adds nothing.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)
# Registers the format without loading Pillow's forty others.
assert TiffImagePlugin.TiffImageFile.format == "TIFF"  # noqa: S101


@dataclass(frozen=True)
class GreyImage:
    """One decoded image file.

    Attributes:
        samples: Grey values as the file holds them, uint8 or, of a 16-bit file, uint16, of shape (height, width).
        mode: The file's kind of pixels, for example ``8-bit grey``.
        pages: Images in the file; the first is the one decoded.
        look: What its colours mean, see :mod:`csam_lightning.data.colours`.
        marked: Share of the pixels that marks cover.
    """

    samples: Samples
    mode: str
    pages: int
    look: Look = "grey"
    marked: float = 0.0

    @property
    def peak(self) -> int | None:
        """Brightest sample of a 16-bit file, None of other files."""
        return int(self.samples.max()) if self.samples.dtype == np.uint16 else None

    def pixels(self, sample_bits: int | None = None) -> NDArray[np.uint8]:
        """Return grey values, uint8 of shape (height, width).

        Args:
            sample_bits: Range of the samples of a 16-bit file, bits; brighter samples become white. None: the
                smallest range that holds them. Files of other kinds are as they are.
        """
        bits = range_of([self.peak])
        if bits is None:
            return self.samples.astype(np.uint8, copy=False)
        bits = sample_bits or bits
        scaled = self.samples.astype(np.float32) * np.float32(WHITE / ((1 << bits) - 1))
        pixels: NDArray[np.uint8] = np.rint(scaled).clip(0, WHITE).astype(np.uint8)
        return pixels

    @property
    def picture_hash(self) -> str:
        """SHA-256 of the picture, hexadecimal: equal for equal samples, whatever the file's format.

        It depends on nothing but the file: of 16-bit samples the full depth counts, whatever range they are mapped
        from. An 8-bit picture is the same in a 16-bit file, be it as it is or spread over 16 bits (times 257).
        """
        samples = self.samples
        if self.peak is not None:
            if self.peak > WHITE and not (samples % SPREAD).any():
                samples = samples // SPREAD
            if samples.max() <= WHITE:
                samples = samples.astype(np.uint8)
        height, width = samples.shape
        found = hashlib.sha256(f"{height}x{width}:".encode())
        found.update(np.ascontiguousarray(samples).data)
        return found.hexdigest()


def range_of(peaks: Iterable[int | None]) -> int | None:
    """Return the range of a data set's 16-bit scans: the smallest of ``RANGE_BITS`` that holds all ``peaks``.

    Args:
        peaks: Brightest sample of each 16-bit file, None for other files.

    Returns:
        Bits, or None where there is no 16-bit file.
    """
    highest = max((peak for peak in peaks if peak is not None), default=None)
    return None if highest is None else next((bits for bits in RANGE_BITS if highest < 1 << bits), None)


def read_grey(path: Path, *, sample_bits: int | None = None, colours: ColourRule = BY_LUMA) -> NDArray[np.uint8]:
    """Read a PNG, TIFF, BMP or JPEG file as grey values, uint8 of shape (height, width).

    Args:
        path: The file.
        sample_bits: See :meth:`GreyImage.pixels`; a data set's range is ``Scans.sample_bits``.
        colours: How colours become grey.

    Raises:
        InputError: The file is missing, no such image, damaged, too small, too large, of a kind not read, or refused
            by the rule of colours.
    """
    return read_image(path, colours=colours).pixels(sample_bits)


def read_image(path: Path, *, colours: ColourRule = BY_LUMA) -> GreyImage:
    """Read an image file, and tell what it is.

    Raises:
        InputError: As :func:`read_grey`.
    """
    return decode_image(read_bytes(path), path, colours=colours)


def decode_image(data: bytes, path: Path, *, colours: ColourRule = BY_LUMA) -> GreyImage:
    """Decode an image, and tell what it is.

    Args:
        data: The bytes of its file.
        path: The file, for messages.
        colours: How colours become grey.

    Raises:
        InputError: As :func:`read_grey`.
    """
    with _opened(data, path) as image:
        pages = int(getattr(image, "n_frames", 1))
        if image.mode in COLOUR_MODES:
            mode = "palette" if image.mode[0] == "P" else "colour"
            grey, seen = grey_of(*_rgb(image), colours, where=str(path))
            return GreyImage(grey, mode, pages, seen.look, seen.marked)
        samples, mode = _grey(image, path)
    return GreyImage(samples, mode, pages)


def read_colours(
    path: Path, palette: Palette | None = None, *, max_pixels: int = MAX_PIXELS
) -> tuple[NDArray[np.uint8], Seen]:
    """Read a PNG, TIFF, BMP or JPEG file without making false colours grey.

    Args:
        path: The file.
        palette: As :func:`csam_lightning.data.colours.look_at`.
        max_pixels: The most that it may have.

    Returns:
        Of a file in colours other than marks uint8 of shape (height, width, 3), red, green and blue; of any other uint8
        of shape (height, width), its luma; and what it was seen to be.

    Raises:
        InputError: As :func:`read_grey`.
    """
    with _opened(read_bytes(path), path, max_pixels) as image:
        if image.mode in COLOUR_MODES:
            pixels, luma = _rgb(image)
            seen = look_at(pixels, palette)
            return (luma if seen.look in {"grey", "marked"} else pixels), seen
        return GreyImage(_grey(image, path)[0], "", 1).pixels(), Seen("grey")


def survey_image(path: Path) -> tuple[int | None, NDArray[np.uint8] | None]:
    """Return what a data set has to know of a file before any is decoded: little that takes decoding it.

    Returns:
        Brightest sample of a 16-bit file, and the pixels of one in colour, uint8 of shape (height, width, 3); None, of
        both, without decoding it, for a file of another kind.

    Raises:
        InputError: As :func:`read_grey`.
    """
    with _opened(read_bytes(path), path) as image:
        if image.mode in COLOUR_MODES:
            return None, _rgb(image)[0]
        return int(_grey(image, path)[0].max()) if image.mode.startswith("I") else None, None


@contextmanager
def _opened(data: bytes, path: Path, max_pixels: int = MAX_PIXELS) -> Iterator[Image.Image]:
    """Yield an image whose header is read and sound, and tell what decoders raise inside the block as bad input."""
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            _check_size(image.size, path, max_pixels)
            settle_tiff(image, path)
            _check_whole(data, image, path)
            _check_depth(data, image, path)
            yield image
    except InputError:
        raise
    except Image.DecompressionBombError as error:
        raise _too_large(str(error), path) from error
    except UnidentifiedImageError as error:
        if unknown := unknown_kind(data, path):
            raise unknown from error
        raise InputError("is no image", where=str(path), mend=f"save it as {', '.join(FORMATS)}") from error
    except Exception as error:  # decoders of damaged files raise nearly anything
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise _damaged(reason, path) from error


def _damaged(reason: str, path: Path) -> InputError:
    return InputError(f"is a damaged image ({reason})", where=str(path), mend="copy or export the image again")


def read_bytes(path: Path) -> bytes:
    """Return a file's bytes.

    Raises:
        InputError: The file cannot be read, is empty, or is too large.
    """
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):  # a pipe would be waited for without end
            raise InputError("is no file", where=str(path), mend="name an image file")
        if status.st_size > MAX_BYTES:
            raise _too_large(f"more than {MAX_BYTES} bytes", path)
        data = _content(path, status.st_size)
    except FileNotFoundError as error:
        raise InputError("no such file", where=str(path), mend="correct its path, or the link that it is") from error
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", where=str(path), mend="make it readable") from error
    if not data:
        raise InputError("is empty (0 bytes)", where=str(path), mend="copy or export the image again")
    return data


def _content(path: Path, size: int) -> bytes:
    """Read a file by as few calls of the system as can be: after each, a thread waits for Python's lock."""
    file = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
    try:
        data = os.read(file, size)
        while len(data) < size and (more := os.read(file, size - len(data))):
            data += more
    finally:
        os.close(file)
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


def _check_size(size: tuple[int, int], path: Path, max_pixels: int) -> None:
    """Refuse absurd dimensions from the header alone, before anything is decoded."""
    width, height = size
    if width * height > max_pixels:
        raise _too_large(f"{width}x{height} pixels, more than {max_pixels}", path)
    if min(size) < MIN_SIDE:
        raise InputError(
            f"measures {width}x{height} pixels",
            where=str(path),
            mend=f"give images of at least {MIN_SIDE}x{MIN_SIDE} pixels",
        )


def _too_large(reason: str, path: Path) -> InputError:
    return InputError(f"is too large ({reason})", where=str(path), mend="cut or scale the image down")


def _check_whole(data: bytes, image: Image.Image, path: Path) -> None:
    """Refuse a file whose end was lost."""
    if damage := damage_in(data, str(image.format), tags_of(image)):
        raise _damaged(damage, path)


def _check_depth(data: bytes, image: Image.Image, path: Path) -> None:
    """Refuse colour, and grey with alpha, of 16 bits a channel."""
    depth = data[24] if data.startswith(PNG_SIGNATURE) else max(tags_of(image).get(BITS, (8,)))
    if depth == max(RANGE_BITS) and image.mode in {*COLOUR_MODES, "LA"}:
        what = "holds colour or grey with alpha of 16 bits a channel"
        raise InputError(what, where=str(path), mend="save it as 16-bit grey, or with 8 bits a channel")


def _rgb(image: Image.Image) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return the pixels of an image in colour, uint8 of shape (height, width, 3), and their luma."""
    ImageOps.exif_transpose(image, in_place=True)
    rgb = image.convert("RGB")
    return np.array(rgb), np.array(rgb.convert("L"))


def _grey(image: Image.Image, path: Path) -> tuple[Samples, str]:
    tags = tags_of(image)
    ImageOps.exif_transpose(image, in_place=True)
    mode = image.mode
    if mode in GREY_MODES:
        grey = image if mode == "L" else image.convert("L")
        return settled_samples(np.array(grey), tags, path), "1-bit" if mode == "1" else "8-bit grey"
    if mode.startswith("I"):
        return settled_samples(_sixteen_bits(np.array(image), path), tags, path), "16-bit grey"
    raise InputError(f"holds pixels of a kind not read ({mode})", where=str(path), mend=KINDS_READ)


def _sixteen_bits(samples: NDArray[np.integer], path: Path) -> NDArray[np.uint16]:
    low, high = int(samples.min()), int(samples.max())
    if low < 0 or high >= 1 << max(RANGE_BITS):
        raise InputError(
            f"holds values from {low} to {high}, not 16-bit grey",
            where=str(path),
            mend="save it as unsigned 16-bit grey",
        )
    return samples.astype(np.uint16)
