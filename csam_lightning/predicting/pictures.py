"""The scans that a page shows: those most in need of a look, with small pictures."""

import heapq
import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from PIL import Image

from csam_lightning.explaining.overlay import overlay
from csam_lightning.predicting.judging import Judged, Verdict

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from csam_lightning.predicting.maps import SaliencyMap

Need: TypeAlias = tuple[bool, bool, bool, float]
QUALITY = 85  # of a JPEG: a scan of 160 pixels takes some 6 kB


def need(verdict: Verdict) -> Need:
    """Return how much a scan needs a look; greater is more.

    Unreadable ones come first, then strange ones, then those whose class is in doubt, then those left to the model,
    and among each the most uncertain first.
    """
    unreadable = bool(verdict.error)
    return unreadable, verdict.needs_review and verdict.strange, verdict.needs_review, verdict.uncertainty


@dataclass(frozen=True)
class Picture:
    """A small picture: what it shows, and the bytes of a JPEG."""

    caption: str
    jpeg: bytes


@dataclass(frozen=True)
class Shown:
    """A scan on the page."""

    verdict: Verdict
    pictures: tuple[Picture, ...]


@dataclass
class Neediest:
    """Keeps the scans most in need of a look, however many pass by.

    Attributes:
        most: How many to keep.
    """

    most: int
    _heap: list[tuple[Need, int, Shown]] = field(default_factory=list)
    _passed: int = 0

    def offer(self, judged: Judged, maps: "Sequence[SaliencyMap]") -> None:
        """Keep a scan if it is among them; of equals the one that came first."""
        self._passed += 1
        if judged.verdict.error:
            key = (*need(judged.verdict)[:3], 0.0)
        else:
            key = need(judged.verdict)
        if len(self._heap) < self.most:
            heapq.heappush(self._heap, (key, -self._passed, _shown(judged, maps)))
        elif self._heap and (key, -self._passed) > self._heap[0][:2]:
            heapq.heapreplace(self._heap, (key, -self._passed, _shown(judged, maps)))

    def shown(self) -> list[Shown]:
        """Return them, the neediest first."""
        return [one for *_, one in sorted(self._heap, key=lambda entry: entry[:2], reverse=True)]


def jpeg(pixels: "NDArray[np.uint8]") -> bytes:
    """Return a picture, uint8 of shape (height, width) or (height, width, 3), as a JPEG."""
    data = io.BytesIO()
    Image.fromarray(pixels).save(data, "JPEG", quality=QUALITY)
    return data.getvalue()


def _shown(judged: Judged, maps: "Sequence[SaliencyMap]") -> Shown:
    if judged.prepared is None:
        return Shown(judged.verdict, ())
    scan = judged.prepared.thumbnail
    pictures = [Picture("scan", jpeg(scan))]
    pictures += [
        Picture(f"{one.speaks_for} rather than {one.against}", jpeg(overlay(scan, one.values))) for one in maps
    ]
    return Shown(judged.verdict, tuple(pictures))
