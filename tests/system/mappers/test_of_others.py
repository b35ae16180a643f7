"""Mappers that others wrote for KubeEdge's MQTT contract, in a shell and in JavaScript, run at ours as they are (contract 6, 11)."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from edgecore.beehive.letters import Arrived
from edgecore.devicetwin.forms import BOTH, Forms
from edgecore.eventbus.broker import BrokerAddress
from edgecore.eventbus.settings import BusSettings
from edgecore.store import twins
from tests.system.eventbus.conftest import NEEDED, Broker, Edge, until
from viaduct import topics
from viaduct.device import Device, MsgTwin, TwinValue, Version, membership_content

pytestmark = [pytest.mark.system, pytest.mark.skipif(not NEEDED, reason="mosquitto and mosquitto-clients are not installed")]

HERE = Path(__file__).parent


class Site:
    """A broker and an EdgeCore with the device ``lamp``, of which ``name`` is desired to be ``value``."""

    def __init__(self, folder: Path, name: str, value: str, kind: str) -> None:
        self.broker = Broker(folder)
        settings = BusSettings("edge1", folder / "broker", external=BrokerAddress("127.0.0.1", self.broker.port))
        self.edge = Edge(folder, settings, forms=Forms(BOTH))
        lamp = Device("lamp", "lamp", twins={name: MsgTwin(TwinValue(value), None, False, kind, Version(7, 0))}, uid="u")
        self.edge.tell("twin", "twin", "update", "membership", membership_content(added=(lamp,), event_id="", timestamp=1), "7")
        self.edge.ready()
        self.name = name

    def desire(self, value: str) -> None:
        """As somebody on the board does."""
        body = {"event_id": "w", "twin": {self.name: {"expected": {"value": value}}}}
        self.edge.switchboard.send("twin", Arrived(topics.twin_update("lamp"), json.dumps(body).encode()))

    def seen(self) -> tuple[str, str]:
        """(state, reported value) of the lamp as EdgeCore has them."""
        devices, _, held = self.edge.database.read(twins.load_all)
        state = next((device.state for device in devices if device.id == "lamp"), "")
        return state, next((twin.actual for twin in held if (twin.deviceid, twin.name) == ("lamp", self.name)), "")

    def stop(self) -> None:
        self.edge.stop()
        self.broker.kill()


@contextmanager
def running(*command: Any) -> Iterator[None]:
    process = subprocess.Popen([str(part) for part in command], start_new_session=True)
    try:
        yield
        assert process.poll() is None, "the mapper ended"
    finally:
        process.terminate()
        process.wait(10)


def test_a_mapper_in_a_shell(tmp_path: Path) -> None:
    site = Site(tmp_path, "power-status", "ON", "string")
    lamp = tmp_path / "lamp"
    with running("sh", HERE / "lamp.sh", site.broker.port, "lamp", lamp):
        until(lambda: site.seen() == ("online", "ON"), within=40)
        assert lamp.read_text().strip() == "ON"
        site.desire("OFF")
        until(lambda: site.seen() == ("online", "OFF"), within=40)
    site.stop()


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
def test_a_mapper_in_javascript(tmp_path: Path) -> None:
    site = Site(tmp_path, "level", "7", "int")
    with running("node", HERE / "lamp.js", site.broker.port, "lamp"):
        until(lambda: site.seen() == ("online", "7"), within=40)
        site.desire("9")
        until(lambda: site.seen() == ("online", "9"), within=40)
    site.stop()
