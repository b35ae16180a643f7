"""The controllers on a fake API server with real informers, and a fake hub."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import wraps
from typing import Any, ParamSpec

from cloudcore.devicecontroller.service import DeviceController
from cloudcore.edgecontroller.service import EdgeController
from cloudcore.kube import resources
from cloudcore.synccontroller.record import SyncRecord
from cloudcore.synccontroller.service import SyncController
from cloudcore.upgradecontroller.service import UpgradeController
from tests.fakes.downlink import FakeDownlink
from tests.fakes.kube import FakeKube
from viaduct.message import Message, new_message

P = ParamSpec("P")
NOW = datetime(2020, 5, 1, 12, 0, 0, tzinfo=UTC)


def in_loop(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """Run a coroutine as a test."""

    @wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        asyncio.run(test(*args, **kwargs))

    return run


@dataclass(frozen=True, slots=True)
class Cloud:
    kube: Any
    hub: FakeDownlink
    edge: EdgeController
    device: DeviceController
    upgrade: UpgradeController
    record: SyncRecord
    sync: SyncController


@asynccontextmanager
async def cloud(
    *nodes: str, kube: Any = None, sync_period: float = 0.02, now: Callable[[], datetime] = lambda: NOW
) -> AsyncIterator[Cloud]:
    """Everything started; ``nodes`` are connected. ``kube``: a FakeKube, or what has its ``informer`` and ``stop`` beside a client."""
    kube = kube or FakeKube()
    hub = FakeDownlink(*nodes)
    get = {
        resource: kube.informer(resource)
        for resource in (
            resources.PODS,
            resources.NODES,
            resources.CONFIGMAPS,
            resources.SECRETS,
            resources.SERVICES,
            resources.ENDPOINTS,
            resources.DEVICE_RULES,
            resources.NODE_UPGRADE_JOBS,
            resources.DEVICES,
            resources.DEVICE_MODELS,
            resources.OBJECT_SYNCS,
            resources.CLUSTER_OBJECT_SYNCS,
        )
    }
    record = SyncRecord(
        kube,
        objectsyncs=get[resources.OBJECT_SYNCS],
        clusterobjectsyncs=get[resources.CLUSTER_OBJECT_SYNCS],
        gather_seconds=0.005,
        retry_seconds=0.02,
    )
    sync = SyncController(record, nodes=get[resources.NODES], downlink=hub, period=sync_period)
    edge = EdgeController(
        kube,
        pods=get[resources.PODS],
        nodes=get[resources.NODES],
        configmaps=get[resources.CONFIGMAPS],
        secrets=get[resources.SECRETS],
        services=get[resources.SERVICES],
        endpoints=get[resources.ENDPOINTS],
        rules=get[resources.DEVICE_RULES],
        downlink=hub,
        now=lambda: NOW,
        noticed=sync.notice,
    )
    device = DeviceController(
        kube,
        devices=get[resources.DEVICES],
        models=get[resources.DEVICE_MODELS],
        configmaps=get[resources.CONFIGMAPS],
        downlink=hub,
        now=lambda: NOW,
        noticed=sync.notice,
    )
    upgrade = UpgradeController(
        kube,
        jobs=get[resources.NODE_UPGRADE_JOBS],
        nodes=get[resources.NODES],
        downlink=hub,
        now=now,
        noticed=sync.notice,
    )
    sync.watch([edge, device, upgrade])
    parts = (edge, device, upgrade, sync)
    for part in parts:
        await part.start()
    try:
        yield Cloud(kube, hub, edge, device, upgrade, record, sync)
    finally:
        for part in parts:
            await part.stop()
        await kube.stop()


def upstream(resource: str, content: Any = None, *, operation: str = "update", source: str = "edged", group: str = "meta") -> Message:
    return new_message(source=source, group=group, operation=operation, resource=resource, now_ms=1, content=content)
