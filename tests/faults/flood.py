"""One board is flooded; how long does another wait for its messages? (D8)"""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import aiohttp

from demo.parts import Board
from tests.bench.figure import percentile
from tests.faults.eyes import held
from tests.faults.ground import Account, Ground, start_broker, write_config
from tests.system.api import api_session
from tests.system.mqtt import Client
from viaduct import topics

_SAMPLES = 200
_AT_ONCE = 32
_PER_POD = 500
_MERGE = {"Content-Type": "application/merge-patch+json"}
_number = itertools.count(1)


def flooded_neighbour(ground: Ground, account: Account, objects: int) -> None:
    """``objects`` ConfigMaps wait for a neighbour while a wish for our board goes down again and again; then the neighbour comes."""
    with _neighbour(ground) as neighbour:
        ground.background.run(_queue(ground, neighbour.node, objects), 600)
        quiet = ground.background.run(_delays(ground, _SAMPLES), 120)
        neighbour.start()
        flooded: list[float] = []
        while len(flooded) < _SAMPLES or (_arrived(neighbour) < objects and len(flooded) < 50 * _SAMPLES):
            flooded += ground.background.run(_delays(ground, 50), 120)
        calm, busy = percentile(quiet, 0.99), percentile(flooded, 0.99)
        account.note(
            f"a wish reached the board's mapper within {calm * 1000:.0f} ms (p99 of {len(quiet)}) while the neighbour was away, within "
            f"{busy * 1000:.0f} ms (p99 of {len(flooded)}) while {objects:,} objects went to it: {busy / calm:.1f} times as long"
        )
        neighbour.stop()


@contextmanager
def _neighbour(ground: Ground) -> Iterator[Board]:
    board = Board(ground.site, "neighbour", mqtt=start_broker(ground.stage, "neighbours-broker"))
    board.join()
    write_config(board, pods=False)
    ground.site.kubectl("apply", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "Node", "metadata": {"name": board.node}}))
    yield board


async def _queue(ground: Ground, node: str, objects: int) -> None:
    names = [f"flood-{number}" for number in range(objects)]
    room = asyncio.Semaphore(_AT_ONCE)

    async def post(session: aiohttp.ClientSession, kind: str, body: dict[str, Any]) -> None:
        async with room, session.post(f"/api/v1/namespaces/default/{kind}", json=body) as answer:
            answer.raise_for_status()

    async with api_session(ground.site) as session:
        await asyncio.gather(*(post(session, "configmaps", {"metadata": {"name": name}, "data": {"text": "x" * 200}}) for name in names))
        for first in range(0, objects, _PER_POD):
            volumes = [{"name": name, "configMap": {"name": name}} for name in names[first : first + _PER_POD]]
            spec = {"nodeName": node, "containers": [{"name": "main", "image": "localhost/none"}], "volumes": volumes}
            await post(session, "pods", {"metadata": {"name": f"flood-{first}"}, "spec": spec})


async def _delays(ground: Ground, samples: int) -> list[float]:
    """Seconds from the PATCH of a desired value to the delta on MQTT, one after the other."""
    device = ground.cast.probe
    taken = []
    async with api_session(ground.site) as session:
        client = await asyncio.to_thread(Client, ground.broker, topics.twin_update_delta(device))
        try:
            for _ in range(samples):
                value = str(next(_number))
                body = {"status": {"twins": [{"propertyName": "level", "desired": {"value": value, "metadata": {"type": "string"}}}]}}
                began = time.perf_counter()
                path = f"/apis/devices.kubeedge.io/v1alpha1/namespaces/default/devices/{device}"
                async with session.patch(path, data=json.dumps(body), headers=_MERGE) as answer:
                    answer.raise_for_status()
                while json.loads((await asyncio.to_thread(client.arrivals.get, timeout=30))[1])["delta"].get("level") != value:
                    pass
                taken.append(time.perf_counter() - began)
        finally:
            await asyncio.to_thread(client.close)
    return taken


def _arrived(board: Board) -> int:
    database = board.folder / "edgecore.db"
    return sum(key.startswith("default/configmap/flood-") for key in held(database)) if database.exists() else 0
