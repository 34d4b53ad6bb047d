"""The report in a real browser, on a screen and on a telephone."""

from pathlib import Path

import pytest

from csam_lightning.reporting.assembly import assemble
from csam_lightning.reporting.selection import select
from csam_lightning.reporting.writing import write_report
from csam_lightning.tracking.reading import StoreReader
from tests.reporting.conftest import Made, Shop
from tests.tracking.browser import browsing, needs_chromium

pytestmark = needs_chromium


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    shop = Shop(tmp_path_factory.mktemp("shop"))
    shop.sweep("data_size", Made(), Made(size=420))
    store = StoreReader(shop.uri)
    return write_report(assemble(store, select(store, shop.experiment, None)), shop.folder / "report")


@pytest.mark.parametrize("width", [1200, 400])
def test_page_fits_asks_for_nothing_and_is_legible(width: int, report: Path) -> None:
    with browsing(width=width) as page:
        asked: list[str] = []
        said: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: said.append(message.text))
        page.goto(report.as_uri())
        assert [url for url in asked if not url.startswith("data:")] == [report.as_uri()]
        assert said == []
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        drawn = page.locator("img").evaluate_all("found => found.map(image => [image.naturalWidth, image.width])")
        assert len(drawn) >= 6
        assert all(natural > 0 and shown > 600 for natural, shown in drawn)  # text of 10 points in figures of 8 inches
