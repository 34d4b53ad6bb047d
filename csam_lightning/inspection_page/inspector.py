"""The model behind the page: it works in a thread of its own, on one thing at a time."""

import asyncio
import re
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, TypeVar

import cv2
import numpy as np

from csam_lightning.data.manifest import package_in
from csam_lightning.errors import InputError
from csam_lightning.inspection_page.layers import Layers, layers
from csam_lightning.predicting.judging import BATCH, Judged, judge_scans
from csam_lightning.predicting.maps import explain_scans
from csam_lightning.predicting.pictures import Picture, jpeg
from csam_lightning.predicting.review import ReviewRule
from csam_lightning.predicting.scans import Scan
from csam_lightning.predicting.trays import judge_trays, palette_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from csam_lightning.data.palette import Palette
    from csam_lightning.inspection_page.uploads import Upload
    from csam_lightning.model.ensemble import Ensemble

T = TypeVar("T")

TRAY_SIDE = 2400  # pixels of a tray's picture on the page


@dataclass(frozen=True)
class Inspector:
    """A model, and how it is asked.

    Attributes:
        ensemble: The model, on the device that is to work.
        rule: When a person is to look.
        package_pattern: Gives a file's package by its name.
        palette: Colours of trays, see :mod:`csam_lightning.data.palette`; None: read from each.
        gap: As :func:`csam_lightning.trays.finding.find_units`.
        batch_size: Scans that the networks look at together.
        worker: The thread.
    """

    ensemble: "Ensemble"
    rule: ReviewRule
    package_pattern: re.Pattern[str] | None = None
    palette: "Palette | None" = None
    gap: int = 0
    batch_size: int = BATCH
    worker: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, "inspector"))

    async def work(self, job: Callable[[], T]) -> T:
        """Do ``job``, which asks the model, when those before it are done."""
        return await asyncio.get_running_loop().run_in_executor(self.worker, job)

    def judge(self, uploads: "Sequence[Upload]", *, painted: Callable[[Picture], None]) -> Iterator[Judged]:
        """Judge files that are all scans, or all trays, in their order.

        Args:
            uploads: The files.
            painted: Takes the picture of each tray, painted with the verdicts.
        """
        for upload in (one for one in uploads if one.tray):
            yield from self._judge_tray(upload, painted)
        scans = (Scan(one.name, one.file, self._package(one.name)) for one in uploads if not one.tray)
        yield from judge_scans(self.ensemble, scans, self.rule, batch_size=self.batch_size)

    def layers(self, judged: Sequence[Judged]) -> list[Layers]:
        """Return the pictures of scans that could be read."""
        maps = explain_scans(self.ensemble, judged)
        return [layers(self._pixels(one), mine) for one, mine in zip(judged, maps, strict=True)]

    def _judge_tray(self, upload: "Upload", painted: Callable[[Picture], None]) -> Iterator[Judged]:
        name = PurePosixPath(upload.name).stem
        palette = palette_of(self.ensemble.facts, [upload.file]) if self.palette is None else self.palette
        stream = judge_trays(
            self.ensemble,
            [upload.file],
            self.rule,
            palette=palette,
            gap=self.gap,
            painted=lambda _, picture: painted(Picture(name, jpeg(_reduced(picture)))),
            batch_size=self.batch_size,
        )
        for judged in stream:
            unit = judged.scan.path.removeprefix(upload.file.name)
            path, package = (
                (f"{name}{unit}", f"{name}{PurePosixPath(unit).with_suffix('')}") if unit else (upload.name, "")
            )
            yield Judged(
                replace(judged.scan, path=path, package_id=package),
                replace(judged.verdict, path=path, package_id=package),
                judged.prepared,
            )

    def _package(self, name: str) -> str:
        return (package_in(self.package_pattern, name) if self.package_pattern else None) or ""

    def _pixels(self, judged: Judged) -> "NDArray[np.uint8]":
        try:
            facts = self.ensemble.facts
            return judged.scan.pixels(facts.sample_bits, facts.colours)
        except InputError:  # its file went since it was judged
            assert judged.prepared is not None  # noqa: S101 -- it was readable
            return judged.prepared.thumbnail


def _reduced(picture: "NDArray[np.uint8]") -> "NDArray[np.uint8]":
    scale = min(1.0, TRAY_SIDE / max(picture.shape))
    return np.asarray(cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), dtype=np.uint8)
