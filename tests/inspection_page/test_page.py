"""The page in a real browser, without a network: what a person sees, does, and cannot do.

``APP_SCREENSHOTS=DIR`` keeps what was seen.
"""

import csv
import io
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import BrowserContext, FilePayload, Locator, Page, Request, Route, expect

from csam_lightning.data.manifest import load_manifest
from tests.conftest import heed_interrupts
from tests.tracking.browser import browsing, needs_chromium
from tests.trays.drawing import SPECTRUM, draw, grid

pytestmark = needs_chromium
expect.set_options(timeout=20_000)

HOSTILE = "<img src=x onerror=window.evil=1>.png"


@contextmanager
def served(model: Path, folder: Path, *settings: str) -> Iterator[str]:
    """Run ``python -m csam_lightning.app`` in a folder; yield its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    command = [sys.executable, "-m", "csam_lightning.app", f"model={model}", f"port={port}", *settings]
    with subprocess.Popen(
        command,
        cwd=folder,
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=heed_interrupts,  # noqa: PLW1509
    ) as server:
        assert server.stdout is not None
        said = [line for line in iter(server.stdout.readline, "Ctrl-C stops the page\n") if line]
        assert said == [f"page         http://127.0.0.1:{port}\n", f"corrections  {folder}/corrections\n"]
        wait_for(port)
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            server.send_signal(signal.SIGINT)
            assert server.wait(30) == 0
            assert server.stdout.read() == "stopped: corrections are kept, scans that were sent are removed\n"


def wait_for(port: int) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=5).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    pytest.fail("the page does not answer")


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("app")


@pytest.fixture(scope="module")
def address(model_file: Path, work: Path) -> Iterator[str]:
    with served(model_file, work, "upload_mb=1", "upload_files=9", 'package_pattern="^p[0-9]+"') as address:
        yield address


@pytest.fixture
def page(address: str) -> Iterator[Page]:
    """The page in a new browser that fails whatever leaves this machine, and that must have nothing to complain of."""
    with browsing(width=1280, height=900) as page:
        watched = watch(page.context, address)
        page.goto(address)
        page.get_by_role("button", name="Choose scans").wait_for()
        yield page
        assert not watched


def watch(context: BrowserContext, address: str) -> list[str]:
    """Fail every request that leaves this machine, and list those and all complaints of the browser."""
    watched: list[str] = []

    def only_here(route: Route, request: Request) -> None:
        if request.url.startswith(address):
            route.continue_()
        else:
            watched.append(request.url)
            route.abort()

    context.route(re.compile("^(?!data:|blob:)"), only_here)
    context.on("console", lambda message: watched.append(message.text) if message.type == "error" else None)
    context.on("weberror", lambda error: watched.append(str(error.error)))
    return watched


def scans(familiar: Path, count: int) -> list[Path]:
    return sorted((familiar / "images").iterdir())[:count]


def send(page: Page, *files: Path | FilePayload) -> None:
    payloads = [file if isinstance(file, dict) else payload(file.name, file.read_bytes()) for file in files]
    page.set_input_files("input[type=file]", payloads)


def payload(name: str, data: bytes) -> FilePayload:
    return FilePayload(name=name, mimeType="image/png", buffer=data)


def png(picture: Image.Image) -> bytes:
    data = io.BytesIO()
    picture.save(data, "PNG", optimize=True)
    return data.getvalue()


def keep(page: Page, name: str) -> None:
    if folder := os.environ.get("APP_SCREENSHOTS"):
        Path(folder).mkdir(parents=True, exist_ok=True)
        page.wait_for_timeout(500)
        page.screenshot(path=Path(folder) / f"{name}.png")


def choose(page: Page, label: str, option: str) -> None:
    page.get_by_role("combobox", name=label).click()
    page.get_by_role("option", name=option, exact=True).click()


def test_scans_are_judged_looked_at_labelled_and_taken_home(page: Page, familiar: Path, work: Path) -> None:
    files = scans(familiar, 6)
    send(page, *files)
    cards = page.locator("article")
    expect(cards).to_have_count(6)
    expect(page.locator("article:has(img.heat)")).to_have_count(6)
    expect(page.get_by_role("status")).to_contain_text("6 scans: ")
    assert page.evaluate("[...document.images].every(image => image.naturalWidth > 0)")
    keep(page, "scans")

    heat = page.locator("img.heat").first
    expect(heat).to_have_css("opacity", "0.65")
    slider = page.get_by_role("slider", name="Opacity of the map over the scan, in percent")
    slider.focus()
    page.keyboard.press("End")
    expect(heat).to_have_css("opacity", "1")
    page.keyboard.press("Home")
    expect(heat).to_have_css("opacity", "0")

    table = downloaded(page)
    assert sorted(row["path"] for row in table) == [file.name for file in files]
    need = {row["path"]: (row["needs_review"] == "true", float(row["uncertainty"])) for row in table}
    shown = cards.locator(".path").all_inner_texts()
    assert [text.split(" · package ")[1] for text in shown] == [text.split("-")[0] for text in shown]
    keys = [need[text.split(" ")[0]] for text in shown]
    assert [review for review, _ in keys] == sorted((review for review, _ in keys), reverse=True)

    first = shown[0].split(" ")[0]
    predicted = next(row["predicted"] for row in table if row["path"] == first)
    package = first.split("-")[0]
    wanted = "B bond pad" if predicted != "B" else "A die pad"
    alike = sum(row["predicted"] == predicted for row in table)
    choose(page, "Class", next(name for name in LABELS if name.startswith(predicted)))
    expect(cards).to_have_count(alike)
    choose(page, "Class", "all classes")

    page.get_by_role("button", name=f"Label {first}").click()
    choose(page, "Label", wanted)
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("dialog").get_by_role("alert")).to_have_text("name: is empty; fill it in")
    page.get_by_label("Your name").fill("Ann <b>")
    keep(page, "form")
    page.get_by_role("button", name="Save").click()
    expect(cards.first).to_contain_text(f"{wanted[0]} instead of {predicted}, package {package}, says Ann <b>")
    page.get_by_role("radio", name="labelled by a person").click()
    expect(cards).to_have_count(1)
    keep(page, "labelled")

    [row] = csv.DictReader((work / "corrections/corrections.csv").read_text().splitlines())
    assert [row[name] for name in ("who", "scan", "package_id", "old_label", "label")] == [
        *("Ann <b>", first, package, predicted, wanted[0])
    ]
    manifest = load_manifest(
        work / "corrections", classes="ABCD", package_pattern=None, need_labels=False, need_packages=True
    )
    assert manifest.table["label"].to_list() == [wanted[0]]
    assert (work / "corrections" / row["path"]).read_bytes() == (familiar / "images" / first).read_bytes()
    labelled = {row["path"]: (row["label"], row["labelled_by"]) for row in downloaded(page)}
    assert labelled == {**dict.fromkeys(labelled, ("", "")), first: (wanted[0], "Ann <b>")}


LABELS = ["A die pad", "B bond pad", "C die pad and bond pad", "D sound"]


def downloaded(page: Page) -> list[dict[str, str]]:
    with page.expect_download() as started:
        page.get_by_role("button", name="Download predictions.csv").click()
    assert started.value.suggested_filename == "predictions.csv"
    return list(csv.DictReader(started.value.path().read_text(encoding="utf-8").splitlines()))


def test_a_label_is_shown_to_whoever_sends_the_same_picture(page: Page, familiar: Path, address: str) -> None:
    scan = scans(familiar, 9)[8]
    send(page, scan, payload("copy.png", scan.read_bytes()))
    page.get_by_role("button", name=f"Label {scan.name}").click()
    choose(page, "Label", "C die pad and bond pad")
    page.get_by_label("Your name").fill("Ann")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("article", has_text="says Ann")).to_have_count(2)

    assert page.context.browser is not None
    other = page.context.browser.new_context().new_page()
    other.goto(address)
    other.get_by_role("button", name="Choose scans").wait_for()
    send(other, payload("by another name.png", scan.read_bytes()))
    expect(other.locator("article")).to_contain_text("says Ann")
    other.get_by_role("button", name="Label by another name.png").click()
    expect(other.get_by_role("dialog")).to_contain_text("Ann said C on ")
    expect(other.get_by_label("Your name")).to_have_value("")


def test_hostile_files_are_told_and_the_rest_goes_on(page: Page, familiar: Path, work: Path) -> None:
    [scan] = scans(familiar, 1)
    good = scan.read_bytes()
    before = set(work.parent.rglob("*"))
    with page.expect_request(lambda request: request.method == "POST" and "/upload/" in request.url) as upload:
        send(
            page,
            payload(HOSTILE, good),
            payload("../../x.png", good),
            payload("{{constructor.constructor('window.evil=1')()}}.png", good),
            payload("broken.png", good[:200]),
            payload("heavy.png", bytes(1_000_001)),
            payload("huge.png", png(Image.new("1", (10_000, 10_000)))),
        )
    expect(page.locator("article:has(img.heat)")).to_have_count(3)
    lines = page.get_by_role("alert").get_by_role("listitem")
    expect(lines).to_have_count(3)
    told = sorted(lines.all_inner_texts())
    assert re.fullmatch(r"broken.png: is a damaged image \(.*\); copy or export the image again", told[0])
    assert told[1].startswith("heavy.png: is too large (more than 1 MB); cut or scale the image down")
    assert told[2] == "huge.png: is too large (10000x10000 pixels, more than 89000000); cut or scale the image down"
    keep(page, "hostile")

    paths = sorted(row["path"] for row in downloaded(page))
    assert paths == sorted(
        [HOSTILE, "x.png", "{{constructor.constructor('window.evil=1')()}}.png", "broken.png", "huge.png"]
    )
    button = page.get_by_role("button", name=f"Label {HOSTILE}")
    button.click()
    page.get_by_label("Package").fill("<script>window.evil=1</script>")
    page.get_by_label("Your name").fill("../../ann")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    assert page.evaluate("window.evil") is None
    new = {file.relative_to(work).as_posix() for file in set(work.parent.rglob("*")) - before if file.is_file()}
    kept = re.compile(r"corrections/(scans/[0-9a-f]{64}\.png|corrections\.csv|manifest\.csv|\.corrections\.lock)")
    assert all(kept.fullmatch(file) for file in new)

    heavy = FilePayload(name="../../../y.png", mimeType="image/png", buffer=bytes(1_200_000))
    assert page.request.post(upload.value.url, multipart={"file": heavy}).status == 413


def test_everything_can_be_done_by_keyboard(page: Page, familiar: Path) -> None:
    reach(page, "Choose scans…")
    with page.expect_file_chooser() as chooser:
        page.keyboard.press("Enter")
    chooser.value.set_files(scans(familiar, 8)[6:])  # which no other test labels
    expect(page.locator("article:has(img.heat)")).to_have_count(2)
    reach(page, "labelled by a person")
    page.keyboard.press("Space")
    expect(page.locator("article")).to_have_count(0)
    reach(page, "all", backwards=True)
    page.keyboard.press("Space")
    expect(page.locator("article")).to_have_count(2)
    reach(page, "Opacity of the map over the scan, in percent")
    page.keyboard.press("ArrowLeft")
    expect(page.locator("img.heat").first).to_have_css("opacity", "0.6")
    reach(page, re.compile("^Label p"))
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_be_visible()
    reach(page, "Label")
    page.keyboard.press("ArrowDown")
    page.get_by_role("option").first.wait_for()
    page.keyboard.press("Home")
    page.keyboard.press("Enter")
    expect(page.get_by_role("option")).to_have_count(0)
    page.wait_for_timeout(500)  # the list gives the focus back when it has faded
    reach(page, "Your name")
    page.keyboard.type("Kim")
    keep(page, "keyboard")
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.locator("article").first).to_contain_text("says Kim")
    reach(page, "Download predictions.csv", backwards=True)
    with page.expect_download():
        page.keyboard.press("Enter")


NAME = """() => {
    const element = document.activeElement;
    const labels = element.labels ? [...element.labels].map((label) => label.innerText) : [];
    const named = element.getAttribute('aria-label') || labels[0] || element.innerText;
    return (named || '').trim();
}"""


def reach(page: Page, name: str | re.Pattern[str], *, backwards: bool = False) -> None:
    """Press Tab until what is called ``name`` has the focus, and see that the focus is visible."""
    passed = []
    for _ in range(60):
        page.keyboard.press("Shift+Tab" if backwards else "Tab")
        here = page.evaluate(NAME)
        passed.append(here)
        if here == name or (isinstance(name, re.Pattern) and name.match(here)):
            return
    pytest.fail(f"Tab does not lead to {name}, but to {passed}")


def test_no_browser_sees_what_another_one_drops(page: Page, familiar: Path, address: str) -> None:
    drop(page, *scans(familiar, 2))
    expect(page.locator("article")).to_have_count(2)
    page.reload()
    expect(page.locator("article")).to_have_count(2)
    assert page.context.browser is not None
    other = page.context.browser.new_context().new_page()
    other.goto(address)
    other.get_by_role("button", name="Choose scans").wait_for()
    other.wait_for_timeout(1000)
    expect(other.locator("article")).to_have_count(0)
    page.get_by_role("button", name="Remove all").click()
    expect(page.locator("article")).to_have_count(0)


def drop(page: Page, *files: Path) -> None:
    carried = page.evaluate_handle(
        """(files) => {
            const carried = new DataTransfer();
            for (const [name, bytes] of files) carried.items.add(new File([new Uint8Array(bytes)], name));
            return carried;
        }""",
        [[file.name, [*file.read_bytes()]] for file in files],
    )
    page.dispatch_event("h1", "dragover", {"dataTransfer": carried})
    expect(page.locator(".send")).to_have_class(re.compile("over"))
    page.dispatch_event("h1", "drop", {"dataTransfer": carried})
    expect(page.locator(".send")).not_to_have_class(re.compile("over"))


@pytest.mark.parametrize("width", [1280, 360])
def test_a_tray_is_cut_and_painted_and_fits_the_window(page: Page, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    places = grid(2, 3, 10.0)
    tray = Image.fromarray(SPECTRUM[draw((360, 400), list(places.values()))])
    page.get_by_role("switch", name="They are trays of many units").click()
    send(page, payload("lot 7.png", png(tray)))
    expect(page.get_by_role("img", name="Tray lot 7 with the verdict on each unit")).to_be_visible()
    names: Locator = page.locator("article .path")
    expect(names).to_have_count(6)
    expected = sorted(f"lot 7/{row:02}_{column:02}.png · package lot 7/{row:02}_{column:02}" for row, column in places)
    assert sorted(names.all_inner_texts()) == expected
    expect(page.locator("article:has(img.heat)")).to_have_count(6)
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    keep(page, f"tray-{width}")
