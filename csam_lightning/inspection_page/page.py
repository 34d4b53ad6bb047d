"""The page: files in, verdicts out, and a person's word on them."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from nicegui import app, background_tasks, ui
from nicegui.events import GenericEventArguments, UploadEventArguments

from csam_lightning.inspection_page.cards import Card, image, said
from csam_lightning.inspection_page.form import LabelForm
from csam_lightning.inspection_page.session import Inspected, Session, Sessions, Show
from csam_lightning.inspection_page.style import DROP, STYLE
from csam_lightning.inspection_page.uploads import too_large, too_many
from csam_lightning.predicting.page import meaning
from csam_lightning.predicting.table import FILE, text_cell, written_table

TITLE = "Inspection"
EVERY_SECONDS = 0.3
"""Between looks at whether a session has changed."""
MOST_CARDS = 24  # at a time
BLUE = "#005a9c"  # dark enough to be read on white, and told from the orange by colour-blind readers
MOST_LINES = 20  # of files that cannot be read
SLIDER = "Opacity of the map over the scan, in percent"
SLIDE = "(event) => document.documentElement.style.setProperty('--map', event.target.value / 100)"
PICK = "() => document.querySelector('.send input[type=file]').click()"
REJECTED = "(refused) => emit(refused.map((one) => [one.failedPropName, one.file.name]))"


@dataclass(frozen=True)
class Told:
    """What the page says of the model.

    Attributes:
        classes: The model's.
        cell_id: The cell that it came from.
        operating_point: When it calls a scan sound, and what escapes it, a sentence or two at a time.
        facts: Sentences about the model and the rule.
        warnings: What the rule cannot do.
    """

    classes: Sequence[str]
    cell_id: str
    operating_point: Sequence[str]
    facts: Sequence[str]
    warnings: Sequence[str]


def summary(session: Session) -> str:
    """Return how far a session is, and what is in it, in a line."""
    counts = session.counts()
    parts = []
    if waiting := len(session.waiting):
        parts.append(f"Judging: {waiting} more file{'s' * (waiting > 1)}.")
    if session.scans:
        parts.append(
            f"{counts[Show.all]} scan{'s' * (counts[Show.all] > 1)}: {counts[Show.review]} to look at, "
            f"{counts[Show.left]} left to the model, {counts[Show.corrected]} labelled by a person."
        )
    return " ".join(parts)


def add_page(sessions: Sessions, told: Told) -> None:
    """Serve the page at ``/``.

    Args:
        sessions: Of all browsers.
        told: What to say of the model.
    """

    @ui.page("/", title=TITLE)
    def show() -> None:
        Page(sessions.of(str(app.storage.browser["id"])), told)


class Page:
    """One tab of a browser.

    Args:
        session: The browser's scans.
        told: What to say of the model.
    """

    def __init__(self, session: Session, told: Told) -> None:
        """Build it, and look from now on whether the session has changed."""
        self.session = session
        self.told = told
        self.form = LabelForm(session, told.classes, told.cell_id)
        self.cards: list[Card] = []
        self.lines: list[tuple[str, str]] = []
        self.known = -1
        self.arranged: tuple[object, ...] = ()
        ui.colors(primary=BLUE)
        ui.add_head_html(f"<style>{STYLE}</style>{DROP}")
        with said("main", kind="frame"):
            self._head()
            self._send()
            self._summary()
            self.troubles = said("div", kind="troubles", role="alert")
            self.trays = said("section", aria_label="Trays")
            self._bar()
            self.grid = said("section", kind="cards", aria_label="Scans")
            self.pages = ui.pagination(1, 1, direction_links=True, on_change=self.refresh)
        self.shown_trays = 0
        ui.timer(EVERY_SECONDS, self.look)

    def _head(self) -> None:
        said("h1", TITLE)
        for line in self.told.operating_point:
            said("div", line, kind="soft")
        with ui.expansion("About this model").props("dense header-class='soft q-pl-none'").classes("about"), said("ul"):
            for fact in self.told.facts:
                said("li", fact)
        for warning in self.told.warnings:
            said("div", f"{warning[0].upper()}{warning[1:]}.", kind="warning")

    def _send(self) -> None:
        limits = self.session.limits
        with said("section", kind="send", aria_label="Send scans"):
            ui.button("Choose scans…").on("click", js_handler=PICK)
            said(
                "span",
                f"or drop them anywhere on this page: PNG, TIFF, BMP, JPEG; up to {limits.files} files "
                f"of {limits.megabytes} MB each",
                kind="grow soft",
            )
            self.tray = ui.switch("They are trays of many units")
            upload = ui.upload(
                multiple=True,
                auto_upload=True,
                max_file_size=limits.bytes,
                max_files=limits.files,
                on_upload=self.receive,
            )
            upload.props("aria-hidden=true")
            upload.on("rejected", self.refuse, js_handler=REJECTED)
            upload.on("finish", lambda: upload.run_method("removeUploadedFiles"))

    def _summary(self) -> None:
        with said("div", kind="summary"):
            self.status = said("div", kind="grow", role="status", aria_live="polite")
            with said("div") as self.doings:
                table = ui.button(FILE, icon="download", on_click=self.download)
                table.props("outline dense padding='2px 12px'").props["aria-label"] = f"Download {FILE}"
                ui.button("Remove all", on_click=self.session.clear).props("flat dense padding='2px 12px'")
        self.doings.set_visibility(False)

    def _bar(self) -> None:
        with said("section", kind="bar", aria_label="What to show") as self.bar:
            self.show = ui.radio({show: show.value for show in Show}, value=Show.all, on_change=self.first_page)
            self.show.props("inline dense").props["aria-label"] = "Show"
            names = {name: f"{name} {meaning(self.told.classes, name)}".strip() for name in self.told.classes}
            self.label = ui.select({None: "all classes", **names}, value=None, label="Class", on_change=self.first_page)
            self.label.props("dense options-dense outlined")
            with said("div", kind="slider"):
                said("span", "Scan", kind="soft")
                slider = said("input", type="range", min="0", max="100", step="5", aria_label=SLIDER)
                slider.props["^value"] = "65"  # where it begins; a value, and every update would put it back there
                slider.on("input", js_handler=SLIDE)
                said("span", "Map", kind="soft")
        self.bar.set_visibility(False)

    async def receive(self, event: UploadEventArguments) -> None:
        """Take a file that has come, and have it judged."""
        name, tray = event.file.name, bool(self.tray.value)
        if event.file.size() > self.session.limits.bytes:
            self.session.refuse(name, too_large(self.session.limits))
            return
        await asyncio.to_thread(self.session.receive, name, await event.file.read(), tray=tray)
        await self.session.judge_waiting()

    def refuse(self, event: GenericEventArguments) -> None:
        """Say which files the browser has held back, and why."""
        for rule, name in event.args:
            told = too_many if rule == "max-files" else too_large
            self.session.refuse(str(name), told(self.session.limits))

    def look(self) -> None:
        """Bring the page up to date if the session has changed."""
        if self.known != self.session.version:
            self.known = self.session.version
            self.refresh()

    def first_page(self) -> None:
        """Show the first page of what was just chosen."""
        self.pages.value = 1
        self.known = -1

    def refresh(self) -> None:
        """Show what the session holds; pictures that are not there yet follow.

        While scans are judged, the first ones stay where they are, so that a person can begin to look.
        """
        self._tell()
        self._show_trays()
        session = self.session
        if session.waiting and self.cards and self.arranged == self._arrangement():
            for card in self.cards:
                card.update()
            return
        self.arranged = self._arrangement()
        chosen = session.chosen(self.show.value, self.label.value)
        self.pages.max = max(1, -(-len(chosen) // MOST_CARDS))
        self.pages.set_visibility(len(chosen) > MOST_CARDS)
        number = min(self.pages.value, self.pages.max)
        self._show_cards(chosen[(number - 1) * MOST_CARDS : number * MOST_CARDS])
        background_tasks.create(session.picture([card.one for card in self.cards]))

    def _arrangement(self) -> tuple[object, ...]:
        corrected = self.session.counts()[Show.corrected]
        return self.show.value, self.label.value, self.pages.value, corrected

    def _tell(self) -> None:
        session = self.session
        self.status.set_text(summary(session))
        for part in (self.doings, self.bar):
            part.set_visibility(bool(session.verdicts))
        lines = session.unreadable
        if lines == self.lines:
            return
        self.lines = lines
        self.troubles.clear()
        with self.troubles:
            if lines:
                said("h2", f"Cannot be read: {len(lines)}")
            with said("ul"):
                for name, why in lines[:MOST_LINES]:
                    with said("li"):
                        said("code", name)
                        said("span", f": {why}")
                if len(lines) > MOST_LINES:
                    said("li", f"and {len(lines) - MOST_LINES} more")

    def _show_trays(self) -> None:
        if self.shown_trays == len(self.session.trays):
            return
        self.shown_trays = len(self.session.trays)
        self.trays.clear()
        with self.trays:
            for tray in self.session.trays:
                with said("details", open="open"):
                    said("summary", f"Tray {tray.caption}")
                    said(
                        "div",
                        "Orange, with a question mark: look at it. Else green: sound; purple: delaminated. "
                        "Grey: no whole unit.",
                        kind="soft",
                    )
                    image(tray.jpeg, "jpeg", f"Tray {tray.caption} with the verdict on each unit", "tray")

    def _show_cards(self, scans: Sequence[Inspected]) -> None:
        if [card.one for card in self.cards] == list(scans):
            for card in self.cards:
                card.update()
            return
        self.grid.clear()
        with self.grid:
            self.cards = [Card(one, self.told.classes, self.form.ask) for one in scans]

    def download(self) -> None:
        """Send the table of all verdicts and labels."""
        with TemporaryDirectory() as folder:
            file = Path(folder) / FILE
            with written_table(file, self.told.classes, more=("label", "labelled_by")) as add:
                for verdict, said_last in self.session.rows():
                    add(verdict, *((said_last.label, text_cell(said_last.who)) if said_last else ("", "")))
            ui.download.content(file.read_bytes(), FILE, "text/csv")
