"""What browsers send: names are shown only, and sizes are bounded whoever asks."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI, Request

from csam_lightning.errors import InputError
from csam_lightning.inspection_page.guards import OVERHEAD, guard
from csam_lightning.inspection_page.uploads import Limits, keep, tame


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("../../x.png", "x.png"),
        ("C:\\scans\\x.png", "x.png"),
        ("a\n\x1b[31m.png", "a\\n\\x1b[31m.png"),
        ("=HYPERLINK(1).png", "./=HYPERLINK(1).png"),
        ("", "unnamed"),
        ("..", ".."),
        ("<img src=x>.png", "<img src=x>.png"),
        ("x" * 300 + ".png", "x" * 100 + "…" + "x" * 15 + ".png"),
    ],
)
def test_names_are_tamed(name: str, shown: str) -> None:
    assert tame(name) == shown


def test_files_are_kept_by_their_content(tmp_path: Path) -> None:
    limits = Limits(megabytes=1, files=3)
    data = bytes(1_000_000)
    files = [keep(data, tmp_path, limits) for _ in range(2)]
    assert [file.name for file in files] == [hashlib.sha256(data).hexdigest()] * 2
    with pytest.raises(InputError, match=r"is too large \(more than 1 MB\); cut or scale the image down"):
        keep(bytes(1_000_001), tmp_path, limits)


def test_requests_are_bounded_and_names_of_the_server_known() -> None:
    app = FastAPI()

    @app.post("/")
    async def size(request: Request) -> int:
        return len(await request.body())

    guard(app, names=["127.0.0.1", "page.lab"], most_bytes=1000)
    most = bytes(1000 + OVERHEAD)

    async def piecemeal() -> AsyncIterator[bytes]:
        yield most
        yield most

    async def ask() -> None:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://page.lab:8080") as client:
            answer = await client.post("/", content=most)
            assert answer.json() == len(most)
            assert "default-src 'self'" in answer.headers["content-security-policy"]
            assert (await client.post("/", content=most + b"x")).status_code == 413
            assert (await client.post("/", content=piecemeal())).status_code == 411
            assert (await client.post("/", headers={"host": "elsewhere.example"})).status_code == 400

    asyncio.run(ask())
