"""One self-contained HTML page: the scans sorted by how much they need a look."""

import base64
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from html import escape
from math import isfinite

from csam_lightning.evaluation.operating_point import is_delamination
from csam_lightning.pages import page_head
from csam_lightning.predicting.judging import Verdict, delamination_probabilities
from csam_lightning.predicting.pictures import Picture, Shown
from csam_lightning.predicting.style import STYLE

MEANINGS = {"A": "die pad", "B": "bond pad", "C": "die pad and bond pad", "D": "sound"}
REGION_NAMES = {"die_pad": "die pad", "bond_pad": "bond pad"}


@dataclass
class Tally:
    """Counts of verdicts, as they pass by.

    Attributes:
        left: Scans left to the model, by predicted class.
        review: Scans that can be read and need a look, by predicted class.
        strange: How many of those are strange.
        unreadable: Scans that cannot be read.
    """

    left: Counter[str] = field(default_factory=Counter)
    review: Counter[str] = field(default_factory=Counter)
    strange: int = 0
    unreadable: int = 0

    def add(self, verdict: Verdict) -> None:
        """Count a verdict."""
        if verdict.error:
            self.unreadable += 1
            return
        (self.review if verdict.needs_review else self.left)[verdict.predicted] += 1
        self.strange += verdict.needs_review and verdict.strange

    @property
    def scans(self) -> int:
        """All of them."""
        return self.left.total() + self.review.total() + self.unreadable


@dataclass(frozen=True)
class Page:
    """What the page says.

    Attributes:
        title: Its title.
        facts: Sentences about the model and the rule.
        warnings: What the rule cannot do.
        classes: The model's.
        tally: Counts of all scans, shown or not.
        shown: Some of those that can be read, the neediest first.
        unreadable: Some of the others.
        trays: Pictures of trays.
    """

    title: str
    facts: Sequence[str]
    warnings: Sequence[str]
    classes: Sequence[str]
    tally: Tally
    shown: Sequence[Shown]
    unreadable: Sequence[Verdict]
    trays: Sequence[Picture] = ()


def html(page: Page) -> Iterator[str]:
    """Yield the page piece by piece."""
    yield page_head(page.title, f"{STYLE}{_filter_rules(page.classes)}\n")
    yield f"<h1>{escape(page.title)}</h1>\n{_counts(page)}\n"
    yield f'<ul class="facts">{"".join(f"<li>{escape(fact)}</li>" for fact in page.facts)}</ul>\n'
    yield from (f'<p class="warning">{escape(warning)}</p>\n' for warning in page.warnings)
    yield from _trays(page.trays)
    yield _filters(page.classes)
    yield from _unreadable(page.unreadable, page.tally.unreadable)
    review = [one for one in page.shown if one.verdict.needs_review]
    yield from _section("Look at these", review, page.tally.review.total(), page.classes)
    left = [one for one in page.shown if not one.verdict.needs_review]
    yield from _section("Left to the model", left, page.tally.left.total(), page.classes)
    yield "</body>\n</html>\n"


def meaning(classes: Sequence[str], name: str) -> str:
    """Return what a class means in words; empty for other classes than A, B, C, D."""
    return MEANINGS[name] if is_delamination(classes) else ""


def numbers(verdict: Verdict, classes: Sequence[str]) -> str:
    """Return what stands below a verdict's probabilities: how likely delamination is and where, and the uncertainty."""
    likely = delamination_probabilities(classes, verdict.probabilities)
    anywhere, regions = likely.pop("delaminated", None), likely.items()
    places = ", ".join(f"{REGION_NAMES[name]} {value:.2f}" for name, value in regions)
    told = "" if anywhere is None else f"p(delaminated) {anywhere:.2f}: {places} · "
    return f"{told}Uncertainty {verdict.uncertainty:.2f}"


def _counts(page: Page) -> str:
    tally = page.tally
    rows = "".join(
        f"<tr><td><b>{escape(name)}</b> {meaning(page.classes, name)}</td><td>{tally.left[name]}</td>"
        f"<td>{tally.review[name]}</td></tr>"
        for name in page.classes
    )
    total = f"<tr><td>all</td><td>{tally.left.total()}</td><td>{tally.review.total()}</td></tr>"
    more = f"{tally.strange} of those to look at are strange." if tally.strange else ""
    if tally.unreadable:
        more += f" {tally.unreadable} cannot be read."
    return (
        "<table><thead><tr><th>predicted</th><th>left to the model</th><th>look at these</th></tr></thead>"
        f"<tbody>{rows}</tbody><tfoot>{total}</tfoot></table><p>{more.strip()}</p>"
    )


