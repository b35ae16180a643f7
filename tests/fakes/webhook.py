"""A webhook in this process: real HTTPS on a free port with a certificate of its own CA, answers made by the test."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from aiohttp import web

from cloudstub.api import certificates

Object = dict[str, Any]
Answer = Callable[[Object], Object | web.StreamResponse | Awaitable[Any]]


@dataclass
class Webhook:
    port: int
    ca_bundle: str
    heard: list[Object] = field(default_factory=list)
    """The requests, in the order in which they came."""

    def client(self, path: str = "/hook") -> Object:
        return {"url": f"https://127.0.0.1:{self.port}{path}", "caBundle": self.ca_bundle}


@asynccontextmanager
async def serve(directory: Path, answer: Answer, names: tuple[str, ...] = ("127.0.0.1",)) -> AsyncIterator[Webhook]:
    """``answer`` gets the ``request`` of a review and gives its ``response``, or a whole HTTP response."""
    directory.mkdir(exist_ok=True)
    files = certificates.ensure(directory, names, now=datetime.now(UTC))

    async def handle(request: web.Request) -> web.StreamResponse:
        review = await request.json()
        hook.heard.append(review["request"])
        response = answer(review["request"])
        if asyncio.iscoroutine(response):
            response = await response
        if isinstance(response, web.StreamResponse):
            return response
        return web.json_response({**review, "request": None, "response": {"uid": review["request"]["uid"], **response}})

    app = web.Application(client_max_size=64 * 1024 * 1024)
    app.router.add_post("/{path:.*}", handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=certificates.server_context(files))
    await site.start()
    hook = Webhook(int(runner.addresses[0][1]), base64.b64encode(files.ca.read_bytes()).decode())
    try:
        yield hook
    finally:
        await runner.cleanup()
