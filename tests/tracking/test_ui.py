"""What a person sees of a real sweep in the real MLflow UI.

``UI_STORE=sqlite:///FILE`` looks at another store than this test's own, ``UI_SCREENSHOTS=DIR`` keeps what was seen.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from mlflow.tracking import MlflowClient
from playwright.sync_api import FloatRect, Locator, Page, expect

from tests.conftest import tiny_table, write_scans
from tests.tracking.browser import PATIENCE_MS, browsing, coloured, needs_chromium, served, texts

pytestmark = needs_chromium
expect.set_options(timeout=PATIENCE_MS)

FACTORS = ["data.size", "data.image_size", "data.batch_size"]
AXES = ["delta/loss", "delta/accuracy", "val/accuracy", "val/precision", "val/recall", "val/f1"]


@dataclass(frozen=True)
class Visit:
    """A browser at the UI, and what the store says should be seen there."""

    address: str
    page: Page
    sweep: Any
    cells: list[Any]
    folds: list[Any]

    def go(self, route: str = "") -> Page:
        """Open a page below the experiment's."""
        self.page.goto("about:blank")  # a change after # alone loads nothing anew
        self.page.goto(f"{self.address}/#/experiments/{self.sweep.info.experiment_id}{route}")
        return self.page

    def folds_of(self, cell: Any) -> list[Any]:
        return [fold for fold in self.folds if fold.data.tags["mlflow.parentRunId"] == cell.info.run_id]


@pytest.fixture(scope="module")
def visit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Visit]:
    folder = tmp_path_factory.mktemp("ui")
    store = os.environ.get("UI_STORE") or tiny_sweep(folder)
    client = MlflowClient(store)
    experiment = client.get_experiment_by_name("csam_lightning")
    assert experiment is not None
    found = list(client.search_runs([experiment.experiment_id], order_by=["metrics.`val/f1` DESC"]))
    by_level = {level: [run for run in found if run.data.tags["level"] == level] for level in ("sweep", "cell", "fold")}
    with served(store, folder) as address, browsing() as page:
        page.add_locator_handler(page.get_by_role("button", name="Got it"), Locator.click)
        yield Visit(address, page, by_level["sweep"][0], by_level["cell"], by_level["fold"])


def tiny_sweep(folder: Path) -> str:
    """Train two cells of two folds with the real command; return the address of their store."""
    scans = write_scans(folder / "scans", tiny_table())
    small = ["data.image_size=32", "data.num_folds=2", "trainer.max_epochs=2", "data.batch_size=4,8"]
    subprocess.run(
        [sys.executable, "-m", "csam_lightning.train", "data=folder", f"data.root={scans}", *small, "-m"],
        cwd=folder,
        env={**os.environ, "MLFLOW_TRACKING_URI": "", "XDG_CACHE_HOME": str(folder)},
        check=True,
        timeout=300,
    )
    return f"sqlite:///{folder}/mlflow.db"


def keep(page: Page, name: str) -> None:
    if folder := os.environ.get("UI_SCREENSHOTS"):
        Path(folder).mkdir(parents=True, exist_ok=True)
        page.wait_for_timeout(1000)  # charts are animated
        page.screenshot(path=Path(folder) / f"{name}.png")


def row(page: Page, run: Any) -> Locator:
    """Return the parts of the row of ``run`` in the table of runs, one for each of the table's panes."""
    return page.locator(f".ag-row[row-id='{run.info.run_id}']")


def value(page: Page, run: Any, column: str) -> Locator:
    return row(page, run).locator(f"[col-id='{column}']")


def names(page: Page) -> list[str]:
    return texts(page.locator(".ag-row a[href*='/runs/']"))


def test_experiment_leads_to_its_cells_ranked_and_in_parallel_coordinates(visit: Visit) -> None:
    page, best = visit.go(), visit.cells[0]
    assert all(best.data.params[name].isdecimal() for name in FACTORS)  # a text would make an axis of categories
    with page.expect_popup() as opened:
        page.get_by_role("link", name="All cells, the best first").click()
    ranked = opened.value
    for kind, column in [("params", "data.batch_size"), ("metrics", "val/f1"), ("metrics", "val/accuracy")]:
        expect(value(ranked, best, f"{kind}.`{column}`")).to_have_text(str(getattr(best.data, kind)[column]))
    assert names(ranked) == [cell.info.run_name for cell in visit.cells]
    keep(ranked, "mlflow_cells")
    ranked.close()
    with page.expect_popup() as opened:
        page.get_by_role("link", name="in parallel coordinates").click()
    chart = opened.value
    expect(chart.locator(".parcoords text[text-anchor=middle]")).to_have_text([*FACTORS, *AXES])
    drawn = "canvas => canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data.some(Boolean)"
    assert chart.locator(".parcoords canvas.foreground").evaluate(drawn)
    keep(chart, "mlflow_parallel")
    chart.close()


def as_shown(number: float) -> str:
    """Return a number as JavaScript writes it: whole ones without a fraction."""
    return str(int(number)) if number.is_integer() else str(number)


