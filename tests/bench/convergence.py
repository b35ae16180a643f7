"""A real board that comes back to a thousand changed objects: from its reconnect until it has stored and acknowledged them all (D5)."""

from __future__ import annotations

import asyncio
import time
import urllib.request
from collections.abc import Iterator
from typing import Any

import aiohttp

from tests.bench.figure import Figure, Group
from tests.bench.stand import NODE, Stand
from tests.system.api import api_session

_OBJECTS = 1000
_LIMIT_S = 60.0
_CONFIGMAPS = "/api/v1/namespaces/default/configmaps"
_PODS = "/api/v1/namespaces/default/pods"


def measure(stand: Stand) -> Iterator[Figure]:
    before = _metric(stand, "bramble_cloudcore_acknowledged_total")
    asyncio.run(_write(stand, "1", first=True))
    _until(stand, "bramble_cloudcore_acknowledged_total", before + _OBJECTS + 1)
    stand.board.stop()
    _until(stand, 'bramble_cloudcore_nodes_connected{mode="ledger"}', 0, exactly=True)
    asyncio.run(_write(stand, "2", first=False))
    before = _metric(stand, "bramble_cloudcore_acknowledged_total")
    stand.board.start()
    _until(stand, 'bramble_cloudcore_nodes_connected{mode="ledger"}', 1)
    reconnected = time.monotonic()
    _until(stand, "bramble_cloudcore_acknowledged_total", before + _OBJECTS)
    yield Figure("convergence_1000", time.monotonic() - reconnected, "s")
    asyncio.run(_clear(stand))


async def _write(stand: Stand, value: str, *, first: bool) -> None:
    """A thousand ConfigMaps, and a pod that names them and never starts: its image is nowhere."""
    names = [f"many-{number}" for number in range(_OBJECTS)]
    left = iter(names)

    async def write(session: aiohttp.ClientSession) -> None:
        for name in left:
            body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "labels": {"bench": "many"}}, "data": {"a": value}}
            async with session.request("POST" if first else "PUT", _CONFIGMAPS if first else f"{_CONFIGMAPS}/{name}", json=body) as answer:
                answer.raise_for_status()

    async with api_session(stand.site) as session:
        await asyncio.gather(*(write(session) for _ in range(32)))
        if first:
            sources = [{"configMapRef": {"name": name}} for name in names]
            container = {"name": "c", "image": "localhost/nowhere:1", "imagePullPolicy": "Never", "envFrom": sources}
            pod: dict[str, Any] = {"metadata": {"name": "many"}, "spec": {"nodeName": NODE, "containers": [container]}}
            async with session.post(_PODS, json={"apiVersion": "v1", "kind": "Pod"} | pod) as answer:
                answer.raise_for_status()


async def _clear(stand: Stand) -> None:
    async with api_session(stand.site) as session:
        for path, query in ((f"{_PODS}/many", {}), (_CONFIGMAPS, {"labelSelector": "bench=many"})):
            async with session.delete(path, params=query) as answer:
                answer.raise_for_status()


def _until(stand: Stand, name: str, value: float, *, exactly: bool = False) -> None:
    ends = time.monotonic() + _LIMIT_S
    while (now := _metric(stand, name)) < value or (exactly and now != value):
        if time.monotonic() > ends:
            raise RuntimeError(f"{name} is {now:g}, not {value:g} within {_LIMIT_S:g} s")
        time.sleep(0.02)


def _metric(stand: Stand, name: str) -> float:
    with urllib.request.urlopen(f"http://127.0.0.1:{stand.site.metrics}/metrics", timeout=10) as answer:
        lines = answer.read().decode().splitlines()
    return next((float(line.rpartition(" ")[2]) for line in lines if line.rpartition(" ")[0] == name), 0.0)


GROUP = Group(("convergence_1000",), measure, needs_board=True)
