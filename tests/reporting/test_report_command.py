"""The whole report from a store: what is read, what is written, what is refused."""

import base64
import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from subprocess import CompletedProcess
from xml.etree import ElementTree as ET

import pandas as pd
import pytest
from hydra import compose, initialize_config_module

from csam_lightning.errors import InputError
from csam_lightning.report import folder_name, main
from csam_lightning.reporting.assembly import assemble
from csam_lightning.reporting.document import Document
from csam_lightning.reporting.selection import select
from csam_lightning.reporting.tables import markdown_text
from csam_lightning.reporting.writing import write_report
from csam_lightning.tracking.reading import StoreReader
from tests.reporting.conftest import Made, Said, Shop

HOSTILE = "<script>alert(1)</script>|[x](javascript:y)=\"'"
GRID = [
    Made(size=size, side=side, batch=8, f1=(size / 1000, size / 1000 + 0.01), seconds=size * side)
    for size in (420, 840)
    for side in (50, 100)
]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """Two sweeps, the latter with a cell that failed; and an experiment with a hostile name and no artifacts."""
    found = Shop(tmp_path_factory.mktemp("shop"))
    found.sweep("batch_size", GRID[3], Made(batch=16, f1=(0.5, 0.6)))
    told = found.folder / "summary.csv"
    told.write_text(
        "rank,cell,cell_id,run_id,reason,outcome\n"
        "1,420 px50 b8,420-50-8-grouped-0,,,done\n"
        ",data.size=700,700-100-8-grouped-0,,fold 0: its process was killed,failed\n"
        ",data.size=999,,,data size 999 cannot be reached,impossible\n"
    )
    few = Said((9, 8, 9, 8), packages=5)
    grid = found.sweep("fold_sweep", *((made, few if made.size == 420 else Said()) for made in GRID), files={told: ""})
    found.unfinished(Made(size=700), grid)
    bare = Shop(found.folder, experiment=HOSTILE)
    bare.cell(replace(GRID[0], params={"note": HOSTILE}), artifacts=False)
    return found


