"""Both forms of device topics at once, against a real Mosquitto (contract 6.8; P6.8)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from edgecore.devicetwin.forms import BOTH, Forms
from edgecore.eventbus.broker import BrokerAddress
from edgecore.eventbus.settings import BusSettings
from tests.system.eventbus.conftest import Broker, Edge
from tests.system.mqtt import Client, actual
from viaduct.topics import EDGE_SUBSCRIPTIONS, NAMESPACED_SUBSCRIPTIONS, PLAIN_SUBSCRIPTIONS

_PLAIN = "$hw/events/device/d1/twin/update"
_NAMESPACED = "$hw/events/device/farm/d1/twin/update"


@pytest.fixture
def both(tmp_path: Path, broker: Broker) -> Iterator[Edge]:
    filters = (*EDGE_SUBSCRIPTIONS, *PLAIN_SUBSCRIPTIONS, *NAMESPACED_SUBSCRIPTIONS)
    address = BrokerAddress("127.0.0.1", broker.port)
    made = Edge(tmp_path, BusSettings("edge1", tmp_path / "broker", external=address, filters=filters), forms=Forms(BOTH))
    made.ready()
    yield made
    made.stop()


def test_mappers_of_either_form_are_answered_in_theirs_and_see_each_others_reports(both: Edge, broker: Broker) -> None:
    with Client(broker.port, f"{_PLAIN}/#") as plain, Client(broker.port, f"{_NAMESPACED}/#") as later:
        later.publish(_NAMESPACED, actual("t", "20"))
        answer = later.wait(lambda topic, _: topic == f"{_NAMESPACED}/result")
        assert answer["twin"]["t"]["actual"]["value"] == "20"
        assert later.wait(lambda topic, _: topic == f"{_NAMESPACED}/delta")["delta"] == {"t": "-1"}
        assert plain.wait(lambda topic, _: topic == f"{_PLAIN}/document")["twin"]["t"]["current"]["actual"]["value"] == "20"
        plain.publish(_PLAIN, actual("t", "21"))
        assert plain.wait(lambda topic, _: topic == f"{_PLAIN}/result")["twin"]["t"]["actual"]["value"] == "21"
        document = later.wait(lambda topic, _: topic == f"{_NAMESPACED}/document")
        assert document["twin"]["t"]["current"]["actual"]["value"] == "21"
