"""The readable tree and Home Assistant's discovery at a real Mosquitto, read and written by mosquitto's own clients (P6.9, P6.10)."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edgecore.beehive.letters import Arrived, ConfigChanged
from edgecore.config import EdgeCoreConfig, EventBus, HomeAssistant, StateTree
from edgecore.eventbus import link, mosquitto
from edgecore.eventbus.broker import BrokerAddress
from edgecore.eventbus.modes import BOTH, EXTERNAL, INTERNAL
from edgecore.eventbus.settings import BusSettings
from edgecore.statetree import retaining, showing
from edgecore.store import metadata
from edgecore.store.metadata import MetaRow
from tests.system.eventbus.conftest import LIMIT, Broker, Edge, until
from tests.system.mqtt import Client, actual
from viaduct.device import Device, membership_content

HOST = "127.0.0.1"
UPDATE, RESULT = "$hw/events/device/d1/twin/update", "$hw/events/device/d1/twin/update/result"
CONFIG = "homeassistant/device/bramble_edge1__d1/config"
OFF = EventBus()
TREE = EventBus(state_tree=StateTree(enable=True))
TOLD = EventBus(state_tree=StateTree(enable=True), home_assistant=HomeAssistant(enable=True))
Start = Callable[..., Edge]


class Shown(Edge):
    """An Edge of node ``edge1`` over a database that outlives it."""

    def __init__(self, folder: Path, config: EventBus, settings: BusSettings) -> None:
        super().__init__(folder, settings, showing=showing(config, "edge1"))


@pytest.fixture
def start(tmp_path: Path, broker: Broker) -> Iterator[Start]:
    made: list[Edge] = []

    def begin(config: EventBus = TREE, **more: object) -> Edge:
        external = BrokerAddress(HOST, broker.port)
        settings = BusSettings("edge1", tmp_path / "broker", retaining=retaining(config, "edge1"), **({"external": external} | more))  # type: ignore[arg-type]
        made.append(Shown(tmp_path, config, settings))
        made[-1].ready()
        return made[-1]

    yield begin
    for edge in made:
        if not edge.stopped:
            edge.stop()


def _pub(port: int, topic: str, payload: str, *options: str) -> None:
    subprocess.run(["mosquitto_pub", "-p", str(port), "-q", "1", "-t", topic, "-m", payload, *options], check=True, timeout=LIMIT)


def _retained(port: int, *filters: str) -> dict[str, str]:
    """What a client that comes now is told of what is retained, by mosquitto_sub."""
    wanted = [part for pattern in filters or ("bramble/#", "homeassistant/#") for part in ("-t", pattern)]
    command = ["mosquitto_sub", "-p", str(port), *wanted, "--retained-only", "-W", "1", "-F", "%t %p"]
    found = subprocess.run(command, timeout=LIMIT, capture_output=True, text=True).stdout
    return dict(line.split(" ", 1) for line in found.splitlines())


def _until_retained(port: int, wanted: dict[str, str], *filters: str) -> None:
    seen: list[dict[str, str]] = []

    def claim() -> bool:
        seen.append(_retained(port, *filters))
        return seen[-1] == wanted

    try:
        until(claim)
    except AssertionError:
        raise AssertionError(f"retained: {seen[-1]}") from None


def _model(edge: Edge, **facts: object) -> None:
    """The profile that MetaManager would have stored."""
    entry = {"name": "t", "dataType": "int", "accessMode": "ReadWrite", "minimum": -5, "maximum": 30, "unit": "°C"} | facts
    profile = {"deviceInstances": [{"id": "d1", "model": "thermo"}], "deviceModels": [{"name": "thermo", "properties": [entry]}]}
    key = "default/configmap/device-profile-config-edge1"
    row = MetaRow(key, "configmap", json.dumps({"data": {"deviceProfile.json": json.dumps(profile)}}))
    edge.database.write_and_wait(lambda tx: metadata.save(tx, row))
    assert edge.switchboard.send("twin", ConfigChanged(key))


NOTHING_REPORTED = {"bramble/edge1/status": "online", "bramble/edge1/d1/availability": "unknown", "bramble/edge1/d1/t/desired": "-1"}


def test_what_a_device_reports_can_be_read_by_who_comes_later(start: Start, broker: Broker) -> None:
    start()
    _until_retained(broker.port, NOTHING_REPORTED)
    with Client(broker.port, RESULT) as mapper:
        for value in ("20", "21", "22"):
            mapper.publish(UPDATE, actual("t", value))
        mapper.publish("$hw/events/device/d1/state/update", {"state": "online"}).wait_for_publish(LIMIT)
    _until_retained(broker.port, NOTHING_REPORTED | {"bramble/edge1/d1/t": "22", "bramble/edge1/d1/availability": "online"})


def test_a_person_desires_a_value_and_the_mapper_is_told(start: Start, broker: Broker) -> None:
    edge = start()
    with Client(broker.port, f"{UPDATE}/delta") as mapper:
        _pub(broker.port, "bramble/edge1/d1/t/set", "23")
        assert mapper.wait(lambda _, delta: delta["delta"] == {"t": "23"})
        _pub(broker.port, "bramble/edge1/d1/t/set", '{"value": 24}')
        assert mapper.wait(lambda _, delta: delta["delta"] == {"t": "24"})
    assert _retained(broker.port)["bramble/edge1/d1/t/desired"] == "24"
    (report,) = edge.owed()
    assert report["content"]["twin"]["t"]["expected"]["value"] == "24"  # type: ignore[index]


def test_a_wish_that_cannot_be_is_refused_in_words(start: Start, broker: Broker) -> None:
    edge = start()
    _model(edge)
    with Client(broker.port, "bramble/edge1/+/+/error") as person:
        for payload, words in (
            ("warm", "the value is not int"),
            ("31", "the value 31 of t is outside its limits: model thermo allows -5 to 30"),
        ):
            _pub(broker.port, "bramble/edge1/d1/t/set", payload)
            topic, said = person.arrivals.get(timeout=LIMIT)
            assert (topic, said.decode()) == ("bramble/edge1/d1/t/error", words)
        _pub(broker.port, "bramble/edge1/lamp/on/set", "true")
        assert person.arrivals.get(timeout=LIMIT) == ("bramble/edge1/lamp/on/error", b"this node has no device 'lamp'")
    assert _retained(broker.port) == NOTHING_REPORTED
    assert edge.owed() == []


def test_limits_hold_on_the_topics_of_mappers_too(start: Start, broker: Broker) -> None:
    edge = start(OFF)
    _model(edge)
    with Client(broker.port, RESULT) as client:
        client.publish(UPDATE, {"event_id": "e", "twin": {"t": {"expected": {"value": "31"}}}})
        answer = client.wait(lambda _, payload: payload["event_id"] == "e")
        assert (answer["code"], answer["reason"]) == (400, "the value 31 of t is outside its limits: model thermo allows -5 to 30")
        client.publish(UPDATE, {"event_id": "f", "twin": {"t": {"actual": {"value": "31"}}}})
        assert "code" not in client.wait(lambda _, payload: payload["event_id"] == "f"), "what a device reports is its truth"


def test_nothing_that_edgecore_retains_comes_back_to_it(start: Start, broker: Broker) -> None:
    edge = start(TOLD)
    with Client(broker.port, "#") as everybody:
        _pub(broker.port, "bramble/edge1/d1/t/set", "23")
        while everybody.arrivals.get(timeout=LIMIT) != ("bramble/edge1/d1/t/desired", b"23"):
            pass
        with pytest.raises(queue.Empty):
            while True:
                assert everybody.arrivals.get(timeout=1.0)[0].endswith("/config"), "the first announcement may come after the wish"
    assert len(edge.owed()) == 1


def test_a_retained_wish_is_refused_and_taken_away(start: Start, broker: Broker) -> None:
    start().stop()
    _pub(broker.port, "bramble/edge1/d1/t/set", "66", "-r")
    with Client(broker.port, "bramble/edge1/d1/t/error") as person:
        edge = start()
        assert b"without retain" in person.arrivals.get(timeout=LIMIT)[1]
    assert edge.owed() == []
    _until_retained(broker.port, NOTHING_REPORTED)


def test_a_device_that_goes_takes_its_topics_with_it(start: Start, broker: Broker) -> None:
    edge = start(TOLD)
    until(lambda: CONFIG in _retained(broker.port))
    content = membership_content(removed=(Device("d1", uid="u1"),), event_id="", timestamp=1)
    edge.tell("twin", "twin", "update", "membership", content, "8")
    _until_retained(broker.port, {"bramble/edge1/status": "online"})


def test_what_went_while_edgecore_was_away_is_taken_away_at_its_start(start: Start, broker: Broker) -> None:
    start(TOLD).stop()
    for topic in ("bramble/edge1/d9/availability", "bramble/edge1/d9/x", "bramble/edge1/d1/old", f"{CONFIG.replace('d1', 'd9')}"):
        _pub(broker.port, topic, "7", "-r")
    others = {"bramble/edge2/d9/x": "7", "homeassistant/device/bramble_edge2__d9/config": "7", "homeassistant/status": "online"}
    for topic, payload in others.items():
        _pub(broker.port, topic, payload, "-r")
    start(TOLD)
    config = until(lambda: _retained(broker.port).get(CONFIG))
    _until_retained(broker.port, NOTHING_REPORTED | {CONFIG: config} | others)


def test_what_is_switched_off_leaves_nothing_behind(start: Start, broker: Broker) -> None:
    edge = start(TOLD)
    until(lambda: CONFIG in _retained(broker.port))
    edge.stop()
    edge = start(TREE)
    _until_retained(broker.port, NOTHING_REPORTED)
    edge.stop()
    edge = start(OFF)
    _until_retained(broker.port, {})
    until(lambda: edge.database.read(lambda tx: tx.execute("SELECT * FROM retained").fetchall()) == [])


def test_another_root_leaves_nothing_under_the_first(start: Start, broker: Broker) -> None:
    edge = start(TREE)
    _until_retained(broker.port, NOTHING_REPORTED)
    edge.stop()
    start(EventBus(state_tree=StateTree(enable=True, root="farm")))
    _until_retained(broker.port, {topic.replace("bramble", "farm"): payload for topic, payload in NOTHING_REPORTED.items()}, "#")


def test_a_broker_that_lost_everything_is_told_everything_again(start: Start, broker: Broker) -> None:
    edge = start(TREE)
    _until_retained(broker.port, NOTHING_REPORTED)
    broker.kill()
    until(lambda: edge.bus is not None and not edge.bus.connected)
    broker.start()
    _until_retained(broker.port, NOTHING_REPORTED)


def test_a_broker_that_did_not_keep_up_has_the_last_values_in_the_end(
    start: Start, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link, "TAKING_TIMEOUT", 0.1)
    monkeypatch.setattr(link, "IN_FLIGHT", 20)
    edge = start(TREE)
    _until_retained(broker.port, NOTHING_REPORTED)
    broker.process.send_signal(signal.SIGSTOP)
    try:
        for number in range(300):
            body = json.dumps(actual("t", str(number))).encode()
            edge.switchboard.send_from_rim("twin", Arrived(UPDATE, body), timeout=LIMIT)
        until(lambda: edge.bus is not None and edge.bus.dropped)
    finally:
        broker.process.send_signal(signal.SIGCONT)
    _until_retained(broker.port, NOTHING_REPORTED | {"bramble/edge1/d1/t": "299"})


@pytest.mark.parametrize("mode", [INTERNAL, BOTH, EXTERNAL])
def test_the_tree_is_in_every_broker_that_is_used(start: Start, broker: Broker, mode: int) -> None:
    own = BrokerAddress(HOST, mosquitto.free_port())
    edge = start(TREE, mode=mode, internal=own)
    for address in edge.ready().addresses:
        _until_retained(address.port, NOTHING_REPORTED)
    with Client(edge.ready().addresses[-1].port) as person:
        person.publish("bramble/edge1/d1/t/set", "23").wait_for_publish(LIMIT)
    for address in edge.ready().addresses:
        _until_retained(address.port, NOTHING_REPORTED | {"bramble/edge1/d1/t/desired": "23"})


def test_a_thousand_topics_are_swept_though_the_broker_keeps_a_hundred_for_a_slow_client(tmp_path: Path) -> None:
    broker = Broker(tmp_path, "max_queued_messages 100", "max_inflight_messages 10")
    try:
        with Client(broker.port) as someone:
            for number in range(1000):
                topic = f"bramble/edge1/d{number}/t"
                info = someone._client.publish(topic, "7", qos=1, retain=True)
            info.wait_for_publish(LIMIT)
        folder = tmp_path / "edge"
        folder.mkdir()
        settings = BusSettings("edge1", folder, external=BrokerAddress(HOST, broker.port), retaining=retaining(TREE, "edge1"))
        edge = Shown(folder, TREE, settings)
        try:
            edge.ready()
            _until_retained(broker.port, NOTHING_REPORTED)
        finally:
            edge.stop()
    finally:
        broker.kill()


_PROGRAM = """
import sys, time
from pathlib import Path
from edgecore.eventbus.broker import BrokerAddress
from edgecore.eventbus.settings import BusSettings
from edgecore.statetree import retaining
from tests.system.eventbus.test_tree import TREE, Shown
folder, port = Path(sys.argv[1]), int(sys.argv[2])
Shown(folder, TREE, BusSettings("edge1", folder, external=BrokerAddress("127.0.0.1", port), retaining=retaining(TREE, "edge1"))).ready()
print("ready", flush=True)
time.sleep(60)
"""


def test_a_node_that_is_killed_is_offline_by_its_last_will_and_online_when_it_is_back(start: Start, tmp_path: Path, broker: Broker) -> None:
    folder = tmp_path / "killed"
    folder.mkdir()
    command = [sys.executable, "-c", _PROGRAM, str(folder), str(broker.port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as program:
        assert program.stdout is not None and program.stdout.readline() == "ready\n"
        with Client(broker.port, "bramble/edge1/status") as person:
            assert person.arrivals.get(timeout=LIMIT)[1] == b"online"
            os.kill(program.pid, signal.SIGKILL)
            assert person.arrivals.get(timeout=LIMIT)[1] == b"offline"
    start()
    assert _retained(broker.port, "bramble/edge1/status") == {"bramble/edge1/status": "online"}


def test_a_node_that_ends_says_so(start: Start, broker: Broker) -> None:
    start().stop()
    assert _retained(broker.port, "bramble/edge1/status") == {"bramble/edge1/status": "offline"}


def test_a_last_will_that_comes_late_is_contradicted(start: Start, broker: Broker) -> None:
    """The broker missed the power cut of an EdgeCore until its keepalive ran out, long after the next start."""
    start()
    with Client(broker.port, "bramble/edge1/status") as person:
        assert person.arrivals.get(timeout=LIMIT)[1] == b"online"
        _pub(broker.port, "bramble/edge1/status", "offline", "-r")
        assert [person.arrivals.get(timeout=LIMIT)[1] for _ in range(2)] == [b"offline", b"online"]


def test_home_assistant_is_told_again_when_it_starts(start: Start, broker: Broker) -> None:
    edge = start(TOLD)
    until(lambda: CONFIG in _retained(broker.port))
    _model(edge)
    until(lambda: json.loads(_retained(broker.port)[CONFIG])["components"]["t"]["platform"] == "number")
    with Client(broker.port, "homeassistant/device/+/config") as listener:
        first = listener.arrivals.get(timeout=LIMIT)
        _pub(broker.port, "homeassistant/status", "offline")
        _pub(broker.port, "homeassistant/status", "online")
        assert listener.arrivals.get(timeout=LIMIT) == first
    number = json.loads(first[1])["components"]["t"]
    assert (number["min"], number["max"], number["unit_of_measurement"], number["device_class"]) == (-5, 30, "°C", "temperature")


def test_it_is_all_off_by_default(start: Start, broker: Broker) -> None:
    assert retaining(EdgeCoreConfig().modules.eventbus, "edge1") is None and showing(EdgeCoreConfig().modules.eventbus, "edge1") is None
    start(OFF)
    with Client(broker.port, RESULT, "bramble/#", "homeassistant/#") as client:
        client.publish(UPDATE, actual("t", "20"))
        assert client.arrivals.get(timeout=LIMIT)[0] == RESULT
    assert _retained(broker.port, "#") == {}
