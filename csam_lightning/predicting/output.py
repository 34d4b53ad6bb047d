"""The folder of verdicts, written while scans are judged."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
from PIL import Image
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from csam_lightning.predicting.chunks import chunked
from csam_lightning.predicting.judging import BATCH, Judged
from csam_lightning.predicting.maps import SaliencyMap, explain_scans
from csam_lightning.predicting.overlays import write_maps
from csam_lightning.predicting.page import Page, Tally, html, meaning
from csam_lightning.predicting.pictures import Neediest, Picture, jpeg
from csam_lightning.predicting.table import FILE, written_table

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from csam_lightning.model.ensemble import Ensemble

PAGE = "page.html"
TRAYS = "trays"
TRAY_SIDE = 1600  # pixels of a tray's picture on the page
MOST_TRAYS = 12  # on the page; of all of them there are pictures


@dataclass(frozen=True)
class Wanted:
    """What to write besides the table.

    Attributes:
        review: Overlays of the scans that need a look.
        all: Overlays of all others too.
        arrays: The same as arrays.
        page: Number of scans on the page.
    """

    review: bool
    all: bool
    arrays: bool
    page: int


class Output:
    """A folder of verdicts.

    Args:
        folder: It exists and is empty.
        ensemble: The model that judges.
        wanted: What to write.
    """

    def __init__(self, folder: Path, ensemble: "Ensemble", wanted: Wanted) -> None:
        """Begin with nothing."""
        self.folder = folder
        self.ensemble = ensemble
        self.wanted = wanted
        self.tally = Tally()
        self.neediest = Neediest(wanted.page)
        self.trays: list[Picture] = []

    def write(self, judged: Iterable[Judged]) -> Tally:
        """Write all of a stream but the page, which :meth:`write_page` writes, and return its counts."""
        with written_table(self.folder / FILE, self.ensemble.facts.classes) as add:
            for one, maps in self._explained(judged):
                add(one.verdict)
                self.tally.add(one.verdict)
                self.neediest.offer(one, maps)
                write_maps(
                    one.scan,
                    maps,
                    self.folder,
                    facts=self.ensemble.facts,
                    arrays=self.wanted.arrays,
                )
        return self.tally

    def add_tray(self, name: str, picture: "NDArray[np.uint8]") -> None:
        """Write the picture of a tray, and of the first ones keep a smaller one for the page."""
        file = self.folder / TRAYS / f"{name}.png"
        file.parent.mkdir(exist_ok=True)
        Image.fromarray(picture).save(file, compress_level=1)
        if len(self.trays) == MOST_TRAYS:
            return
        scale = min(1.0, TRAY_SIDE / max(picture.shape))
        small = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        self.trays.append(Picture(name, jpeg(np.asarray(small, dtype=np.uint8))))

    def write_page(self, title: str, facts: Sequence[str], warnings: Sequence[str]) -> None:
        """Write the page; see :class:`csam_lightning.predicting.page.Page` for what it is told."""
        page = Page(
            title,
            facts,
            warnings,
            self.ensemble.facts.classes,
            self.tally,
            self.neediest.shown(),
            self.neediest.unreadable,
            self.trays,
        )
        with (self.folder / PAGE).open("w", encoding="utf-8") as file:
            file.writelines(html(page))

    def _explained(self, judged: Iterable[Judged]) -> Iterator[tuple[Judged, tuple[SaliencyMap, ...]]]:
        for chunk in chunked(judged, BATCH):
            chosen = [one for one in chunk if self._asks(one)]
            maps = iter(explain_scans(self.ensemble, chosen) if chosen else ())
            yield from ((one, next(maps) if self._asks(one) else ()) for one in chunk)

    def _asks(self, judged: Judged) -> bool:
        wanted = self.wanted.all or (self.wanted.review and judged.verdict.needs_review)
        return wanted and judged.prepared is not None


def print_tally(on: Console, classes: Sequence[str], tally: Tally) -> None:
    """Print how many scans of each class are left to the model, and how many need a look."""
    table = Table("predicted", "", box=None)
    for title in ("left to the model", "look at these"):
        table.add_column(title, justify="right")
    for name in classes:
        table.add_row(escape(name), meaning(classes, name), str(tally.left[name]), str(tally.review[name]))
    table.add_row("all", "", str(tally.left.total()), str(tally.review.total()))
    on.print(table)
    if tally.strange:
        on.print(f"{tally.strange} of those to look at are strange")
