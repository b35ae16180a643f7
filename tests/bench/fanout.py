"""One ConfigMap to all nodes of one CloudCore (C6): how long until all have acknowledged it, what it costs in memory and CPU."""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import partial
from typing import Any

from cloudcore.kube.client import KubeClient
from cloudcore.kube.resources import CONFIGMAPS
from tests.bench.cloud import cloud, settle
from tests.bench.figure import Figure, Group, cpu_seconds, pss_mb

_SPEC = {"containers": [{"name": "c", "image": "busybox", "envFrom": [{"configMapRef": {"name": "shared"}}]}]}
_PARTS = (
    ("connect", "s"),
    ("first_sync", "s"),
    ("memory_per_node", "KB"),
    ("memory_per_connection", "KB"),
    ("seconds", "s"),
    ("cpu", "s"),
    ("idle_cpu", "%_of_a_core"),
)


def _shared(value: str) -> dict[str, Any]:
    return {"metadata": {"name": "shared", "namespace": "default"}, "data": {"value": value, "filling": "x" * 1500}}


async def _create(kube: KubeClient) -> None:
    await kube.create(CONFIGMAPS, "default", _shared("1"))


async def _change(kube: KubeClient) -> None:
    await kube.update(CONFIGMAPS, "default", _shared("2"))


def measure(nodes: int, _: object) -> Iterator[Figure]:
    with cloud() as made:
        settle()
        idle = pss_mb(made.pid)
        made.ask(_create)
        made.populate([f"node{number}" for number in range(nodes)], _SPEC)
        settle()
        listed = pss_mb(made.pid)
        began = time.monotonic()
        with made.fleet("node", nodes) as fleet:
            connected = fleet.connected()
            yield _figure(nodes, "connect", connected - began)
            yield _figure(nodes, "first_sync", fleet.stored(2 * nodes) - began)
            settle(15.0)
            used = cpu_seconds(made.pid)
            settle(10.0)
            yield _figure(nodes, "idle_cpu", (cpu_seconds(made.pid) - used) / 10.0 * 100)
            full = pss_mb(made.pid)
            yield _figure(nodes, "memory_per_node", (full - idle) * 1024 / nodes)
            yield _figure(nodes, "memory_per_connection", (full - listed) * 1024 / nodes)
            used, began = cpu_seconds(made.pid), time.monotonic()
            made.ask(_change)
            yield _figure(nodes, "seconds", fleet.stored(nodes) - began)
            yield _figure(nodes, "cpu", cpu_seconds(made.pid) - used)


def _figure(nodes: int, part: str, value: float) -> Figure:
    return Figure(f"fanout_{nodes}.{part}", value, dict(_PARTS)[part])


def _group(nodes: int) -> Group:
    return Group(tuple(f"fanout_{nodes}.{part}" for part, _ in _PARTS), partial(measure, nodes))


SMALL, LARGE = _group(1000), _group(10_000)
