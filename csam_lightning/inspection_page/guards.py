"""What stands between the page and whoever reaches its port."""

from collections.abc import Sequence
from http import HTTPStatus

from fastapi import FastAPI
from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

OVERHEAD = 100_000
"""Bytes of a request besides the file that it brings."""

HEADERS = {
    # The library compiles templates in the browser, which takes unsafe-eval; nothing may come from elsewhere.
    "content-security-policy": "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self'; "
    "object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
}


def guard(app: FastAPI, *, names: Sequence[str], most_bytes: int) -> None:
    """Let ``app`` answer by known names alone and take no request beyond a size; tell browsers to load nothing else.

    Args:
        app: The server.
        names: What it may be called; a page elsewhere that was given this machine's address calls it otherwise.
        most_bytes: Of a file.
    """
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=list(names), www_redirect=False)
    app.add_middleware(BoundedRequests, most_bytes=most_bytes + OVERHEAD)
    app.add_middleware(StrictHeaders)


class BoundedRequests:
    """Refuses requests whose body is too large, or that do not say how large it is, before any of it is read."""

    def __init__(self, app: ASGIApp, most_bytes: int) -> None:
        """Stand before ``app``."""
        self.app = app
        self.most_bytes = most_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer 411 or 413."""
        refusal = self._refusal(Headers(scope=scope)) if scope["type"] == "http" else None
        answer = self.app if refusal is None else PlainTextResponse(refusal.phrase, refusal)
        await answer(scope, receive, send)

    def _refusal(self, headers: Headers) -> HTTPStatus | None:
        if "transfer-encoding" in headers:
            return HTTPStatus.LENGTH_REQUIRED
        told = headers.get("content-length", "0")
        return None if told.isdecimal() and int(told) <= self.most_bytes else HTTPStatus.REQUEST_ENTITY_TOO_LARGE


class StrictHeaders:
    """Adds ``HEADERS`` to every answer."""

    def __init__(self, app: ASGIApp) -> None:
        """Stand before ``app``."""
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""

        async def strict(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        await self.app(scope, receive, strict)
