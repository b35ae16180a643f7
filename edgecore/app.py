"""The root of EdgeCore: builds the modules, hands each what it may touch, starts and stops them. Nothing here waits for the network."""

from __future__ import annotations

import logging
import signal
import socket
import threading
from dataclasses import dataclass, replace
from pathlib import Path

from edgecore import surroundings
from edgecore.beehive.keeper import Keeper
from edgecore.beehive.switchboard import Switchboard
from edgecore.certs import renewal
from edgecore.certs.files import stored_identity
from edgecore.cloudlink import Timeouts
from edgecore.config import EdgeCoreConfig
from edgecore.config import Edged as EdgedConfig
from edgecore.config import EdgeHub as EdgeHubConfig
from edgecore.edgehub.dialing import Address, Dialing, Renewal
from edgecore.edgehub.module import EdgeHub, HubSettings
from edgecore.metaclient import MetaClient
from edgecore.metamanager.module import MetaManager, MetaSettings
from edgecore.store.database import Database
from viaduct import __version__
from viaduct.vocabulary import Group, ModuleName

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

    def start(self) -> None:
        self.keeper.start()
        if self.renewal is not None:
            self.renewal.start()

    def stop(self) -> bool:
        """False: a module did not end in time."""
        if self.renewal is not None:
            self.renewal.stop()
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
    agent = build(config)
    agent.start()
    logger.info("EdgeCore %s runs as node %s", __version__, agent.node)
    asked.wait()
    logger.info("stopping; containers go on")
    return 0 if agent.stop() else 1


def build(config: EdgeCoreConfig) -> Agent:
    """Raises NotHere, StoreError."""
    path = Path(config.database.data_source)
    lock = surroundings.InstanceLock(path.parent)
    try:
        database = Database(path)
    except Exception:
        lock.release()
        raise
    switchboard = Switchboard()
    node = node_name(config)
    keeper = Keeper(switchboard)
    _keep_modules(config, node, keeper, switchboard, database)
    return Agent(node, switchboard, keeper, database, lock, _renewal(config.modules.edgehub))


def node_name(config: EdgeCoreConfig) -> str:
    """The name in the certificate counts, because the cloud takes no other; before there is one, the config's or the host's."""
    wanted = config.modules.edged.hostname_override or socket.gethostname().lower()
    identity = stored_identity(renewal.files_of(config.modules.edgehub))
    if identity is None or identity.node == wanted:
        return wanted
    logger.warning("modules.edged.hostnameOverride: the certificate is that of node %s, which this board therefore is", identity.node)
    return identity.node


def _keep_modules(config: EdgeCoreConfig, node: str, keeper: Keeper, switchboard: Switchboard, database: Database) -> None:
    """Modules that are off are not even imported: memory is what a board lacks."""
    modules = config.modules
    if modules.metamanager.enable:
        settings = MetaSettings(full_report=modules.metamanager.pod_status_sync_interval)
        keeper.keep(ModuleName.METAMANAGER, Group.META, lambda: MetaManager(switchboard, database, settings))
    if modules.edged.enable:
        _keep_edged(modules.edged, node, keeper, switchboard)
    if modules.eventbus.enable:
        from edgecore.eventbus.module import EventBus
        from edgecore.eventbus.settings import bus_settings

        bus = bus_settings(modules.eventbus, node=node, directory=database.path.parent / "broker")
        keeper.keep(ModuleName.EVENTBUS, Group.BUS, lambda: EventBus(switchboard, database, bus))
    if modules.servicebus.enable:
        from edgecore.servicebus.module import ServiceBus

        keeper.keep(ModuleName.SERVICEBUS, Group.BUS, lambda: ServiceBus(switchboard))
    if modules.devicetwin.enable:
        from edgecore.devicetwin.module import DeviceTwin

        keeper.keep(ModuleName.DEVICETWIN, Group.TWIN, lambda: DeviceTwin(switchboard, database, node=node))
    if modules.edgehub.enable:
        dialing = _dialing(modules.edgehub, node)
        hub = HubSettings(heartbeat=modules.edgehub.heartbeat)
        keeper.keep(ModuleName.EDGEHUB, Group.HUB, lambda: EdgeHub(switchboard, database, dialing, hub))


def _keep_edged(config: EdgedConfig, node: str, keeper: Keeper, switchboard: Switchboard) -> None:
    from edgecore.containers.engine import Engine
    from edgecore.containers.engine_facts import machine_facts
    from edgecore.edged.module import EdgedModule
    from edgecore.edged.settings import settings_from

    settings = replace(settings_from(config, version=__version__), node=node)
    client = MetaClient(switchboard)

    def make() -> EdgedModule:
        engine = Engine(
            config.root_directory,
            endpoint=config.remote_runtime_endpoint,
            facts=machine_facts,
            timeout=config.runtime_request_timeout * 60.0,
        )
        return EdgedModule(settings, switchboard, client, engine)

    keeper.keep(ModuleName.EDGED, Group.EDGED, make)


def _dialing(config: EdgeHubConfig, node: str) -> Dialing:
    timeouts = Timeouts(reach=_REACH_TIMEOUT, handshake=config.websocket.handshake_timeout, write=config.websocket.write_deadline)
    enrol = (lambda: renewal.enrol(config, node, config.token)) if config.token else None
    return Dialing(Address(config.websocket.server, config.project_id, node), renewal.files_of(config), timeouts, enrol)


def _renewal(config: EdgeHubConfig) -> Renewal | None:
    if not (config.enable and config.rotate_certificates):
        return None
    return Renewal(renewal.files_of(config), lambda: renewal.renew(config))
