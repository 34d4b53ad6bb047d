"""Takes the picture of the inspection page: python experiments/app/run.py MODEL FOLDER, with a page of its own."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

PORT = 8099
SCANS = 12
COLOURS = 256
SANDBOX = [] if os.geteuid() else ["--no-sandbox"]  # root has none
START_SECONDS = 3
FILE = Path(__file__).with_name("page.png")


def main(model: str, folder: str) -> None:
    """Start the page, and take the picture of it with some scans of a folder."""
    files = sorted(Path(folder).glob("*.png"))
    chosen = files[:: max(1, len(files) // SCANS)][:SCANS]
    settings = [f"model={model}", f"port={PORT}", "coverage=0.9", 'package_pattern="^(.*)-"']
    with subprocess.Popen(  # noqa: S603 - this project's own command
        [sys.executable, "-m", "csam_lightning.app", *settings], stdout=subprocess.PIPE, text=True
    ) as server:
        for line in server.stdout or ():
            if line.startswith("Ctrl-C"):
                break
        time.sleep(START_SECONDS)
        try:
            take(chosen)
        finally:
            server.terminate()


def take(files: list[Path]) -> None:
    """Send scans, wait for the maps, and take the picture."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=SANDBOX)
        page = browser.new_page(viewport={"width": 1280, "height": 880})
        page.goto(f"http://127.0.0.1:{PORT}")
        page.get_by_role("button", name="Choose scans").wait_for()
        page.set_input_files("input[type=file]", files)
        page.locator(f"article:has(img.heat) >> nth={len(files) - 1}").wait_for(timeout=120_000)
        page.wait_for_timeout(1000)
        page.screenshot(path=FILE)
        browser.close()
    Image.open(FILE).convert("RGB").quantize(COLOURS, Image.Quantize.MAXCOVERAGE).save(FILE, optimize=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
