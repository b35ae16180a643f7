"""CloudCore over a real cloudstub, a board that is played with two pods bound to it, and an API server's way to the kubelet port."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

from cloudcore.kube.client import KubeClient
from cloudcore.kube.resources import PODS
from tests.contract.cloudcore.test_cloudcore_on_cloudstub import World, pod_body, world
from tests.fakes.streamboard import StreamBoard


class Ground:
    """A board with two pods bound to it, and an API server's way to the kubelet port."""

    def __init__(self, made: World, kube: KubeClient, board: StreamBoard) -> None:
        self.world = made
        self.kube = kube
        self.board = board
        self.base = f"https://127.0.0.1:{made.core.kubelet_port}"
        stub = made.folder / "stub"
        self.session = api_server(stub / "kubelet-client.crt", stub / "kubelet-client.key")

    @asynccontextmanager
    async def get(self, path: str, **more: Any) -> AsyncIterator[aiohttp.ClientResponse]:
        async with self.session.get(self.base + path, headers={"Host": "edge1.localhost"}, **more) as answer:
            yield answer

    async def until_known(self, pod: str) -> None:
        """CloudCore hears of pods by a watch."""
        async with asyncio.timeout(10):
            while (await self.text(f"/containerLogs/default/{pod}/a?tailLines=0"))[0] == 404:
                await asyncio.sleep(0.02)

    async def text(self, path: str) -> tuple[int, str]:
        async with self.get(path) as answer:
            return answer.status, await answer.text()

    async def kubectl(self, path: str, **more: Any) -> tuple[int, Any]:
        """A request to the API as its administrator."""
        headers = {"Authorization": f"Bearer {self.world.stub.token}"}
        async with self.session.get(self.world.stub.url + path, headers=headers, **more) as answer:
            body = await answer.text()
            return answer.status, json.loads(body) if answer.content_type == "application/json" else body


def api_server(certificate: Path | None = None, key: Path | None = None) -> aiohttp.ClientSession:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if certificate is not None:
        context.load_cert_chain(certificate, key)
    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context, force_close=True))


@asynccontextmanager
async def ground() -> AsyncIterator[Ground]:
    async with world() as (made, kube):
        edge, context = await made.board("edge1")
        board = StreamBoard("edge1", edge, made.core.hub_port, context)
        for name, containers in (("web", ["c"]), ("two", ["a", "broken"])):
            body = pod_body(name, containers=[{"name": container, "image": "x"} for container in containers])
            await kube.create(PODS, "default", body)
        found = Ground(made, kube, board)
        await found.until_known("two")
        try:
            yield found
        finally:
            await found.session.close()
            await board.close()
