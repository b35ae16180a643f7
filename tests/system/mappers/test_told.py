"""Mapper processes that have their devices from EdgeCore over a real Mosquitto (P6.16), in any order of start; their faults and numbers."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from edgecore.beehive.letters import ConfigChanged
from edgecore.eventbus.broker import BrokerAddress
from edgecore.eventbus.settings import BusSettings
from edgecore.store import metadata, twins
from edgecore.store.metadata import MetaRow
from mappers.i2c.simulated import profile as simulated_profile
from tests.fakes.fieldbus import TcpSlave
from tests.system.eventbus.conftest import NEEDED, Broker, Edge, until
from viaduct import faults

pytestmark = [pytest.mark.system, pytest.mark.skipif(not NEEDED, reason="mosquitto and mosquitto-clients are not installed")]

KEY = "default/configmap/device-profile-config-edge1"


class Board:
    """A broker, an EdgeCore that comes when it is told to, mappers; what EdgeCore keeps of a device."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.broker = Broker(folder)
        self.edge: Edge | None = None
        self.mappers: list[subprocess.Popen[bytes]] = []
        self.log = folder / "mapper.log"

    def start_edge(self) -> Edge:
        self.edge = Edge(self.folder, BusSettings("edge1", self.folder / "broker", external=BrokerAddress("127.0.0.1", self.broker.port)))
        return self.edge

    def start_mapper(self, *flags: str, protocol: str = "modbus") -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "mappers.sdk.cli", protocol, "--broker", f"tcp://127.0.0.1:{self.broker.port}", "--poll", "0.1"]
        with self.log.open("ab") as log:
            self.mappers.append(subprocess.Popen([*command, *flags], stderr=log))
        return self.mappers[-1]

    def stop_edge(self) -> None:
        if self.edge is not None and not self.edge.stopped:
            self.edge.stop()

    def tell(self, body: dict[str, Any] | None) -> None:
        """MetaManager has stored the profile, or removed it."""
        edge = self.edge
        assert edge is not None
        text = json.dumps({"metadata": {"name": "device-profile-config-edge1"}, "data": {"deviceProfile.json": json.dumps(body)}})
        edge.database.write_and_wait(
            lambda tx: metadata.save(tx, MetaRow(KEY, "configmap", text, "c", "1")) if body is not None else metadata.delete(tx, KEY)
        )
        edge.switchboard.send("twin", ConfigChanged(KEY))

    def device(self, name: str = "d1") -> tuple[str, list[str], dict[str, str]]:
        """State, faults as ``property:code`` and reported values."""
        assert self.edge is not None
        devices, _, held = self.edge.database.read(twins.load_all)
        row = next((device for device in devices if device.id == name), twins.DeviceRow(name))
        told = faults.from_kept(row.faults) or ()
        values = {twin.name: twin.actual for twin in held if twin.deviceid == name and twin.actual}
        return row.state, [f"{fault.property}:{fault.code}" for fault in told], values

    def eventually(self, claim: Callable[[], Any], within: float = 40.0) -> Any:
        return until(claim, within)

    def end(self) -> None:
        for mapper in self.mappers:
            mapper.terminate()
        for mapper in self.mappers:
            assert mapper.wait(10) == 0
        self.stop_edge()
        self.broker.kill()


@pytest.fixture
def board(tmp_path: Path) -> Iterator[Board]:
    made = Board(tmp_path)
    yield made
    made.end()


@pytest.fixture
def slave() -> Iterator[TcpSlave]:
    """It has a hundred registers and says of all others that there are none."""
    made = TcpSlave()
    made.bank.set_holding_registers(0, [21, 7])
    held = made.bank.get_holding_registers
    made.bank.get_holding_registers = lambda address, number=1, srv_info=None: (  # type: ignore[method-assign]
        held(address, number, srv_info) if address < 100 else None
    )
    yield made
    made.stop()


def profile(port: int, **registers: Any) -> dict[str, Any]:
    """``d1`` with a property for each of ``registers``: its offset, or its whole visitor."""
    visitors = {
        name: found if isinstance(found, dict) else {"register": "HoldingRegister", "offset": found, "limit": 1}
        for name, found in registers.items()
    }
    return {
        "deviceInstances": [{"id": "d1", "name": "d1", "protocol": "modbus-tcp-d1", "model": "m"}],
        "deviceModels": [{"name": "m", "properties": [{"name": n, "dataType": "int", "accessMode": "ReadWrite"} for n in visitors]}],
        "protocols": [
            {"name": "modbus-tcp-d1", "protocol": "modbus-tcp", "protocol_config": {"ip": "127.0.0.1", "port": port, "slaveID": "1"}}
        ],
        "propertyVisitors": [
            {"name": n, "propertyName": n, "modelName": "m", "protocol": "modbus", "visitorConfig": v} for n, v in visitors.items()
        ],
    }


