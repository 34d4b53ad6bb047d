"""The form in which a person says what a scan is."""

import asyncio
from collections.abc import Sequence

from nicegui import ui

from csam_lightning.errors import InputError
from csam_lightning.inspection_page.cards import said
from csam_lightning.inspection_page.corrections import Said, correct, latest, read_log
from csam_lightning.inspection_page.session import Inspected, Session
from csam_lightning.predicting.page import meaning


class LabelForm:
    """A dialog for one scan at a time.

    Args:
        session: The browser's.
        classes: The model's.
        cell_id: The model's cell.
    """

    def __init__(self, session: Session, classes: Sequence[str], cell_id: str) -> None:
        """Add it to the page, closed."""
        self.session = session
        self.cell_id = cell_id
        self.one: Inspected | None = None
        names = {name: f"{name} {meaning(classes, name)}".strip() for name in classes}
        with ui.dialog() as self.dialog, ui.card().classes("form").props("role=document"):
            said("h2", "Label a scan")
            self.path = said("div", kind="path")
            self.former = said("div", kind="soft")
            self.label = ui.select(names, label="Label").props("outlined dense")
            self.package = ui.input("Package").props("outlined dense")
            said(
                "div",
                "The physical part. Training keeps all scans of a part on one side of every split, so write it alike "
                "each time.",
                kind="soft",
            )
            self.who = ui.input("Your name").props("outlined dense maxlength=80")
            self.wrong = said("div", kind="reason", role="alert")
            with ui.row():
                ui.button("Save", on_click=self.save)
                ui.button("Cancel", on_click=self.dialog.close).props("flat")
        for field in (self.package, self.who):
            field.on("keydown.enter", self.save)

    def ask(self, one: Inspected) -> None:
        """Open the form for a scan."""
        self.one = one
        self.wrong.set_text("")
        self._look_up(one)
        former = one.correction
        self.path.set_text(one.verdict.path)
        self.former.set_text(f"{former.who} said {former.label} on {former.day}." if former else "")
        self.label.value = one.label
        self.package.value = former.package_id if former else one.verdict.package_id
        self.who.value = self.session.who
        self.dialog.open()

    def _look_up(self, one: Inspected) -> None:
        """See whether somebody else has labelled the picture since it came."""
        try:
            said_last = latest(read_log(self.session.corrections)).get(one.picture)
        except InputError as error:
            self.wrong.set_text(f"{error}")
            return
        if said_last and said_last != one.correction:
            self.session.corrected(said_last)

    async def save(self) -> None:
        """Keep what was said, or say why not."""
        one = self.one
        if one is None:
            return
        said_ = Said(str(self.label.value), str(self.package.value), str(self.who.value))
        try:
            made = await asyncio.to_thread(
                correct,
                self.session.corrections,
                one.judged.scan,
                said_,
                predicted=one.verdict.predicted,
                model=self.cell_id,
            )
        except InputError as error:
            self.wrong.set_text(f"{error}")
            return
        self.session.who = made.who
        self.session.corrected(made)
        self.dialog.close()
