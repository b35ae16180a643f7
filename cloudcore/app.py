"""Builds CloudCore and hands each part what it may touch. Runs in whatever event loop calls it."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import ssl
import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from cloudcore.admission import configuration
from cloudcore.admission.service import Admission
from cloudcore.announcement import announce, announced_addresses
from cloudcore.cloudhub.enrolment import enrolment_app
from cloudcore.cloudhub.pairing import PairingDesk, keep_the_list
from cloudcore.cloudhub.revoking import keep_out_the_revoked
from cloudcore.cloudhub.routing import Target
from cloudcore.cloudhub.service import CloudHub
from cloudcore.cloudhub.session import Limits
from cloudcore.cloudhub.upstream import Taker
from cloudcore.cloudstream.apiservice import api_service, keep_trusted, settle
from cloudcore.cloudstream.kubelet import pod_place
from cloudcore.cloudstream.metricsserver import MetricsServer
from cloudcore.cloudstream.service import CloudStream
from cloudcore.cloudstream.summaries import Summaries
from cloudcore.config import CloudCoreConfig, KubeAPI
from cloudcore.devicecontroller.service import DeviceController
from cloudcore.edgecontroller.service import EdgeController
from cloudcore.errors import ConfigError
from cloudcore.history.sample import Caps as HistoryCaps
from cloudcore.history.service import History
from cloudcore.history.sinks import outlets
from cloudcore.keeper import keep
from cloudcore.kube import definitions, resources
from cloudcore.kube.client import KubeClient
from cloudcore.kube.informers import Informers
from cloudcore.kube.kubeconfig import find_access
from cloudcore.kube.ownership import Webhook
from cloudcore.kube.patience import until_answered
from cloudcore.monitor.exposition import Source
from cloudcore.monitor.service import Monitor
from cloudcore.pki.identity import Identity, open_identity
from cloudcore.pki.ports import NAMESPACE
from cloudcore.pki.registry import TOKEN_SECRET
from cloudcore.pki.revocation import REVOKED_SECRET
from cloudcore.pki.tls import ipv4_addresses, kubelet_ssl_context, server_ssl_context
from cloudcore.pki.waitinglist import PAIRING_SECRET
from cloudcore.ports import Notice, Uplink
from cloudcore.records.record import Caps
from cloudcore.records.service import Records
from cloudcore.router.server import RouterServer
from cloudcore.router.service import Router
from cloudcore.synccontroller.objectsync import slim
from cloudcore.synccontroller.record import SyncRecord
from cloudcore.synccontroller.service import SyncController
from cloudcore.tlsserver import TLSServer
from cloudcore.upgradecontroller.service import UpgradeController
from viaduct.handshake import HUB_PORT

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class Running:
    """A CloudCore at work. Ports are those really bound, 0 where a door is closed by the config."""

    hub: CloudHub
    identity: Identity
    hub_port: int
    https_port: int
    kubelet_port: int
    metrics_port: int
    monitor_port: int
    router_port: int
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
        self._measured: list[Source] = [kube.calls.readings]

    async def build(self) -> Running:
        logger.info("Kubernetes API at %s", self._kube.server)
        identity = await until_answered("opening the cluster's identity", lambda: open_identity(self._kube, now=time.time()))
        webhook = await self._open_admission(identity)
        await until_answered("installing CustomResourceDefinitions", lambda: definitions.install(self._kube, webhook))
        if webhook is not None:
            await until_answered("registering the admission webhook", lambda: configuration.register(self._kube, webhook))
        hub = self._hub(identity)
        self._measured.append(hub.readings)
        streams = self._streams(hub)
        router = self._router(hub)
        await self._controllers(hub, await self._takers(), streams, router)
        await self._watch_revocations(identity, hub)
        self._watch_expected(identity)
        kubelet_port = await self._open_kubelet(streams, identity)
        metrics_port = await self._open_metrics(streams, hub, identity)
        hub_port = await self._open_hub(hub, identity)
        https_port = await self._open_enrolment(identity, hub_port)
        self._announce(identity, https_port)
        return Running(
            hub,
            identity,
            kubelet_port=kubelet_port,
            metrics_port=metrics_port,
            hub_port=hub_port,
            https_port=https_port,
            monitor_port=await self._open_monitor(),
            router_port=await self._open_router(router),
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

    async def _takers(self) -> dict[Target, Taker]:
        return await self._records() | await self._history()

    async def _history(self) -> dict[Target, Taker]:
        settings = self._config.modules.history
        if not settings.enable:
            return {}
        caps = HistoryCaps(max_bytes=settings.max_size * 1024 * 1024, max_age=settings.max_age * 86_400)
        file = self._config.history_file if settings.local_store else None
        history = History(file, caps, outlets(settings.sinks), now_ms=lambda: int(self._now().timestamp() * 1000))
        self._closing.push_async_callback(history.stop)
        await history.start()
        self._measured.append(history.readings)
        return {Target.HISTORY: history}

    async def _records(self) -> dict[Target, Taker]:
        settings = self._config.modules.records
        if not settings.enable:
            return {}
        caps = Caps(max_bytes=settings.max_size * 1024 * 1024, max_age=settings.max_age * 86_400)
        records = Records(self._config.records_file, caps, now_ms=lambda: int(self._now().timestamp() * 1000))
        self._closing.push_async_callback(records.stop)
        await records.start()
        self._measured.append(records.readings)
        return {Target.RECORDS: records}

    def _streams(self, hub: CloudHub) -> CloudStream | None:
        settings = self._config.modules.cloud_stream
        if not settings.enable:
            return None
        pods = self._informers.get(resources.PODS)
        streams = CloudStream(
            self._kube,
            hub,
            lambda namespace, name: pod_place(pods.get(namespace, name)),
            now_ms=lambda: int(self._now().timestamp() * 1000),
            domain=settings.node_domain,
            address=settings.node_address,
        )
        self._measured.append(streams.readings)
        return streams

    def _router(self, hub: CloudHub) -> Router | None:
        settings = self._config.modules.router
        if not settings.enable:
            return None
        now_ms = lambda: int(self._now().timestamp() * 1000)  # noqa: E731
        router = Router(hub, settings.targets, seconds=settings.rest_timeout, now_ms=now_ms)
        self._closing.push_async_callback(router.stop)
        self._measured.append(router.readings)
        return router

    async def _open_router(self, router: Router | None) -> int:
        if router is None:
            return 0
        settings = self._config.modules.router
        server = RouterServer(router)
        self._closing.push_async_callback(server.stop)
        try:
            return await server.start(settings.address, settings.port)
        except OSError as exc:
            where = f"{settings.address} port {settings.port}: {exc.strerror or exc}"
            raise ConfigError(f"modules.router.port: cannot listen on {where}") from exc

    async def _controllers(self, hub: CloudHub, takers: dict[Target, Taker], streams: CloudStream | None, router: Router | None) -> None:
        get = self._informers.get
        record = SyncRecord(
            self._kube,
            objectsyncs=get(resources.OBJECT_SYNCS, slim),
            clusterobjectsyncs=get(resources.CLUSTER_OBJECT_SYNCS, slim),
        )
        sync = SyncController(record, nodes=get(resources.NODES), downlink=hub)
        modules = self._config.modules
        notice: Notice = sync.notice if modules.synccontroller.enable else lambda node, key: None
        edge = EdgeController(
            self._kube,
            pods=get(resources.PODS),
            nodes=get(resources.NODES),
            configmaps=get(resources.CONFIGMAPS),
            secrets=get(resources.SECRETS),
            services=get(resources.SERVICES),
            endpoints=get(resources.ENDPOINTS),
            rules=get(resources.DEVICE_RULES),
            downlink=hub,
            now=self._now,
            noticed=notice,
            kubelet=lambda: streams.endpoint if streams is not None else None,
        )
        device = DeviceController(
            self._kube,
            devices=get(resources.DEVICES),
            models=get(resources.DEVICE_MODELS),
            configmaps=get(resources.CONFIGMAPS),
            downlink=hub,
            now=self._now,
            noticed=notice,
        )
        upgrade = UpgradeController(
            self._kube,
            jobs=get(resources.NODE_UPGRADE_JOBS),
            nodes=get(resources.NODES),
            downlink=hub,
            now=self._now,
            noticed=notice,
        )
        wanted: list[tuple[bool, Target, Any]] = [
            (modules.edgecontroller.enable, Target.EDGE, edge),
            (modules.devicecontroller.enable, Target.DEVICE, device),
            (modules.upgradecontroller.enable, Target.UPGRADE, upgrade),
        ]
        uplinks: dict[Target, Uplink] = {target: controller for enabled, target, controller in wanted if enabled}
        sync.watch([controller for enabled, _, controller in wanted if enabled])
        started: list[Any] = [*uplinks.values(), *([sync] if modules.synccontroller.enable else [])]
        hub.introduce(
            uplinks,
            takers=takers if router is None else {**takers, Target.ROUTER: router},
            record=record if modules.synccontroller.enable else None,
            may_read=edge.may_read,
            followers=[
                *([sync.node_changed] if modules.synccontroller.enable else []),
                *([router.node_changed] if router is not None else []),
            ],
            streams=streams.tunnels if streams is not None else None,
        )
        self._measured.append(sync.readings)
        self._informers.start()
        self._closing.push_async_callback(self._informers.stop)
        for part in started:
            self._closing.push_async_callback(part.stop)
            await part.start()
        await self._informers.wait_synced(but=(resources.DEVICE_RULES, resources.NODE_UPGRADE_JOBS))

    async def _watch_revocations(self, identity: Identity, hub: CloudHub) -> None:
        changed = self._change_of(REVOKED_SECRET)
        task = keep(lambda: keep_out_the_revoked(identity.revocations.refresh, hub.close_revoked, changed), "revoked nodes")
        self._closing.push_async_callback(_cancelled, task)

    def _watch_expected(self, identity: Identity) -> None:
        changed = self._change_of(PAIRING_SECRET, TOKEN_SECRET)
        task = keep(lambda: keep_the_list(identity.expected, changed, time.time), "boards that are expected")
        self._closing.push_async_callback(_cancelled, task)

    def _change_of(self, *secrets: str) -> asyncio.Event:
        """Set whenever one of the Secrets of our namespace changes."""
        changed = asyncio.Event()
        watched = {(NAMESPACE, name) for name in secrets}

        def look(old: dict[str, Any] | None, new: dict[str, Any] | None) -> None:
            meta = (new or old or {}).get("metadata", {})
            if (meta.get("namespace"), meta.get("name")) in watched:
                changed.set()

        self._informers.get(resources.SECRETS).follow(look)
        return changed

    async def _open_kubelet(self, streams: CloudStream | None, identity: Identity) -> int:
        """Before the hub, so that the first node's status says where its kubelet is. Nodes are served without it too."""
        if streams is None:
            return 0
        settings = self._config.modules.cloud_stream
        names = [*self._names(), settings.node_domain, f"*.{settings.node_domain}", *filter(None, [settings.node_address])]
        context = kubelet_ssl_context(identity.authority, names, now=time.time())
        self._closing.push_async_callback(streams.stop)
        try:
            return await streams.start(settings.address, settings.stream_port, context)
        except OSError as exc:
            where = f"{settings.address} port {settings.stream_port}: {exc.strerror or exc}"
            logger.error("modules.cloudStream.streamPort: no kubectl logs and exec, cannot listen on %s", where)
            return 0

    async def _open_metrics(self, streams: CloudStream | None, hub: CloudHub, identity: Identity) -> int:
        """The API server asks whom the Service leads to, so a taken port is no reason to take another."""
        settings = self._config.modules.cloud_stream
        if streams is None or not settings.metrics_service:
            await until_answered("looking for an APIService of ours", lambda: settle(self._kube, None))
            return 0
        namespace, name = settings.metrics_service.split("/")
        context = kubelet_ssl_context(identity.authority, [f"{name}.{namespace}.svc", *self._names()], now=time.time())
        get = self._informers.get
        server = MetricsServer(
            self._kube,
            streams.access,
            Summaries(streams.tunnels, hub.connected),
            nodes=get(resources.NODES),
            pods=get(resources.PODS),
            now=self._now,
        )
        self._closing.push_async_callback(server.stop)
        port = await _bound("cloudStream.metricsPort", settings.address, settings.metrics_port, server.start, context)
        logger.info("metrics.k8s.io is served on %s port %d", settings.address, port)
        wanted = api_service((namespace, name), ssl.DER_cert_to_PEM_cert(identity.authority.certificate))
        await until_answered("registering metrics.k8s.io", lambda: settle(self._kube, wanted))
        self._closing.push_async_callback(_cancelled, keep(lambda: keep_trusted(self._kube, wanted), "APIService metrics.k8s.io"))
        return port

    async def _open_hub(self, hub: CloudHub, identity: Identity) -> int:
        settings = self._config.modules.cloudhub
        if not (settings.enable and settings.websocket.enable):
            return 0
        context = server_ssl_context(identity.authority, self._names(), client_required=True, now=time.time())
        # Pushed last, so sessions end first and their last words still find the controllers.
        self._closing.push_async_callback(hub.stop)
        return await _bound("cloudhub.websocket.port", settings.websocket.address, settings.websocket.port, hub.listen, context)

    async def _open_enrolment(self, identity: Identity, hub_port: int) -> int:
        settings = self._config.modules.cloudhub
        if not (settings.enable and settings.https.enable):
            return 0
        context = server_ssl_context(identity.authority, self._names(), client_required=False, now=time.time())
        lifetime = timedelta(days=settings.edge_cert_signing_duration)
        # Who dials another port than this one is told so by hand: edgecore pair --hub-port.
        desk = PairingDesk(identity.expected, hub_port or HUB_PORT, time.time)
        server = TLSServer(enrolment_app(identity.authority, identity.tokens, identity.revocations, desk=desk, lifetime=lifetime))
        self._closing.push_async_callback(server.stop)
        port = await _bound("cloudhub.https.port", settings.https.address, settings.https.port, server.start, context)
        logger.info("enrolment listens on %s port %d", settings.https.address, port)
        return port

    def _announce(self, identity: Identity, https_port: int) -> None:
        settings = self._config.modules.cloudhub
        if not (settings.announce and https_port):
            return

        def addresses() -> list[str]:
            return announced_addresses(settings.https.address, ipv4_addresses())

        task = keep(lambda: announce(https_port, identity.authority.pin, addresses, settings.advertise_address), "announcement")
        self._closing.push_async_callback(_cancelled, task)

    async def _open_admission(self, identity: Identity) -> Webhook | None:
        """The API server is told where we listen, so a taken port is no reason to go without; behind a Service it must be this one."""
        settings = self._config.modules.admission
        if not settings.enable:
            return None
        service = tuple(settings.service.split("/")) if settings.service else ()
        names = [f"{service[1]}.{service[0]}.svc"] if service else []
        context = server_ssl_context(identity.authority, [*names, settings.address, *self._names()], client_required=False, now=time.time())
        admission = Admission(self._has_model)
        self._closing.push_async_callback(admission.stop)
        try:
            port = await admission.start(settings.address, settings.port, context)
        except OSError as exc:
            if service:
                text = f"cannot listen on {settings.address} port {settings.port}: {exc.strerror or exc}"
                raise ConfigError(f"modules.admission.port: {text}") from exc
            port = await _bound("admission.port", settings.address, 0, admission.start, context)
        host = _reachable(settings.address, self._config.modules.cloudhub.advertise_address)
        logger.info("webhooks for devices listen on %s port %d", settings.address, port)
        pem = ssl.DER_cert_to_PEM_cert(identity.authority.certificate)
        return Webhook(pem, f"https://{host}:{port}", (service[0], service[1]) if service else None)

    def _has_model(self, namespace: str, name: str) -> bool:
        models = self._informers.get(resources.DEVICE_MODELS)
        return not models.synced.is_set() or models.get(namespace, name) is not None

    async def _open_monitor(self) -> int:
        """A site whose metrics cannot be read serves its nodes all the same."""
        address = self._config.common_config.monitor_server.bind_address
        if not address:
            return 0
        monitor = Monitor(self._measured)
        self._closing.push_async_callback(monitor.stop)
        try:
            return await monitor.start(address)
        except OSError as exc:
            logger.error("commonConfig.monitorServer.bindAddress: no metrics, cannot listen on %s: %s", address, exc.strerror or exc)
            return 0

    def _names(self) -> list[str]:
        settings = self._config.modules.cloudhub
        return [*settings.advertise_address, *settings.dns_names]


def _reachable(address: str, advertised: Sequence[str]) -> str:
    """The address under which others reach what listens on ``address``."""
    chosen = next(iter(advertised), "127.0.0.1") if ipaddress.ip_address(address).is_unspecified else address
    return f"[{chosen}]" if ":" in chosen else chosen


async def _bound(key: str, host: str, port: int, listen: Any, context: Any) -> int:
    try:
        return int(await listen(host, port, context))
    except OSError as exc:
        raise ConfigError(f"modules.{key}: cannot listen on {host} port {port}: {exc.strerror or exc}") from exc


async def _cancelled(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