class Page(HTMLParser):
    """What a page shows, and what it refers to."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.text = ""
        self.references: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.references += [value or "" for name, value in attrs if name in {"src", "href", "action", "data", "srcset"}]
        assert not [name for name, _ in attrs if name.startswith("on")]

    def handle_data(self, data: str) -> None:
        self.text += data


def report(shop: Shop, *names: str, experiment: str | None = None) -> Document:
    store = StoreReader(shop.uri)
    return assemble(store, select(store, experiment or shop.experiment, list(names) or None))


def drawn(document: Document) -> set[str]:
    return {item.id for item in document.items if item.figure is not None}


def test_command_writes_the_latest_sweep_s_report(
    shop: Shop, command: Callable[..., CompletedProcess[str]], tmp_path: Path
) -> None:
    done = command("report", MLFLOW_TRACKING_URI=shop.uri)
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "work" / "experiments" / "fold_sweep"
    first = (
        "Use 840 px50 b8: macro F1 0.900 (95 % interval 0.883 to 0.900) by its likeliest classes, before calibration, "
        "on 400 held-out scans of 40 packages."
    )
    assert done.stdout.splitlines()[0] == first
    assert "\nRead: sweep fold_sweep · 4 cells, from MLflow store sqlite:///" in done.stdout
    assert "\nnext: python -m csam_lightning.predict model=" in done.stdout
    assert "\nthe paper's published rule: 420 px" in done.stdout
    assert (
        "not drawn: Figure 6c: overfitting against batch size. No two cells differ in batch size alone." in done.stdout
    )
    assert done.stdout.splitlines()[-1] == "report  experiments/fold_sweep/report.html"
    figures = {"ranking", "figure_4", "figure_6a", "figure_6b", "figure_6d", "figure_7", "figure_8", "grid", "cost"}
    assert {file.name for file in folder.glob("figures/*")} == {
        f"{name}{kind}" for name in figures for kind in (".png", ".svg")
    }
    ranking = pd.read_csv(folder / "tables" / "ranking.csv")
    assert ranking["rank"].tolist() == [1, 2, 1, 2]
    assert ranking["scans"].tolist() == [400, 400, 200, 200]
    assert ranking["macro F1"].tolist() == pytest.approx([0.9, 0.9, 0.85, 0.85], abs=0.01)
    assert ranking["macro F1 over folds"].tolist() == pytest.approx([0.845, 0.845, 0.425, 0.425])
    assert ranking["macro F1 over folds sd"].tolist() == pytest.approx([0.01 / 2**0.5] * 4)
    assert (ranking["CI low"] < ranking["macro F1"]).all()
    assert set(ranking["interval"]) == {"by package"}
    assert ranking[["escape", "escape low", "escape high", "overkill"]].iloc[0].tolist() == [0.04, 0.01, 0.09, 0.02]
    page = Page((folder / "report.html").read_text())
    for text in (page.text, (folder / "report.md").read_text()):
        assert "How the cell was chosen: by their likeliest classes, before calibration\n" in text
        assert "Ranking by their likeliest classes, before calibration: best macro F1 first" in text
        assert "Escape and overkill are of the model as it judges, after calibration" in text
    assert page.text.index(first) < page.text.index("Read: ")
    assert (folder / "tables" / "candidates.csv").is_file()
    assert pd.read_csv(folder / "tables" / "data_sizes.csv")["common scans"].tolist() == [200]
    assert "700 px100 b8" in page.text  # the failed cell
    assert "fold 0: its process was killed" in page.text
    assert "data size 999 cannot be reached" in page.text  # of a job that never became a cell
    assert "1 more without results, 1 impossible and never launched" in page.text
    assert f"**{markdown_text(first)}**" in (folder / "report.md").read_text()


def test_page_is_one_file_that_needs_no_other(shop: Shop, tmp_path: Path) -> None:
    page = Page(write_report(report(shop), tmp_path).read_text())
    assert len(page.references) == 9
    for reference in page.references:
        kind, _, content = reference.partition(";base64,")
        assert kind == "data:image/svg+xml"
        svg = ET.fromstring(base64.b64decode(content))  # noqa: S314 - written by this test
        links = [value for element in svg.iter() for name, value in element.attrib.items() if name.endswith("href")]
        assert all(link.startswith(("#", "data:image/png")) for link in links)
    assert "script" not in page.tags
    source = (tmp_path / "report.html").read_text()
    assert "default-src 'none'" in source
    assert not re.findall(r"https?://", source)


def test_text_from_the_store_is_escaped(shop: Shop, tmp_path: Path) -> None:
    document = report(shop, experiment=HOSTILE)
    page = Page(write_report(document, tmp_path).read_text())
    assert f"experiment {HOSTILE}" in page.text
    assert set(page.tags) <= {
        *(
            "html",
            "head",
            "meta",
            "title",
            "style",
            "body",
            "h1",
            "h2",
            "ul",
            "li",
            "div",
            "p",
            "b",
            "pre",
            "figure",
            "img",
        ),
        *("figcaption", "details", "summary", "table", "thead", "tbody", "tr", "th", "td"),
    }
    assert "<script" not in (tmp_path / "report.md").read_text().replace("\\<script", "")


def test_what_the_store_does_not_have_is_said_to_be_missing(shop: Shop) -> None:
    document = report(shop, experiment=HOSTILE)
    assert drawn(document) == {"ranking", "figure_6d", "cost"}
    told = {item.id: item.text for item in document.items if item.figure is None}
    assert told["figure_4"].startswith("scans.csv is not in the store, or cannot be read")
    assert told["figure_7"] == "There is no test split, or result.json is not in the store."
    assert told["figure_8"].startswith("scans.csv is not in the store")
    assert told["figure_6a"] == "No two cells differ in data size alone."
    assert "two data sizes and two image sizes at least" in told["grid"]


def test_an_earlier_report_s_figures_do_not_stay(shop: Shop, tmp_path: Path) -> None:
    write_report(report(shop), tmp_path)
    (tmp_path / "README.md").write_text("mine")
    write_report(report(shop, "batch_size"), tmp_path)
    assert not (tmp_path / "figures" / "grid.png").exists()
    assert not (tmp_path / "tables" / "figure_6a.csv").exists()
    assert (tmp_path / "figures" / "figure_6c.svg").exists()
    assert (tmp_path / "README.md").read_text() == "mine"


@pytest.mark.parametrize(
    ("names", "cells"),
    [
        (["batch_size"], {"840 px100 b8", "840 px100 b16"}),
        (["batch_size · 2 cells"], {"840 px100 b8", "840 px100 b16"}),
        (["id-of-batch_size"], {"840 px100 b8", "840 px100 b16"}),
        (["840 px100 b16", "420-50-8-grouped-0"], {"840 px100 b16", "420 px50 b8"}),
        (["csam_lightning"], {"840 px100 b8", "840 px100 b16", "840 px50 b8", "420 px50 b8", "420 px100 b8"}),
        (["batch_size", "fold_sweep"], {"840 px100 b8", "840 px100 b16", "840 px50 b8", "420 px50 b8", "420 px100 b8"}),
        ([HOSTILE], {"420 px50 b8"}),
    ],
)
def test_names_choose_cells_each_once(names: list[str], cells: set[str], shop: Shop) -> None:
    selection = select(StoreReader(shop.uri), shop.experiment, names)
    assert sorted(cell.name for cell in selection.cells) == sorted(cells)
    assert [cell.f1 for cell in selection.cells] == sorted((cell.f1 for cell in selection.cells), reverse=True)


def test_figure_7_shows_the_paper_s_numbers_at_its_sizes(shop: Shop) -> None:
    [item] = [item for item in report(shop).items if item.id == "figure_7"]
    averages, classes = item.tables
    assert [row[1] for row in averages.rows] == [420, 840]
    assert [(row[5], row[7]) for row in averages.rows] == [(0.68, 0.59), (0.86, 0.83)]
    assert len(classes.rows) == 8
    assert "86 test scans" in item.text


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["runs=fold_sweap"], r"^runs: 'fold_sweap' is no sweep, cell or experiment of the store; .* of fold_sweep, "),
        (["runs=[]"], "^runs: it names nothing; name sweeps, cells or an experiment, or give null$"),
        (["runs='700 px100 b8'"], r"^runs: cell 700 px100 b8 has no finished cell \(700 px100 b8: its run is FAILED"),
        (["tolerance=2"], "^tolerance: input should be less than or equal to 1, not 2; "),
        (["tracking.experiment=nowhere"], "^tracking.experiment: the store .* has no experiment 'nowhere'"),
        (["tracking.experiment=Default"], "^tracking.experiment: experiment 'Default' holds no cells; train first$"),
        (["tracking.uri=mlruns"], "^tracking.uri: 'mlruns' is no address of an MLflow store"),
    ],
)
def test_what_cannot_be_reported_is_refused(overrides: list[str], message: str, shop: Shop) -> None:
    with initialize_config_module("csam_lightning.conf", version_base="1.3"):
        config = compose("report", [f"tracking.uri={shop.uri}", *overrides])
    with pytest.raises(InputError, match=message):
        main(config)


def test_no_store_is_one_line_and_exit_status_2(command: Callable[..., CompletedProcess[str]], tmp_path: Path) -> None:
    (tmp_path / "work" / "mlflow.db").unlink()
    done = command("report")
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("error: tracking.uri: there is no MLflow store sqlite:///")
    assert "Traceback" not in done.stderr
    assert not list((tmp_path / "work").iterdir())


@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("fold_sweep", "fold_sweep"),
        ("840 px100 b8", "840_px100_b8"),
        ("../../etc", "etc"),
        ("·", "report"),
        ("x" * 99, "x" * 60),
    ],
)
def test_folder_s_name_is_plain(name: str, folder: str) -> None:
    assert folder_name(name) == folder
