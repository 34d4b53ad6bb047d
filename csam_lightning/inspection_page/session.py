"""What one browser has sent, and what the model says of it."""

import shutil
import tempfile
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from itertools import islice, takewhile
from pathlib import Path

from csam_lightning.errors import InputError
from csam_lightning.inspection_page.corrections import Correction, latest, read_log
from csam_lightning.inspection_page.inspector import Inspector
from csam_lightning.inspection_page.layers import Layers
from csam_lightning.inspection_page.uploads import Limits, Upload, keep, tame, too_many
from csam_lightning.predicting.judging import Judged, Verdict
from csam_lightning.predicting.pictures import Picture, need

MOST_SESSIONS = 16
"""Browsers whose scans are kept; of more, those of the browser that was away longest go."""


TOGETHER = 256
"""Scans that are judged before other sessions have their turn."""


class Show(StrEnum):
    """Which scans to show."""

    all = "all"
    review = "look at these"
    left = "left to the model"
    corrected = "labelled by a person"


@dataclass(eq=False)
class Inspected:
    """A scan that can be read, and what is known of it.

    Attributes:
        judged: The verdict.
        asked: Whether its pictures were asked for.
        layers: Its pictures, once they are made.
        correction: What a person said last of this picture, if one did.
    """

    judged: Judged
    asked: bool = False
    layers: Layers | None = None
    correction: Correction | None = None

    @property
    def verdict(self) -> Verdict:
        """What the model says."""
        return self.judged.verdict

    @property
    def picture(self) -> str:
        """Hash of its picture."""
        assert self.judged.prepared is not None  # noqa: S101 -- it can be read
        return self.judged.prepared.picture

    @property
    def label(self) -> str:
        """The class: a person's word, or else the model's."""
        return self.correction.label if self.correction else self.verdict.predicted


