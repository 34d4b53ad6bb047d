"""A scan on the page: pictures, verdict, probabilities, and what a person says of it."""

import base64
from collections.abc import Callable, Sequence
from typing import Literal

from nicegui import ui
from nicegui.element import Element
from nicegui.elements.mixins.text_element import TextElement

from csam_lightning.inspection_page.layers import Layers
from csam_lightning.inspection_page.session import Inspected
from csam_lightning.predicting.page import meaning, numbers

Kind = Literal["jpeg", "png"]


def said(tag: str, text: str = "", **attributes: str) -> TextElement:
    """Add an element whose text and attributes are data: neither is ever read as markup."""
    element = TextElement(tag=tag, text=text)
    if kind := attributes.pop("kind", ""):
        element.classes(kind)
    if style := attributes.pop("style", ""):
        element.style(style)
    for name, value in attributes.items():
        element.props[name.replace("_", "-")] = value
    return element


def image(data: bytes, kind: Kind, alt: str, classes: str = "") -> Element:
    """Add a picture that the page itself carries, so that no other browser can ask for it."""
    return said("img", kind=classes, alt=alt, src=f"data:image/{kind};base64,{base64.b64encode(data).decode()}")


class Card:
    """A scan on the page, which can be brought up to date without losing the keyboard's focus.

    Args:
        one: The scan.
        classes: The model's.
        ask: Asks what a person says of it.
    """

    def __init__(self, one: Inspected, classes: Sequence[str], ask: Callable[[Inspected], None]) -> None:
        """Add it to the page."""
        self.one = one
        self.classes = classes
        verdict = one.verdict
        name = f"{verdict.path}: {verdict.predicted} {meaning(classes, verdict.predicted)}".strip()
        with said("article", kind="card review" if verdict.needs_review else "card", aria_label=name):
            self.pictures = said("div", kind="pictures")
            self.heading = said("h3")
            package = f" · package {verdict.package_id}" if verdict.package_id else ""
            said("div", f"{verdict.path}{package}", kind="path")
            if verdict.reason:
                said("div", f"{verdict.reason[0].upper()}{verdict.reason[1:]}.", kind="reason")
            self._bars()
            with said("div", kind="foot"):
                ui.button("Label…", on_click=lambda: ask(one)).props("outline dense padding='2px 12px'").props[
                    "aria-label"
                ] = f"Label {verdict.path}"
                self.word = said("div", kind="soft")
        self._shown: tuple[object, object] = (self, self)
        self.update()

    def update(self) -> None:
        """Show pictures and a person's word, if they are there by now."""
        layers, correction = self.one.layers, self.one.correction
        if self._shown[0] is not layers:
            self.pictures.clear()
            with self.pictures:
                self._pictures(layers)
        if self._shown[1] is not correction:
            self.heading.clear()
            with self.heading:
                self._heading()
            old = (
                f" instead of {correction.old_label}" if correction and correction.old_label != correction.label else ""
            )
            self.word.set_text(
                f"{correction.label}{old}, package {correction.package_id}, says {correction.who} on {correction.day}"
                if correction
                else ""
            )
        self._shown = layers, correction

    def _heading(self) -> None:
        label, review = self.one.label, self.one.verdict.needs_review
        said("b", label)
        said("span", f" {meaning(self.classes, label)}")
        if self.one.correction:
            said("span", "by a person", kind="badge said")
        elif review:
            said("span", "look at this", kind="badge look")

    def _pictures(self, layers: Layers | None) -> None:
        verdict = self.one.verdict
        if layers is None:
            said("div", "The map is being made…", kind="soft")
            return
        for heat in layers.heats:
            question = f"what speaks for {heat.speaks_for} rather than {heat.against}"
            with said("figure"):
                with said("div", kind="stack"):
                    image(layers.scan, "png", f"Scan {verdict.path}")
                    image(heat.png, "png", f"Map: {question}", "heat")
                said("figcaption", f"{question[0].upper()}{question[1:]}")

    def _bars(self) -> None:
        verdict = self.one.verdict
        with said("div", kind="bars", role="list", aria_label="Probabilities"):
            for name, value in zip(self.classes, verdict.probabilities, strict=True):
                words = f"{name} {meaning(self.classes, name)}".strip()
                said("span", name, aria_hidden="true")
                strong = " strong" if name == verdict.predicted else ""
                said("i", kind=f"bar{strong}", style=f"width: {100 * value:.1f}%", aria_hidden="true")
                said("span", f"{value:.2f}", role="listitem", aria_label=f"{words}: {value:.2f}")
        said("div", numbers(verdict, self.classes), kind="soft")
