"""Builds CloudCore and hands each part what it may touch. Runs in whatever event loop calls it."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from cloudcore.cloudhub.enrolment import enrolment_app
from cloudcore.cloudhub.revoking import keep_out_the_revoked
from cloudcore.cloudhub.routing import Target
from cloudcore.cloudhub.service import CloudHub
from cloudcore.cloudhub.session import Limits
from cloudcore.cloudhub.tlsserver import TLSServer
from cloudcore.config import CloudCoreConfig, KubeAPI
from cloudcore.devicecontroller.service import DeviceController
from cloudcore.edgecontroller.service import EdgeController
from cloudcore.errors import ConfigError
from cloudcore.kube import definitions, resources
from cloudcore.kube.client import KubeClient
from cloudcore.kube.informers import Informers
from cloudcore.kube.kubeconfig import find_access
from cloudcore.kube.patience import until_answered
from cloudcore.pki.identity import Identity, open_identity
from cloudcore.pki.ports import NAMESPACE
from cloudcore.pki.revocation import REVOKED_SECRET
from cloudcore.pki.tls import server_ssl_context
from cloudcore.ports import Uplink
from cloudcore.synccontroller.record import SyncRecord
from cloudcore.synccontroller.service import SyncController

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class Running:
    """A CloudCore at work. Ports are those really bound, 0 where a door is closed by the config."""

    hub: CloudHub
    identity: Identity
    hub_port: int
    https_port: int
    _closing: AsyncExitStack

    async def stop(self) -> None:
        """End every session, then everything else, in the reverse order of their start."""
        await self._closing.aclose()


def utc_now() -> datetime:
    return datetime.now(UTC)


def kube_client(config: CloudCoreConfig) -> KubeClient:
    """The client that the config asks for; its default path counts as "none named".

    Raises:
        ConfigError: there is no way to a Kubernetes API, or its files cannot be used.
    """
    named = config.kube_api.kube_config
    access = find_access("" if named == KubeAPI().kube_config else named, config.kube_api.master)
    return KubeClient(access, max_connections=config.kube_api.burst)


async def start(config: CloudCoreConfig, kube: KubeClient | None = None, *, now: Callable[[], datetime] = utc_now) -> Running:
    """CloudCore, ready for nodes. Waits for the Kubernetes API for as long as it takes. ``kube`` is closed at the end.

    Raises:
        ConfigError: a setting that cannot be used, a taken port included. IdentityError: the cluster's CA cannot be read.
    """
    async with AsyncExitStack() as building:
        client = kube or kube_client(config)
        building.push_async_callback(client.close)
        running = await _Building(config, client, now, building).build()
        running._closing = building.pop_all()
        return running


class _Building:
    """The parts, in the order in which they start; ``closing`` ends them in the reverse order."""

    def __init__(self, config: CloudCoreConfig, kube: KubeClient, now: Callable[[], datetime], closing: AsyncExitStack) -> None:
        self._config = config
        self._kube = kube
        self._now = now
        self._closing = closing
        self._informers = Informers(kube)
        self._followers: list[Callable[[str, bool], None]] = []

    async def build(self) -> Running:
        logger.info("Kubernetes API at %s", self._kube.server)
        identity = await until_answered("opening the cluster's identity", lambda: open_identity(self._kube, now=time.time()))
        await until_answered("creating CustomResourceDefinitions", lambda: definitions.create_missing(self._kube))
        hub = self._hub(identity)
        await self._controllers(hub)
        await self._watch_revocations(identity, hub)
        return Running(
            hub,
            identity,
            hub_port=await self._open_hub(hub, identity),
            https_port=await self._open_enrolment(identity),
            _closing=self._closing,
        )

    def _hub(self, identity: Identity) -> CloudHub:
        settings = self._config.modules.cloudhub
        return CloudHub(
            node_limit=settings.node_limit,
            limits=Limits(keepalive=settings.keepalive_interval, write=settings.write_timeout),
            is_revoked=identity.revocations.is_revoked,
            now_ms=lambda: int(self._now().timestamp() * 1000),
        )

    async def _controllers(self, hub: CloudHub) -> None:
        get = self._informers.get
        record = SyncRecord(
            self._kube,
            objectsyncs=get(resources.OBJECT_SYNCS),
            clusterobjectsyncs=get(resources.CLUSTER_OBJECT_SYNCS),
        )
        sync = SyncController(record, nodes=get(resources.NODES), downlink=hub)
        edge = EdgeController(
            self._kube,
            pods=get(resources.PODS),
            nodes=get(resources.NODES),
            configmaps=get(resources.CONFIGMAPS),
            secrets=get(resources.SECRETS),
            downlink=hub,
            now=self._now,
            noticed=sync.notice,
        )
        device = DeviceController(
            self._kube,
            devices=get(resources.DEVICES),
            models=get(resources.DEVICE_MODELS),
            configmaps=get(resources.CONFIGMAPS),
            downlink=hub,
            now=self._now,
            noticed=sync.notice,
        )
        modules = self._config.modules
        wanted: list[tuple[bool, Target, Any]] = [
            (modules.edgecontroller.enable, Target.EDGE, edge),
            (modules.devicecontroller.enable, Target.DEVICE, device),
        ]
        uplinks: dict[Target, Uplink] = {target: controller for enabled, target, controller in wanted if enabled}
        sync.watch([controller for enabled, _, controller in wanted if enabled])
        started: list[Any] = [*uplinks.values(), *([sync] if modules.synccontroller.enable else [])]
        hub.introduce(
            uplinks,
            record=record if modules.synccontroller.enable else None,
            may_read=edge.may_read,
            followers=[sync.node_changed] if modules.synccontroller.enable else [],
        )
        self._informers.start()
        self._closing.push_async_callback(self._informers.stop)
        for part in started:
            self._closing.push_async_callback(part.stop)
            await part.start()
        await self._informers.wait_synced()

    async def _watch_revocations(self, identity: Identity, hub: CloudHub) -> None:
        changed = asyncio.Event()

        def look(old: dict[str, Any] | None, new: dict[str, Any] | None) -> None:
            meta = (new or old or {}).get("metadata", {})
            if (meta.get("namespace"), meta.get("name")) == (NAMESPACE, REVOKED_SECRET):
                changed.set()

        self._informers.get(resources.SECRETS).follow(look)
        task = asyncio.create_task(keep_out_the_revoked(identity.revocations.refresh, hub.close_revoked, changed), name="revoked nodes")
        self._closing.push_async_callback(_cancelled, task)

    async def _open_hub(self, hub: CloudHub, identity: Identity) -> int:
        settings = self._config.modules.cloudhub
        if not (settings.enable and settings.websocket.enable):
            return 0
        context = server_ssl_context(identity.authority, self._names(), client_required=True, now=time.time())
        # Pushed last, so sessions end first and their last words still find the controllers.
        self._closing.push_async_callback(hub.stop)
        return await _bound("websocket", settings.websocket.address, settings.websocket.port, hub.listen, context)

    async def _open_enrolment(self, identity: Identity) -> int:
        settings = self._config.modules.cloudhub
        if not (settings.enable and settings.https.enable):
            return 0
        context = server_ssl_context(identity.authority, self._names(), client_required=False, now=time.time())
        lifetime = timedelta(days=settings.edge_cert_signing_duration)
        server = TLSServer(enrolment_app(identity.authority, identity.tokens, identity.revocations, lifetime=lifetime))
        self._closing.push_async_callback(server.stop)
        port = await _bound("https", settings.https.address, settings.https.port, server.start, context)
        logger.info("enrolment listens on %s port %d", settings.https.address, port)
        return port

    def _names(self) -> list[str]:
        settings = self._config.modules.cloudhub
        return [*settings.advertise_address, *settings.dns_names]


async def _bound(key: str, host: str, port: int, listen: Any, context: Any) -> int:
    try:
        return int(await listen(host, port, context))
    except OSError as exc:
        raise ConfigError(f"modules.cloudhub.{key}.port: cannot listen on {host} port {port}: {exc.strerror or exc}") from exc


async def _cancelled(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
