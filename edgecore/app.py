"""The root of EdgeCore: builds the modules, hands each what it may touch, starts and stops them. Nothing here waits for the network."""

from __future__ import annotations

import logging
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from edgecore import statetree, surroundings
from edgecore.beehive import readings as beehive_readings
from edgecore.beehive.keeper import Keeper
from edgecore.beehive.letters import OutboxChanged
from edgecore.beehive.switchboard import Switchboard
from edgecore.certs import renewal
from edgecore.certs.clock import SignedClock
from edgecore.certs.files import stored_identity
from edgecore.cloudlink import Timeouts
from edgecore.config import EdgeCoreConfig
from edgecore.config import Edged as EdgedConfig
from edgecore.config import EdgeHub as EdgeHubConfig
from edgecore.config import History as HistoryConfig
from edgecore.config import Metrics as MetricsConfig
from edgecore.config import Outbox as OutboxConfig
from edgecore.containers.progress import PullBoard
from edgecore.edgehub.counts import HubCounts
from edgecore.edgehub.dialing import Address, Dialing, Renewal
from edgecore.edgehub.module import EdgeHub, HubSettings
from edgecore.metaclient import MetaClient
from edgecore.metamanager.module import MetaManager, MetaSettings
from edgecore.metrics.exposition import Family, counter, render
from edgecore.store import readings as store_readings
from edgecore.store.ceiling import Caps
from edgecore.store.database import Database
from edgecore.store.history import Caps as HistoryCaps
from edgecore.store.recorder import Flash, Recorder
from supervision.metricsserver import MetricsServer
from supervision.notify import ServiceManager, service_manager
from viaduct import __version__
from viaduct.vocabulary import Group, ModuleName

if TYPE_CHECKING:
    from edgecore.containers.streams import Streams
    from edgecore.edged.naming import Proxy

logger = logging.getLogger(__name__)

STOP_TIMEOUT = 20.0
_REACH_TIMEOUT = 2.0


@dataclass(slots=True)
class Agent:
    """Everything that runs. ``stop`` leaves the containers running."""

    node: str
    switchboard: Switchboard
    keeper: Keeper
    database: Database
    lock: surroundings.InstanceLock
    renewal: Renewal | None
    metrics: MetricsServer | None

    def start(self) -> None:
        self.keeper.start()
        if self.metrics is not None:
            self.metrics.start()
        if self.renewal is not None:
            self.renewal.start()

    def stop(self) -> bool:
        """False: a module did not end in time."""
        if self.renewal is not None:
            self.renewal.stop()
        if self.metrics is not None:
            self.metrics.stop()
        late = self.keeper.stop(STOP_TIMEOUT - 5)
        if late:
            logger.error("did not end in time: %s", ", ".join(late))
        self.database.close(4.0)
        self.lock.release()
        return not late


def run(config: EdgeCoreConfig) -> int:
    """Run until SIGTERM or SIGINT. Returns the exit code.

    Raises:
        EdgeCoreError: EdgeCore cannot run here; the text says why.
    """
    surroundings.check()
    asked = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: asked.set())
    manager = service_manager()
    agent = build(config)
    agent.start()
    logger.info("EdgeCore %s runs as node %s", __version__, agent.node)
    manager.ready(f"runs as node {agent.node}")
    _watch(agent.keeper, manager, asked)
    manager.stopping()
    logger.info("stopping; containers go on")
    return 0 if agent.stop() else 1


def _watch(keeper: Keeper, manager: ServiceManager, asked: threading.Event) -> None:
    """Until asked to end. The service manager hears that we live only while every module comes back to its mailbox."""
    while not asked.wait(manager.interval):
        silent = keeper.silent()
        if silent:
            logger.warning("no sign of life from %s since %g s", ", ".join(silent), manager.interval)
        else:
            manager.alive()


def build(config: EdgeCoreConfig) -> Agent:
    """Raises NotHere, StoreError."""
    path = Path(config.database.data_source)
    lock = surroundings.InstanceLock(path.parent)
    try:
        database = Database(path, caps=_caps(config.database.outbox), history_caps=_history_caps(config.database.history))
    except Exception:
        lock.release()
        raise
    switchboard = Switchboard()
    node = node_name(config)
    keeper = Keeper(switchboard)
    clock = SignedClock(renewal.files_of(config.modules.edgehub).signed_time)
    renewing = _renewal(config.modules.edgehub, clock)
    dialing = _dialing(config.modules.edgehub, node, clock, renewing)
    counts = HubCounts(time.monotonic())
    recorder = _recorder(config, switchboard, database)
    _keep_modules(config, node, keeper, switchboard, database, recorder, dialing, counts)
    metrics = _metrics(config.metrics, lambda: render(_readings(switchboard, keeper, database, counts, recorder)))
    return Agent(node, switchboard, keeper, database, lock, renewing, metrics)