def test_a_mapper_that_was_there_first_gets_its_devices_when_edgecore_comes_and_follows_them(board: Board, slave: TcpSlave) -> None:
    board.start_mapper()
    board.eventually(lambda: "asking EdgeCore which devices there are" in board.log.read_text())
    board.start_edge()
    board.tell(profile(slave.port, temp=0))
    board.eventually(lambda: board.device() == ("online", [], {"temp": "21"}))
    board.tell(profile(slave.port, temp=0, level=1))
    board.eventually(lambda: board.device()[2] == {"temp": "21", "level": "7"})
    board.tell(None)
    board.eventually(lambda: "d1 is not served any more" in board.log.read_text())


def test_a_mapper_that_comes_later_gets_them_too(board: Board, slave: TcpSlave) -> None:
    board.start_edge().ready()
    board.tell(profile(slave.port, temp=0))
    board.start_mapper("--node", "edge1")
    board.eventually(lambda: board.device() == ("online", [], {"temp": "21"}))


def test_a_broker_that_is_restarted_and_an_edgecore_that_is_restarted_change_nothing_and_a_change_meanwhile_is_followed(
    board: Board, slave: TcpSlave
) -> None:
    board.start_edge().ready()
    board.tell(profile(slave.port, temp=0))
    board.start_mapper()
    board.eventually(lambda: board.device()[0] == "online")
    board.broker.kill()
    board.tell(profile(slave.port, temp=0, level=1))
    board.broker.start()
    board.eventually(lambda: board.device()[2].get("level") == "7")
    board.stop_edge()
    board.start_edge()
    board.tell(profile(slave.port, temp=0, level=1, again=1))
    board.eventually(lambda: board.device()[2].get("again") == "7")


def test_what_is_wrong_shows_on_the_board_and_is_gone_when_it_is_mended(board: Board, slave: TcpSlave) -> None:
    board.start_edge().ready()
    wrong = {"register": "HoldingRegistr", "offset": 0, "limit": 1}
    board.tell(profile(slave.port, temp=0, typo=wrong, nowhere=4000))
    board.start_mapper()
    board.eventually(lambda: board.device()[:2] == ("online", ["nowhere:ReadRefused", "typo:DescriptionError"]))
    assert board.edge is not None and any("HoldingRegistr" in json.dumps(message) for message in board.edge.owed())
    board.tell(profile(slave.port, temp=0, typo=1, nowhere=1))
    board.eventually(lambda: board.device()[:2] == ("online", []))
    slave.stop()
    board.eventually(lambda: (board.device()[0], [fault.partition(":")[0] for fault in board.device()[1]]) == ("offline", [""]))


def test_the_numbers_of_a_mapper_are_true_and_nothing_listens_unless_it_is_asked_to(board: Board, slave: TcpSlave) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    board.start_edge().ready()
    board.tell(profile(slave.port, temp=0, nowhere=4000))
    board.start_mapper("--metrics-address", str(port))
    board.eventually(lambda: board.device()[0] == "online")

    def numbers() -> dict[tuple[str, str], float]:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
            found = text_string_to_metric_families(answer.read().decode())
        return {(s.name.removeprefix("bramble_mapper_"), next(iter(s.labels.values()), "")): s.value for f in found for s in f.samples}

    first = numbers()
    assert first["devices", "online"] == 1 and first["broker_connected", ""] == 1
    board.eventually(lambda: numbers()["reads_total", ""] > first["reads_total", ""])
    board.eventually(lambda: numbers()["failures_total", "ReadRefused"] > 3)
    board.broker.kill()
    board.broker.start()
    board.eventually(lambda: numbers()["broker_connections_total", ""] == 2)


def test_numbers_that_have_no_place_to_listen_end_the_mapper_with_words(board: Board) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        command = [sys.executable, "-m", "mappers.sdk.cli", "modbus", "--metrics-address", f"127.0.0.1:{taken.getsockname()[1]}"]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 2 and "--metrics-address: cannot listen on" in ended.stderr


def test_several_mappers_have_each_its_own_of_what_is_told_to_all(board: Board, slave: TcpSlave) -> None:
    edge = board.start_edge()
    edge.ready()
    edge.add("simulated-bme280")
    both = json.loads(simulated_profile())
    one = profile(slave.port, temp=0)
    board.tell({key: [*one[key], *both[key]] for key in one})
    board.start_mapper()
    board.start_mapper(protocol="i2c")
    board.eventually(lambda: board.device()[0] == "online")
    # This machine has no such bus.
    board.eventually(lambda: board.device("simulated-bme280")[:2] == ("offline", [":DeviceAway"]))