def test_sweep_unfolds_to_cells_and_folds_and_metrics_become_columns(visit: Visit) -> None:
    cell, folds = visit.cells[0], visit.folds_of(visit.cells[0])
    with visit.go().expect_popup() as opened:
        visit.page.get_by_role("link", name="sweeps, with their cells and folds").click()
    page = opened.value
    row(page, visit.sweep).get_by_role("button").first.click()
    expect(row(page, cell).first).to_be_visible()
    assert sorted(names(page)) == sorted(run.info.run_name for run in [visit.sweep, *visit.cells])
    row(page, cell).get_by_role("button").first.click()
    for fold in folds:
        name = row(page, fold).get_by_role("link")
        expect(name).to_have_text(f"{cell.info.run_name} · fold {fold.data.tags['fold']}")
        uncut = "text => text.scrollWidth <= text.clientWidth"
        assert name.locator("span").last.evaluate(uncut), "the name is cut off"
    page.get_by_role("button", name="Columns").click()
    page.get_by_placeholder("Search columns").fill("train/accuracy")
    page.locator(".du-bois-light-tree").get_by_text("train/accuracy", exact=True).first.click()
    page.keyboard.press("Escape")
    for column in ("val/accuracy", "val/precision", "val/recall", "delta/accuracy", "train/accuracy"):
        expect(value(page, cell, f"metrics.`{column}`")).to_have_text(as_shown(cell.data.metrics[column]))
    keep(page, "mlflow_sweep")
    page.close()


def test_fold_shows_its_settings_and_a_curve_for_each_metric(visit: Visit) -> None:
    cell, fold = visit.cells[0], visit.folds_of(visit.cells[0])[0]
    page = visit.go(f"/runs/{fold.info.run_id}")
    expect(page.get_by_role("heading", name=fold.info.run_name)).to_be_visible()
    expect(page.get_by_role("link", name=cell.info.run_name, exact=True)).to_be_visible()
    page.get_by_placeholder("Search parameters").fill("data.batch_size")
    expect(page.get_by_text("Parameters (1)")).to_be_visible()
    expect(page.get_by_text("data.batch_size", exact=True)).to_be_visible()
    visit.go(f"/runs/{fold.info.run_id}/model-metrics")
    page.get_by_placeholder("Search metric charts").fill("^(train|val)/(loss|accuracy)$")
    curves = page.get_by_test_id("experiment-view-compare-runs-card").filter(has=page.locator("path.js-line"))
    expect(curves).to_have_count(4)
    assert sorted(texts(curves.get_by_role("heading"))) == ["accuracy", "accuracy", "loss", "loss"]
    keep(page, "mlflow_fold")


def test_confusion_matrix_is_shown_inline(visit: Visit) -> None:
    page = visit.go(f"/runs/{visit.cells[0].info.run_id}/artifacts")
    page.get_by_text("figures", exact=True).click()
    page.get_by_text("confusion_matrix.png", exact=True).click()
    picture = page.locator("img[src^='blob:']").first
    expect(picture).to_be_visible()
    assert picture.evaluate("image => image.decode().then(() => image.naturalWidth)") > 300
    page.get_by_text("Path: file:").evaluate("line => line.style.visibility = 'hidden'")  # a folder of this machine
    keep(page, "mlflow_artifact")


def test_chosen_cells_are_compared_in_parallel_coordinates(visit: Visit) -> None:
    page = visit.go("/runs?workflowType=machine_learning&viewStateShareKey=cells")
    chosen = visit.cells[:2]
    for cell in chosen:
        row(page, cell).get_by_role("checkbox", name="row selection").check()
    page.get_by_role("button", name="Compare", exact=True).click()
    expect(page.get_by_text("Comparing 2 Runs from 1 Experiment")).to_be_visible()
    page.get_by_role("button", name="Clear All").click()
    differ = [name for name in FACTORS if len({cell.data.params[name] for cell in chosen}) > 1]
    choose(page, page.get_by_role("combobox").first, differ)
    choose(page, page.get_by_role("combobox").nth(1), AXES)
    axes = page.locator(".parcoords .y-axis .axis-title")
    expect(axes).to_have_text([*differ, *AXES])
    keep(page, "mlflow_compare")
    assert coloured(page.screenshot(clip=between(axes.first, axes.last, page.locator(".js-plotly-plot canvas")))) > 200


def between(left: Locator, right: Locator, canvas: Locator) -> FloatRect:
    """Return the part of ``canvas`` between two axes, without their own ink."""
    first, last, plot = left.bounding_box(), right.bounding_box(), canvas.first.bounding_box()
    assert first is not None
    assert last is not None
    assert plot is not None
    begin = first["x"] + first["width"]
    return {"x": begin, "y": plot["y"], "width": last["x"] - begin, "height": plot["height"]}


def choose(page: Page, box: Locator, entries: list[str]) -> None:
    box.click()
    for entry in entries:
        box.fill(entry)
        page.locator(f".du-bois-light-select-dropdown [title='{entry}']:visible").click()
    page.keyboard.press("Escape")