def _metrics(config: MetricsConfig, text: Callable[[], str]) -> MetricsServer | None:
    """Numbers are no reason to stop: where the port is taken EdgeCore goes on without."""
    if not config.enable:
        return None
    try:
        server = MetricsServer(config.address, config.port, text)
    except OSError as exc:
        logger.error("metrics.port: cannot listen on %s port %d: %s; running without metrics", config.address, config.port, exc.strerror)
        return None
    logger.info("metrics on http://%s:%d/metrics", config.address, server.port)
    return server


def _readings(
    switchboard: Switchboard, keeper: Keeper, database: Database, counts: HubCounts, recorder: Recorder | None = None
) -> Iterator[Family]:
    yield from counts.families(time.monotonic())
    yield from store_readings.families(database)
    if recorder is not None:
        yield from recorder.families()
    yield from beehive_readings.families(switchboard, keeper)
    unpublished = getattr(keeper.module(ModuleName.EVENTBUS), "dropped", 0)
    yield counter("publishes_dropped_total", "MQTT messages that found no broker, since EventBus was started", unpublished)


def _caps(config: OutboxConfig) -> Caps:
    return Caps(max_bytes=config.max_size * 1024 * 1024, max_age=config.max_age * 24 * 3600)


def _history_caps(config: HistoryConfig) -> HistoryCaps:
    return HistoryCaps(max_bytes=config.max_size * 1024 * 1024, max_age=config.max_age * 24 * 3600)


def _recorder(config: EdgeCoreConfig, switchboard: Switchboard, database: Database) -> Recorder | None:
    """Outlives DeviceTwin, as what it gathered must."""
    history = config.database.history
    if not (history.enable and config.modules.devicetwin.enable):
        return None
    flash = Flash(history.commit_interval, history.flash_budget * 1024 * 1024)
    return Recorder(database, flash, owed=lambda: switchboard.send(ModuleName.EDGEHUB, OutboxChanged()))


def node_name(config: EdgeCoreConfig) -> str:
    """The name in the certificate counts, because the cloud takes no other; before there is one, the config's or the host's."""
    wanted = config.modules.edged.hostname_override or socket.gethostname().lower()
    identity = stored_identity(renewal.files_of(config.modules.edgehub))
    if identity is None or identity.node == wanted:
        return wanted
    logger.warning("modules.edged.hostnameOverride: the certificate is that of node %s, which this board therefore is", identity.node)
    return identity.node


def _keep_modules(
    config: EdgeCoreConfig,
    node: str,
    keeper: Keeper,
    switchboard: Switchboard,
    database: Database,
    recorder: Recorder | None,
    dialing: Dialing,
    counts: HubCounts,
) -> None:
    """Modules that are off are not even imported: memory is what a board lacks."""
    modules = config.modules
    pull_board = PullBoard()
    if modules.metamanager.enable:
        settings = MetaSettings(full_report=modules.metamanager.pod_status_sync_interval)
        keeper.keep(ModuleName.METAMANAGER, Group.META, lambda: MetaManager(switchboard, database, settings))
    if modules.edged.enable:
        _keep_edged(modules.edged, node, keeper, switchboard, lambda: database.trouble, pull_board, serves=modules.edgemesh.enable)
    if modules.eventbus.enable:
        from edgecore.eventbus.module import EventBus
        from edgecore.eventbus.settings import bus_settings

        bus = bus_settings(
            modules.eventbus,
            node=node,
            directory=database.path.parent / "broker",
            topic_form=modules.devicetwin.topic_form,
            retaining=statetree.retaining(modules.eventbus, node),
            takes_samples=recorder is not None,
        )
        keeper.keep(ModuleName.EVENTBUS, Group.BUS, lambda: EventBus(switchboard, database, bus))
    if modules.servicebus.enable:
        from edgecore.servicebus.module import Door, ServiceBus

        door = Door(modules.servicebus.server, modules.servicebus.port)
        keeper.keep(ModuleName.SERVICEBUS, Group.BUS, lambda: ServiceBus(switchboard, database, door))
    if modules.devicetwin.enable:
        from edgecore.devicetwin.forms import Forms
        from edgecore.devicetwin.module import DeviceTwin

        forms = Forms(modules.devicetwin.topic_form, modules.devicetwin.device_namespace)
        showing = statetree.showing(modules.eventbus, node)
        keeper.keep(
            ModuleName.DEVICETWIN,
            Group.TWIN,
            lambda: DeviceTwin(switchboard, database, node=node, forms=forms, showing=showing, recorder=recorder),
        )
        if modules.rules.enable:
            from edgecore.rules.module import Rules

            keeper.keep(ModuleName.RULES, Group.RULES, lambda: Rules(switchboard, database, node=node, folder=modules.rules.folder))
    if modules.metamanager.enable:
        from edgecore.upgrade.module import Upgrade, why_not

        cannot = why_not if modules.upgrade.enable else lambda: "modules.upgrade.enable is off on this board"
        keeper.keep(
            ModuleName.UPGRADE, Group.UPGRADE, lambda: Upgrade(switchboard, database, socket=modules.local_api.socket, cannot=cannot)
        )
    if modules.local_api.enable:
        _keep_local_api(config, node, keeper, switchboard, database, recorder, pull_board)
    if modules.edgehub.enable:
        from edgecore.edgestream.module import EdgeStream

        wanted = modules.edgestream.enable and modules.edged.enable
        streams = _streams(modules.edged, node) if wanted else None
        keeper.keep(ModuleName.EDGESTREAM, Group.STREAM, lambda: EdgeStream(switchboard, dialing.streams, streams))
        hub = HubSettings(heartbeat=modules.edgehub.heartbeat)
        keeper.keep(ModuleName.EDGEHUB, Group.HUB, lambda: EdgeHub(switchboard, database, dialing, hub, counts))


