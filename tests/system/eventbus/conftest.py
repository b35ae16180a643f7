"""A real Mosquitto, and EdgeCore's EventBus and DeviceTwin over a real store beside it."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from edgecore.beehive.keeper import Keeper
from edgecore.beehive.letters import LinkChanged
from edgecore.beehive.switchboard import Switchboard
from edgecore.devicetwin.forms import Forms
from edgecore.devicetwin.module import DeviceTwin
from edgecore.devicetwin.showing import Showing
from edgecore.eventbus import mosquitto
from edgecore.eventbus.broker import BrokerAddress
from edgecore.eventbus.module import EventBus
from edgecore.eventbus.settings import BusSettings
from edgecore.store import outbox
from edgecore.store.database import Database
from viaduct.device import Device, MsgTwin, TwinValue, Version, membership_content
from viaduct.message import Message, new_message

LIMIT = 20.0
NEEDED = shutil.which("mosquitto_pub") and mosquitto.find_program()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.system)
            if not NEEDED:
                item.add_marker(pytest.mark.skip(reason="mosquitto and mosquitto-clients are not installed"))


def until(claim: Callable[[], Any], within: float = LIMIT) -> Any:
    """What ``claim`` gives as soon as it gives something."""
    deadline = time.monotonic() + within
    while not (found := claim()):
        assert time.monotonic() < deadline, "did not come true in time"
        time.sleep(0.01)
    return found


class Broker:
    """Mosquitto as it comes from Debian, on a port of its own."""

    def __init__(self, folder: Path, *extra: str, anonymous: bool = True) -> None:
        self.port = mosquitto.free_port()
        self._config = folder / f"{self.port}.conf"
        lines = (f"listener {self.port} 127.0.0.1", f"allow_anonymous {str(anonymous).lower()}", "persistence false", *extra)
        self._config.write_text("\n".join(lines) + "\n")
        self.start()

    def start(self) -> None:
        command = [mosquitto.find_program(), "-c", str(self._config)]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until(self._listens)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(LIMIT)

    def raw(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), LIMIT)

    def _listens(self) -> bool:
        try:
            self.raw().close()
        except OSError:
            return False
        return True


class Edge:
    """EventBus and DeviceTwin as EdgeCore runs them, with one device ``d1``; what they owe the cloud is in the outbox."""

    def __init__(self, folder: Path, settings: BusSettings, forms: Forms | None = None, showing: Showing | None = None) -> None:
        self.stopped = False
        self.database = Database(folder / "edge.db")
        self.switchboard = Switchboard()
        self.hub = self.switchboard.register("websocket", "hub")
        self._emptying = threading.Thread(target=self._empty_hub, daemon=True)
        self._emptying.start()
        self.keeper = Keeper(self.switchboard, first_delay=0.05)
        self.bus: EventBus | None = None
        self.keeper.keep("twin", "twin", lambda: DeviceTwin(self.switchboard, self.database, node="edge1", forms=forms, showing=showing))
        self.keeper.keep("eventbus", "bus", lambda: self._make_bus(settings))
        self.keeper.start()
        self.add("d1")

    def _make_bus(self, settings: BusSettings) -> EventBus:
        self.bus = EventBus(self.switchboard, self.database, settings)
        return self.bus

    def ready(self) -> EventBus:
        """The bus, once it listens and publishes."""
        return until(lambda: self.bus is not None and self.bus.connected and self.bus)  # type: ignore[no-any-return]

    def add(self, device: str) -> None:
        twins = {"t": MsgTwin(TwinValue("-1"), None, False, "int", Version(7, 0))}
        content = membership_content(added=(Device(device, device, twins=twins, uid="u1"),), event_id="", timestamp=1)
        self.tell("twin", "twin", "update", "membership", content, "7")

    def tell(self, name: str, group: str, operation: str, resource: str, content: Any, version: str = "") -> None:
        message = new_message(
            source="router_eventbus",
            group=group,
            operation=operation,
            resource=resource,
            now_ms=1,
            content=content,
            resource_version=version,
        )
        assert self.switchboard.send(name, message)

    def link(self, connected: bool) -> None:
        for name in ("twin", "eventbus"):
            self.switchboard.send(name, LinkChanged(connected=connected, ledger=True))

    def owed(self) -> list[Message]:
        rows = self.database.read(lambda tx: [row for rank in outbox.Rank for row in outbox.pending(tx, rank, 0, 100_000)])
        return [json.loads(row.text) for row in rows]

    def restarts(self) -> dict[str, int]:
        return {kept.name: kept.restarts for kept in self.keeper.report()}

    def stop(self) -> None:
        self.stopped = True
        assert self.keeper.stop(LIMIT) == []
        self.hub.close()
        self.database.close()

    def _empty_hub(self) -> None:
        while not self.hub.closed:
            self.hub.take(1.0)


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    made = Broker(tmp_path)
    yield made
    made.kill()


@pytest.fixture
def edge(tmp_path: Path, broker: Broker) -> Iterator[Edge]:
    made = Edge(tmp_path, BusSettings("edge1", tmp_path / "broker", external=BrokerAddress("127.0.0.1", broker.port)))
    made.ready()
    yield made
    made.stop()
