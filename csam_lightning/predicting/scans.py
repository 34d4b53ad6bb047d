"""New scans, brought to what a model looks at: untrusted files, several of them read at a time."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import cv2
import numpy as np

from csam_lightning.data.colour_rule import BY_LUMA, LUMA, ColourRule, Overlay
from csam_lightning.data.images import GreyImage, read_image, resize_grey
from csam_lightning.errors import InputError
from csam_lightning.machine.processes import usable_cores

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from csam_lightning.data.colours import Look
    from csam_lightning.model.ensemble import ModelFacts

MOST_WORKERS = 16  # each may hold one decoded image of the largest size allowed
AHEAD = 256  # scans under way at once: bounds the memory that those waiting for their turn take
THUMBNAIL = 160  # pixels of a thumbnail's longer side
FAR_BELOW = 0.5  # share of the model's image size below which a scan was made for another purpose

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True)
class Scan:
    """A scan to judge.

    Attributes:
        path: What it is called in all results; shown and written, never opened.
        source: Its file; or its grey values, uint8 of shape (height, width); or why it cannot be had.
        package_id: The physical part, empty where unknown.
        marked: Of grey values, the share of them that marks covered.
    """

    path: str
    source: "Path | NDArray[np.uint8] | InputError"
    package_id: str = ""
    marked: float = 0.0

    def pixels(self, sample_bits: int | None, colours: ColourRule = BY_LUMA) -> "NDArray[np.uint8]":
        """Return its grey values, uint8 of shape (height, width); see :func:`csam_lightning.data.images.read_grey`.

        Raises:
            InputError: It cannot be read.
        """
        return self.read(colours).pixels(sample_bits)

    def read(self, colours: ColourRule = BY_LUMA) -> GreyImage:
        """Read it, its colours becoming grey by a rule.

        Raises:
            InputError: It cannot be read.
        """
        if isinstance(self.source, InputError):
            raise self.source
        if isinstance(self.source, Path):
            return read_image(self.source, colours=colours)
        look: Look = "marked" if self.marked else "grey"
        return GreyImage(self.source, "8-bit grey", 1, look, self.marked)


@dataclass(frozen=True)
class Prepared:
    """A scan as a model looks at it.

    Attributes:
        image: uint8 of shape (image size, image size).
        thumbnail: Grey values to look at, in the scan's proportions, uint8 of shape (height, width), ``THUMBNAIL``
            pixels on the longer side at most.
        oddities: What shows that it is of another kind than the scans that the model learned from, in words.
        picture: Its hash, see :attr:`csam_lightning.data.images.GreyImage.picture_hash`.
    """

    image: "NDArray[np.uint8]"
    thumbnail: "NDArray[np.uint8]"
    oddities: tuple[str, ...]
    picture: str


def prepare(scan: Scan, facts: "ModelFacts") -> Prepared:
    """Read a scan and bring it to what the model looks at.

    Raises:
        InputError: It cannot be read.
    """
    read = scan.read(facts.colours)
    pixels = read.pixels(facts.sample_bits)
    oddities = tuple(_oddities(read, facts))
    return Prepared(resize_grey(pixels, facts.image_size), reduced_to(pixels, THUMBNAIL), oddities, read.picture_hash)


def reduced_to(pixels: "NDArray[np.uint8]", side: int) -> "NDArray[np.uint8]":
    """Return grey values in their proportions, no larger than ``side`` on the longer side."""
    scale = side / max(pixels.shape)
    if scale >= 1:
        return pixels
    size = [max(1, round(length * scale)) for length in pixels.shape[::-1]]
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)


def _oddities(read: GreyImage, facts: "ModelFacts") -> Iterator[str]:
    height, width = read.samples.shape
    if min(height, width) < FAR_BELOW * facts.image_size:
        yield f"it measures {width}x{height} pixels, the model looks at {facts.image_size}x{facts.image_size}"
    if read.pages > 1:
        yield f"its file has {read.pages} pages, of which the first was judged"
    if read.samples.min() == read.samples.max():
        yield "it is of one grey value throughout"
    if read.look == "marked":
        done = "filled from the grey around" if facts.colours.overlay == Overlay.inpaint else "read by luma"
        yield f"marks painted over {read.marked:.1%} of it were {done}"
    elif read.look == "colour" or (read.look == "false colour" and facts.palette == LUMA):
        yield "it is in colour"
    if read.peak is not None and facts.sample_bits is None:
        yield "it has 16 bits, the model's scans had 8"
    elif read.peak is not None and facts.sample_bits is not None and read.peak >= 1 << facts.sample_bits:
        yield f"it has samples up to {read.peak}, the model's scans had {facts.sample_bits} bits"


def ahead(function: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
    """Yield ``function`` of each item in order, working on the next ones in threads meanwhile.

    Decoding and resizing release Python's lock. Items are taken as they are needed, ``AHEAD`` at most.
    """
    waiting: deque[Future[R]] = deque()
    pool = ThreadPoolExecutor(min(usable_cores(), MOST_WORKERS))
    try:
        for item in items:
            waiting.append(pool.submit(function, item))
            if len(waiting) == AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
