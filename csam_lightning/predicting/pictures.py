"""The scans that a page shows: those most in need of a look, with small pictures."""

import heapq
import io
from dataclasses import dataclass, field
from math import isfinite
from typing import TYPE_CHECKING, TypeAlias

from PIL import Image

from csam_lightning.predicting.judging import Judged, Verdict
from csam_lightning.predicting.scans import Prepared
from csam_lightning.saliency.overlay import overlay

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from csam_lightning.predicting.maps import SaliencyMap

Need: TypeAlias = tuple[bool, bool, float]
QUALITY = 85  # of a JPEG: a scan of 160 pixels takes some 6 kB


def need(verdict: Verdict) -> Need:
    """Return how much a scan that can be read needs a look; greater is more.

    Strange ones come first, then those whose class is in doubt, then those left to the model, and among each the most
    uncertain first.
    """
    uncertainty = verdict.uncertainty if isfinite(verdict.uncertainty) else 1.0
    return verdict.needs_review and verdict.strange, verdict.needs_review, uncertainty


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
        most: How many to keep, and how many of those that cannot be read besides.
        unreadable: The first of those that cannot be read.
    """

    most: int
    unreadable: list[Verdict] = field(default_factory=list)
    _heap: list[tuple[Need, int, Shown]] = field(default_factory=list)
    _passed: int = 0

    def offer(self, judged: Judged, maps: "Sequence[SaliencyMap]") -> None:
        """Keep a scan if it is among them; of equals the one that came first."""
        if judged.prepared is None:
            if len(self.unreadable) < self.most:
                self.unreadable.append(judged.verdict)
            return
        self._passed += 1
        key = need(judged.verdict)
        if len(self._heap) < self.most:
            heapq.heappush(self._heap, (key, -self._passed, _shown(judged, judged.prepared, maps)))
        elif self._heap and key > self._heap[0][0]:
            heapq.heapreplace(self._heap, (key, -self._passed, _shown(judged, judged.prepared, maps)))

    def shown(self) -> list[Shown]:
        """Return them, the neediest first."""
        return [one for *_, one in sorted(self._heap, key=lambda entry: entry[:2], reverse=True)]


def jpeg(pixels: "NDArray[np.uint8]") -> bytes:
    """Return a picture, uint8 of shape (height, width) or (height, width, 3), as a JPEG."""
    data = io.BytesIO()
    Image.fromarray(pixels).save(data, "JPEG", quality=QUALITY)
    return data.getvalue()


def _shown(judged: Judged, prepared: Prepared, maps: "Sequence[SaliencyMap]") -> Shown:
    scan = prepared.thumbnail
    pictures = [Picture("scan", jpeg(scan))]
    pictures += [
        Picture(f"{one.speaks_for} rather than {one.against}", jpeg(overlay(scan, one.values))) for one in maps
    ]
    return Shown(judged.verdict, tuple(pictures))
