"""The page in a real browser, and which scans stand on it."""

from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import expect

from csam_lightning.predicting.judging import Judged, Verdict
from csam_lightning.predicting.maps import SaliencyMap
from csam_lightning.predicting.page import Page, Tally, html
from csam_lightning.predicting.pictures import Neediest
from csam_lightning.predicting.scans import Prepared, Scan
from tests.conftest import CLASSES
from tests.tracking.browser import browsing, needs_chromium


def judged(path: str, predicted: str, uncertainty: float, *, review: bool = False, strange: bool = False) -> Judged:
    probabilities = tuple(0.7 if name == predicted else 0.1 for name in CLASSES)
    reason = "it may be A or B" if review else ""
    verdict = Verdict(path, "", predicted, probabilities, uncertainty, ("A",), 0.5, strange, review, reason, "")
    pixels = np.random.default_rng(0).integers(0, 256, (32, 48), dtype=np.uint8)
    return Judged(Scan(path, pixels), verdict, Prepared(pixels[:, :32], pixels, (), ""))


SCANS = [
    judged("sure", "A", 0.01),
    judged("doubtful", "B", 0.6, review=True),
    judged("unsure", "D", 0.5),
    judged("photograph", "C", 0.02, review=True, strange=True),
    judged("very-doubtful", "B", 0.9, review=True),
]
ORDER = ["photograph", "very-doubtful", "doubtful", "unsure", "sure"]


@pytest.mark.parametrize("most", [0, 1, 3, 9])
def test_the_neediest_are_kept_in_order(most: int) -> None:
    neediest = Neediest(most)
    for one in SCANS:
        neediest.offer(one, ())
    assert [shown.verdict.path for shown in neediest.shown()] == ORDER[:most]


@pytest.mark.browser
@needs_chromium[1]
@pytest.mark.parametrize("width", [1280, 400])
def test_page_shows_verdicts_and_filters_them_by_class(width: int, tmp_path: Path) -> None:
    neediest, tally = Neediest(9), Tally()
    values = np.linspace(0, 1, 1024, dtype=np.float32).reshape(32, 32)
    for one in SCANS:
        neediest.offer(one, [SaliencyMap("A", "D", values)])
        tally.add(one.verdict)
    page = Page("Verdicts <on> scans", ["A fact."], ["A limit."], CLASSES, tally, neediest.shown(), [])
    (tmp_path / "page.html").write_text("".join(html(page)), encoding="utf-8")
    with browsing() as browser:
        complaints: list[str] = []
        browser.on("console", lambda message: complaints.append(message.text))
        browser.set_viewport_size({"width": width, "height": 900})
        browser.goto((tmp_path / "page.html").as_uri())
        expect(browser.get_by_role("heading", level=1)).to_have_text("Verdicts <on> scans")
        assert [path.split()[0] for path in browser.locator("article .path").all_inner_texts()] == ORDER
        assert browser.evaluate("[...document.images].every(image => image.naturalWidth > 0)")
        assert browser.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        browser.get_by_label("B bond pad").focus()
        browser.keyboard.press("Space")
        assert browser.locator("article:visible .path").all_inner_texts() == ["very-doubtful", "doubtful"]
        assert not complaints
