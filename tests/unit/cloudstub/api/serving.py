"""A server in this process, on plain HTTP and a free port, and a client that speaks to it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp

from cloudstub.api.auth import ADMIN, Authenticator
from cloudstub.api.server import listen
from cloudstub.api.service import Service
from cloudstub.app import new_world, version_info
from cloudstub.store.database import Database
from cloudstub.store.store import Store
from cloudstub.verbs.create import create
from cloudstub.verbs.world import Target
from cloudstub.webhooks.writes import Webhooks

TOKEN = "secret-token"
Object = dict[str, Any]


@dataclass
class Answer:
    status: int
    headers: Any
    text: str

    @property
    def value(self) -> Object:
        value: Object = json.loads(self.text)
        return value


@dataclass
class Client:
    session: aiohttp.ClientSession
    url: str
    port: int
    store: Store

    async def call(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        """``body`` is sent as it is when it is bytes or text, else as JSON. `_` in header names stands for `-`."""
        data = body if isinstance(body, bytes | str) or body is None else json.dumps(body)
        sent = {"Authorization": f"Bearer {TOKEN}", **({"Content-Type": "application/json"} if data else {})}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        async with self.session.request(method, self.url + path, data=data, headers=sent) as response:
            return Answer(response.status, response.headers, await response.text())

    async def get(self, path: str, **headers: str) -> Object:
        answer = await self.call("GET", path, **headers)
        assert answer.status == 200, answer
        return answer.value

    @asynccontextmanager
    async def watch(self, path: str, **headers: str) -> AsyncIterator[Callable[[], Awaitable[Object]]]:
        """Gives a function that waits for the next event."""
        sent = {"Authorization": f"Bearer {TOKEN}", **headers}
        async with self.session.get(self.url + path, headers=sent) as response:

            async def following() -> Object:
                line = await asyncio.wait_for(response.content.readline(), 5)
                event: Object = json.loads(line) if line else {}
                return event

            yield following


def serve(tmp_path: Path, act: Callable[[Client], Awaitable[None]]) -> None:
    """Run a test against a server that has the namespace ``default``."""

    async def run() -> None:
        store = Store(Database(tmp_path / "store.db"), now_ms=lambda: 0)
        world = new_world(store, lambda: datetime.now(UTC))
        namespaces = world.catalog.by_resource("namespaces")
        assert namespaces is not None
        create(world, Target(namespaces, "v1"), {"metadata": {"name": "default"}})
        await store.committed()
        webhooks = Webhooks(store)
        service = Service(world, Authenticator([(TOKEN, ADMIN)]), version_info({}), webhooks)
        runner, port = await listen(service, "127.0.0.1", 0, None)
        try:
            async with aiohttp.ClientSession() as session:
                await act(Client(session, f"http://127.0.0.1:{port}", port, store))
        finally:
            store.broadcast.end_all()
            await runner.cleanup()
            await webhooks.close()
            store.close()

    asyncio.run(run())