def _trays(trays: Sequence[Picture]) -> Iterator[str]:
    for tray in trays:
        yield (
            f"<details open><summary>Tray {_text(tray.caption)}</summary>"
            '<p class="key">Orange, with a question mark: look at it. Else green, or purple where delaminated. Grey: '
            f"no whole unit. To read classes, rows and columns: <code>trays/{_text(tray.caption)}.png</code></p>"
            f"{_image(tray, 'tray')}</details>\n"
        )


def _filters(classes: Sequence[str]) -> str:
    choices = [("all", "all")]
    choices += [
        (str(code), " ".join(filter(None, (name, meaning(classes, name))))) for code, name in enumerate(classes)
    ]
    radios = "".join(
        f'<label><input type="radio" name="class" id="class-{code}"{" checked" * (code == "all")}> '
        f"{escape(name)}</label>"
        for code, name in choices
    )
    return f'<fieldset class="filters"><legend>show predicted</legend>{radios}</fieldset>\n'


def _filter_rules(classes: Sequence[str]) -> str:
    return "\n".join(
        f"body:has(#class-{code}:checked) article:not(.class-{code}) {{ display: none; }}"
        for code in range(len(classes))
    )


def _unreadable(verdicts: Sequence[Verdict], total: int) -> Iterator[str]:
    if not total:
        return
    yield f"<h2>Cannot be read <small>{_of(len(verdicts), total)}</small></h2>\n<ul>"
    for verdict in verdicts:
        name = f"<code>{_text(verdict.path)}</code>: " if verdict.path else ""
        yield f"<li>{name}{_text(verdict.error)}</li>\n"
    yield "</ul>\n"


def _section(title: str, shown: Sequence[Shown], total: int, classes: Sequence[str]) -> Iterator[str]:
    yield f"<h2>{title} <small>{_of(len(shown), total)}</small></h2>\n"
    yield '<div class="cards">\n'
    for one in shown:
        yield _card(one, classes)
    yield "</div>\n"


def _of(shown: int, total: int) -> str:
    if shown == total:
        return f"{total}"
    return f"{shown} of {total} are shown here, all are in predictions.csv"


def _card(shown: Shown, classes: Sequence[str]) -> str:
    verdict = shown.verdict
    code = list(classes).index(verdict.predicted)
    pictures = "".join(
        f"<figure>{_image(picture, 'small')}<figcaption>{_text(picture.caption)}</figcaption></figure>"
        for picture in shown.pictures
    )
    words = meaning(classes, verdict.predicted)
    package = f" · package {_text(verdict.package_id)}" if verdict.package_id else ""
    reason = f'<p class="reason">{_text(_sentence(verdict.reason))}</p>' if verdict.reason else ""
    return (
        f'<article class="class-{code}"><div class="pictures">{pictures}</div>'
        f'<h3><span class="verdict">{escape(verdict.predicted)}</span> {words}</h3>'
        f'<p class="path">{_text(verdict.path)}{package}</p>{reason}{_bars(verdict, classes)}</article>\n'
    )


def _bars(verdict: Verdict, classes: Sequence[str]) -> str:
    rows = "".join(
        f"<dt>{escape(name)}</dt>{_bar(value, strong=name == verdict.predicted)}"
        for name, value in zip(classes, verdict.probabilities, strict=True)
    )
    return f'<dl>{rows}</dl><p class="numbers">{numbers(verdict, classes)}</p>'


def _bar(value: float, *, strong: bool) -> str:
    width = f"calc((100% - 2.8rem) * {value if isfinite(value) else 0:.3f})"
    return f'<dd><i{" class=strong" * strong} style="width: {width}"></i><span>{value:.2f}</span></dd>'


def _image(picture: Picture, kind: str) -> str:
    data = base64.b64encode(picture.jpeg).decode()
    return f'<img class="{kind}" alt="{_text(picture.caption)}" src="data:image/jpeg;base64,{data}">'


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."


def _text(text: str) -> str:
    """Return text from files fit for the page: of a name that is no text, its bytes are escaped."""
    return escape(text.encode(errors="backslashreplace").decode())
