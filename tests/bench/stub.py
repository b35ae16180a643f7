"""cloudstub: requests a second, and the fan-out of one change to 200 watchers, over TLS as clients use it."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from typing import Any

import aiohttp

from tests.bench.figure import Figure, Group, latencies
from tests.bench.stand import Stand
from tests.system.api import api_session

_CONFIGMAPS = "/api/v1/namespaces/default/configmaps"
_WRITERS = 64
_NAMES = (
    "cloudstub.get",
    "cloudstub.create",
    "cloudstub.create_one_at_a_time",
    "cloudstub.watch_200.deliveries",
    "cloudstub.watch_200.p50",
    "cloudstub.watch_200.p99",
)


def measure(stand: Stand) -> Iterator[Figure]:
    return iter(asyncio.run(_all(stand)))


async def _all(stand: Stand) -> list[Figure]:
    async with api_session(stand.site) as session:
        figures = [Figure("cloudstub.create", await _create(session, 2000, _WRITERS), "requests/s")]
        figures.append(Figure("cloudstub.create_one_at_a_time", await _create(session, 200, 1), "requests/s"))
        figures.append(Figure("cloudstub.get", await _get(session, 4000), "requests/s"))
        figures += await _fan_out(session, watchers=200, changes=50)
        async with session.delete(_CONFIGMAPS, params={"labelSelector": "bench=yes"}) as answer:
            answer.raise_for_status()
    return figures


async def _create(session: aiohttp.ClientSession, count: int, writers: int) -> float:
    stamp = time.time_ns()

    async def write(worker: int) -> None:
        for number in range(worker, count, writers):
            body = _configmap(f"c-{stamp}-{number}", "x" * 200)
            async with session.post(_CONFIGMAPS, json=body) as answer:
                answer.raise_for_status()

    started = time.perf_counter()
    await asyncio.gather(*(write(worker) for worker in range(writers)))
    return count / (time.perf_counter() - started)


async def _get(session: aiohttp.ClientSession, count: int) -> float:
    async with session.post(_CONFIGMAPS, json=_configmap("bench-get", "x" * 200)) as answer:
        answer.raise_for_status()

    async def read() -> None:
        for _ in range(count // 32):
            async with session.get(f"{_CONFIGMAPS}/bench-get") as answer:
                answer.raise_for_status()
                await answer.read()

    started = time.perf_counter()
    await asyncio.gather(*(read() for _ in range(32)))
    return (count // 32) * 32 / (time.perf_counter() - started)


async def _fan_out(session: aiohttp.ClientSession, *, watchers: int, changes: int) -> list[Figure]:
    """``changes`` writes one after the other, each seen by every watcher before the next."""
    async with session.post(_CONFIGMAPS, json=_configmap("bench-watch", "0")) as answer:
        version = (await answer.json())["metadata"]["resourceVersion"]
    seen: asyncio.Queue[float] = asyncio.Queue()
    ready = asyncio.Semaphore(0)

    async def watch() -> None:
        query = {"watch": "true", "resourceVersion": version, "fieldSelector": "metadata.name=bench-watch"}
        async with session.get(_CONFIGMAPS, params=query) as events:
            ready.release()
            async for line in events.content:
                json.loads(line)
                seen.put_nowait(time.perf_counter())

    tasks = [asyncio.create_task(watch()) for _ in range(watchers)]
    for _ in range(watchers):
        await ready.acquire()
    taken: list[float] = []
    started = time.perf_counter()
    for number in range(1, changes + 1):
        sent = time.perf_counter()
        async with session.put(f"{_CONFIGMAPS}/bench-watch", json=_configmap("bench-watch", str(number))) as answer:
            answer.raise_for_status()
        for _ in range(watchers):
            taken.append(await seen.get() - sent)
    elapsed = time.perf_counter() - started
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return [Figure("cloudstub.watch_200.deliveries", watchers * changes / elapsed, "events/s"), *latencies("cloudstub.watch_200", taken)]


def _configmap(name: str, value: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "labels": {"bench": "yes"}}, "data": {"value": value}}


GROUP = Group(_NAMES, measure, needs_board=True)