def _keep_edged(
    config: EdgedConfig,
    node: str,
    keeper: Keeper,
    switchboard: Switchboard,
    store_trouble: Callable[[], str],
    pull_board: PullBoard,
    *,
    serves: bool,
) -> None:
    from edgecore.containers.engine import Engine
    from edgecore.containers.engine_facts import machine_facts
    from edgecore.edged.module import EdgedModule
    from edgecore.edged.settings import settings_from

    settings = replace(settings_from(config, version=__version__), node=node)
    proxy = _proxy(config.root_directory) if serves else None
    client = MetaClient(switchboard)

    def make() -> EdgedModule:
        engine = Engine(
            config.root_directory,
            endpoint=config.remote_runtime_endpoint,
            facts=machine_facts,
            timeout=config.runtime_request_timeout * 60.0,
        )
        return EdgedModule(
            settings,
            switchboard,
            client,
            engine,
            store_trouble=store_trouble,
            proxy=proxy() if proxy else None,
            pull_board=pull_board,
        )

    keeper.keep(ModuleName.EDGED, Group.EDGED, make)


def _proxy(root_directory: str) -> Callable[[], Proxy]:
    from edgecore.containers.labels import instance_of
    from edgecore.edged.volume_files import memory_root
    from edgecore.edgemesh.child import ProxyChild

    directory = (memory_root(instance_of(root_directory)) or Path(root_directory)) / "edgemesh"
    return lambda: ProxyChild(directory)


def _keep_local_api(
    config: EdgeCoreConfig,
    node: str,
    keeper: Keeper,
    switchboard: Switchboard,
    database: Database,
    recorder: Recorder | None,
    pull_board: PullBoard,
) -> None:
    from edgecore.localapi.module import LocalAPI, LocalSettings

    streams = _streams(config.modules.edged, node) if config.modules.edged.enable else None
    settings = LocalSettings(config.modules.local_api.socket, node, __version__, streams, keeper.report, pull_board.read, recorder)
    keeper.keep(ModuleName.LOCALAPI, Group.LOCAL, lambda: LocalAPI(settings, switchboard, database))


def _streams(config: EdgedConfig, node: str) -> Callable[[], Streams]:
    """Made with the first use: most boards are never asked."""

    def make() -> Streams:
        from edgecore.containers.streams import Streams

        return Streams(config.root_directory, node=node, endpoint=config.remote_runtime_endpoint)

    return make


def _dialing(config: EdgeHubConfig, node: str, clock: SignedClock, renewing: Renewal | None) -> Dialing:
    timeouts = Timeouts(
        reach=_REACH_TIMEOUT,
        handshake=config.websocket.handshake_timeout,
        write=config.websocket.write_deadline,
        read=config.websocket.read_deadline,
    )
    return Dialing(
        Address(config.websocket.server, config.project_id, node, config.ping_interval),
        renewal.files_of(config),
        timeouts,
        clock=clock,
        enrol=(lambda: renewal.enrol(config, node, config.token)) if config.token else None,
        renew=renewing.renew if renewing else None,
        ask_time=lambda: renewal.ask_time(config),
    )


def _renewal(config: EdgeHubConfig, clock: SignedClock) -> Renewal | None:
    if not (config.enable and config.rotate_certificates):
        return None
    files = renewal.files_of(config)
    return Renewal(files, lambda: renewal.renew(config), clock=clock, ask_time=lambda: renewal.ask_time(config))