@dataclass
class Session:
    """One browser's scans.

    Attributes:
        inspector: Judges them.
        limits: How much it may send.
        folder: Where its files lie.
        corrections: Folder of all browsers' corrections.
        scans: What can be read.
        verdicts: Of all scans, in the order of their judgement; those that cannot be read too.
        trays: Pictures of trays.
        refusals: Names of files that were not taken, and why.
        waiting: Files not judged yet.
        who: Who corrects.
        version: Counts changes, so that pages know when to look again.
        received: Files taken.
        judging: Whether files are being judged.
        closed: Whether nobody will look any more.
    """

    inspector: Inspector
    limits: Limits
    folder: Path
    corrections: Path
    scans: list[Inspected] = field(default_factory=list)
    verdicts: list[Verdict] = field(default_factory=list)
    trays: list[Picture] = field(default_factory=list)
    refusals: list[tuple[str, str]] = field(default_factory=list)
    waiting: deque[Upload] = field(default_factory=deque)
    who: str = ""
    version: int = 0
    received: int = 0
    judging: bool = False
    closed: bool = False

    def receive(self, name: str, data: bytes, *, tray: bool) -> None:
        """Take a file in, or say why not."""
        try:
            if self.received >= self.limits.files:
                raise too_many(self.limits)
            self.waiting.append(Upload(tame(name), keep(data, self.folder, self.limits), tray))
            self.received += 1
        except InputError as error:
            self.refuse(name, error)
        self.version += 1

    def refuse(self, name: str, error: InputError) -> None:
        """Say why a file was not taken."""
        self.refusals.append((tame(name), f"{error.what}; {error.mend}"))
        self.version += 1

    async def judge_waiting(self) -> None:
        """Judge what waits, unless that is under way."""
        if self.judging:
            return
        self.judging = True
        try:
            while self.waiting:
                await self.inspector.work(partial(self._judge, self._next()))
        finally:
            self.judging = False
            self.version += 1

    def _next(self) -> list[Upload]:
        """Return what to judge together: a tray, or a few scans so that other sessions have their turn."""
        first = self.waiting[0]
        alike = takewhile(lambda upload: upload.tray == first.tray, [*self.waiting])
        return [*islice(alike, 1 if first.tray else TOGETHER)]

    def _judge(self, together: list[Upload]) -> None:
        left = deque(together)
        former: dict[str, Correction] = {}
        with suppress(InputError):  # told when a label is to be kept
            former = latest(read_log(self.corrections))
        try:
            for judged in self.inspector.judge(together, painted=self.trays.append):
                self.verdicts.append(judged.verdict)
                if judged.prepared is not None:
                    self.scans.append(Inspected(judged, correction=former.get(judged.prepared.picture)))
                self.version += 1
                if not together[0].tray:
                    left.popleft()
                if self.closed:
                    break
        except (MemoryError, RuntimeError) as error:  # what PyTorch raises where memory runs out
            told = InputError(f"could not be judged ({error})", where="", mend="send fewer or smaller scans at a time")
            for upload in left:
                self.refuse(upload.name, told)
        finally:
            for upload in together:
                with suppress(ValueError):  # closed meanwhile
                    self.waiting.remove(upload)

    async def picture(self, scans: Sequence[Inspected]) -> None:
        """Make the pictures of those scans that have none yet and were not asked for."""
        lacking = [one for one in scans if not one.asked]
        if not lacking:
            return
        for one in lacking:
            one.asked = True
        made = await self.inspector.work(lambda: self.inspector.layers([one.judged for one in lacking]))
        for one, layers in zip(lacking, made, strict=True):
            one.layers = layers
        self.version += 1

    def corrected(self, correction: Correction) -> None:
        """Note what a person says of a picture, whatever its scans are called."""
        for one in self.scans:
            if one.picture == correction.picture:
                one.correction = correction
        self.version += 1

    def clear(self) -> None:
        """Forget all scans but what waits; corrections are kept."""
        for kept in (self.scans, self.verdicts, self.trays, self.refusals):
            kept.clear()
        self.received = len(self.waiting)
        needed = {upload.file for upload in self.waiting}
        for file in set(self.folder.iterdir()) - needed:
            file.unlink()
        self.version += 1

    def close(self) -> None:
        """End its work and remove its files."""
        self.closed = True
        self.waiting.clear()
        shutil.rmtree(self.folder, ignore_errors=True)

    def rows(self) -> Iterator[tuple[Verdict, Correction | None]]:
        """Yield all verdicts in their order, and what a person says of the scan."""
        corrections = (one.correction for one in [*self.scans])
        for verdict in [*self.verdicts]:
            yield verdict, None if verdict.error else next(corrections, None)

    @property
    def unreadable(self) -> list[tuple[str, str]]:
        """Names of files that cannot be read or were not taken, and why."""
        return [*((one.path, one.error) for one in self.verdicts if one.error), *self.refusals]

    def chosen(self, show: Show, label: str | None) -> list[Inspected]:
        """Return scans in order of their need of a look.

        Args:
            show: Which.
            label: Only those of this class, as a person or else the model says; None for all.
        """
        wanted = [one for one in self.scans if label in (None, one.label) and _shown(one, show)]
        return sorted(wanted, key=lambda one: need(one.verdict), reverse=True)

    def counts(self) -> Counter[Show]:
        """Return how many scans there are to show."""
        return Counter({show: sum(_shown(one, show) for one in self.scans) for show in Show})


def _shown(one: Inspected, show: Show) -> bool:
    review = one.verdict.needs_review
    return {
        Show.all: True,
        Show.review: review and one.correction is None,
        Show.left: not review and one.correction is None,
        Show.corrected: one.correction is not None,
    }[show]


class Sessions:
    """The sessions of all browsers, by an identity that only the browser knows."""

    def __init__(self, inspector: Inspector, limits: Limits, scratch: Path, corrections: Path) -> None:
        """Begin with none.

        Args:
            inspector: Judges for all.
            limits: Of each.
            scratch: Folder for what they send.
            corrections: Folder of their corrections.
        """
        self.inspector = inspector
        self.limits = limits
        self.scratch = scratch
        self.corrections = corrections
        self._by_browser: dict[str, Session] = {}

    def of(self, browser: str) -> Session:
        """Return a browser's session; where there are too many, another one goes."""
        session = self._by_browser.pop(browser, None) or self._new()
        self._by_browser[browser] = session
        if len(self._by_browser) > MOST_SESSIONS:
            self._by_browser.pop(next(iter(self._by_browser))).close()
        return session

    def close(self) -> None:
        """Close all, and end the model's work."""
        self.inspector.worker.shutdown(wait=False, cancel_futures=True)
        for session in self._by_browser.values():
            session.close()

    def _new(self) -> Session:
        folder = Path(tempfile.mkdtemp(dir=self.scratch))
        return Session(self.inspector, self.limits, folder, self.corrections)
