"""The real MLflow UI and a real browser to look at it with."""

import io
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Locator, Page, sync_playwright

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
PATIENCE_MS = 60_000
SEEN_BEFORE = {
    "assistant.panelOpen_v1": "false",
    "assistant.fab.autoOpenedOnFirstLoad_v1": "true",
    "workflowType_v1": '"machine_learning"',
}
"""What MLflow remembers of a visitor who has closed its assistant and chosen *Model training*."""

needs_chromium = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here; Debian's package is chromium"),
]


@contextmanager
def served(store: str, folder: Path) -> Iterator[str]:
    """Run ``mlflow ui`` on ``store`` on a free port of this machine; yield its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    settings = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
    command = [sys.executable, "-m", "mlflow", "ui", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    with (
        (folder / "ui.log").open("wb") as log,
        subprocess.Popen(
            [*command, "--backend-store-uri", store],
            env={**os.environ, **settings},
            stdout=log,
            stderr=log,
            start_new_session=True,  # its workers end with it
        ) as server,
    ):
        try:
            _wait_for(f"http://127.0.0.1:{port}/health", server)
            yield f"http://127.0.0.1:{port}"
        finally:
            os.killpg(server.pid, signal.SIGTERM)


def _wait_for(address: str, server: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + PATIENCE_MS / 1000
    while time.monotonic() < deadline and server.poll() is None:
        try:
            urllib.request.urlopen(address, timeout=5).close()  # noqa: S310 - this machine's own server
        except OSError:
            time.sleep(0.3)
        else:
            return
    pytest.fail("mlflow ui did not start")


@contextmanager
def browsing(*, width: int = 1400, height: int = 800) -> Iterator[Page]:
    """Yield a page of a headless Chromium in which MLflow's assistant keeps out of the way."""
    with sync_playwright() as playwright:
        sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []  # root has none
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=sandbox)
        context = browser.new_context(viewport={"width": width, "height": height})
        context.set_default_timeout(PATIENCE_MS)
        context.add_init_script(
            "".join(f"localStorage.setItem('mlflow.{name}', '{value}');" for name, value in SEEN_BEFORE.items())
        )
        try:
            yield context.new_page()
        finally:
            browser.close()


def coloured(picture: bytes) -> int:
    """Return how many pixels of a PNG are neither grey nor nearly so."""
    pixels = np.asarray(Image.open(io.BytesIO(picture)).convert("RGB"), dtype=np.int16)
    return int((np.ptp(pixels, axis=2) > 60).sum())


def texts(found: Locator) -> list[str]:
    """Return the text of every element found, once the first is there."""
    found.first.wait_for()
    return [text.strip() for text in found.all_inner_texts()]
