"""Where MQTT messages go and what the cloud may ask of MQTT (contract 6.1, 7.2)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from edgecore.config import EventBus as EventBusConfig
from edgecore.eventbus.broker import BrokerAddress, client_id, parse_address
from edgecore.eventbus.routing import Destination, PublishOrder, Refused, Subscribe, destination, order, upload_text
from edgecore.eventbus.settings import bus_settings
from viaduct.message import Message, new_message

TWIN, CLOUD, NOWHERE = Destination.TWIN, Destination.CLOUD, Destination.NOWHERE


@pytest.mark.parametrize(
    ("topic", "where"),
    [
        ("$hw/events/device/d1/twin/update", TWIN),
        ("$hw/events/device/d1/twin/get", TWIN),
        ("$hw/events/device/d1/twin/cloud_updated", TWIN),
        ("$hw/events/device/d1/state/update", TWIN),
        ("$hw/events/node/n1/membership/get", TWIN),
        ("$hw/events/device/hw/twin/update", TWIN),
        ("$hw/events/device/d1/state/get", NOWHERE),
        ("$hw/events/device/d1/twin/update/result", NOWHERE),
        ("$hw/events/device//twin/update", NOWHERE),
        ("$hw/events/node/n1/membership/updated", NOWHERE),
        ("$hw/events/upload/camera/1", CLOUD),
        ("SYS/dis/upload_records", CLOUD),
        ("factory/line1/power", CLOUD),
        ("factory/line1", NOWHERE),
        ("$ke/events/device/d1/data/update", TWIN),
        ("$ke/events/device/shop/d1/data/update", TWIN),
        ("$ke/events/device/asked/data/update", Destination.BOTH),
        ("$ke/events/device//data/update", NOWHERE),
        ("$ke/events/device/d1/data/other", NOWHERE),
        ("node/connection", NOWHERE),
    ],
)
def test_a_topic_has_one_destination(topic: str, where: Destination) -> None:
    assert destination(topic, ("factory/+/power", "$ke/events/device/asked/#")) is where


@pytest.mark.parametrize(
    ("topic", "where"),
    [
        ("bramble/edge1/d1/t/set", TWIN),
        ("homeassistant/status", TWIN),
        ("bramble/edge1/d1/t", CLOUD),
        ("bramble/edge1/d1/t/error", CLOUD),
        ("bramble/edge1/d1/set", CLOUD),
    ],
)
def test_what_people_say_is_for_device_twin_alone_though_the_cloud_may_listen_to_all_else(topic: str, where: Destination) -> None:
    assert destination(topic, ("#",), ("bramble/edge1/+/+/set", "homeassistant/status")) is where


def _user(operation: str, resource: str, content: Any = None) -> Message:
    return new_message(source="router_eventbus", group="user", operation=operation, resource=resource, now_ms=1, content=content)


@pytest.mark.parametrize(
    ("message", "asked"),
    [
        (_user("subscribe", "factory/+/power/#"), Subscribe("factory/+/power/#")),
        (_user("publish", "lamp/1", "on °"), PublishOrder("lamp/1", "on °".encode())),
        (_user("publish", "lamp/1", {"on": True}), PublishOrder("lamp/1", b'{"on":true}')),
        (_user("message", "", {"message": {"topic": "a/b", "x": [1]}}), PublishOrder("a/b", b'{"topic":"a/b","x":[1]}')),
        (_user("get_result", "auth_info", {"ok": 1}), PublishOrder("$hw/events/node/n1/authInfo/get/result", b'{"ok":1}')),
        (_user("POST", "8080:/x", {}), None),
        (_user("", "", {}), None),
        (_user("node/connection", "x"), None),
    ],
)
def test_the_cloud_asks(message: Message, asked: object) -> None:
    assert order(message, "n1") == asked


@pytest.mark.parametrize(
    "message",
    [
        _user("subscribe", ""),
        _user("subscribe", "a/#/b"),
        _user("subscribe", "a+b"),
        _user("subscribe", "x" * 500),
        _user("publish", "a/+", "x"),
        _user("publish", "", "x"),
        _user("publish", "a\0b", "x"),
        _user("message", "", None),
        _user("message", "", "text"),
        _user("message", "", {"message": None}),
        _user("message", "", {"message": {"topic": 5}}),
        _user("message", "", {"message": {"topic": "#"}}),
        _user("get_result", "something", {}),
    ],
)
def test_a_malformed_order_is_a_refusal_and_not_the_end_of_the_loop(message: Message) -> None:
    assert isinstance(order(message, "n1"), Refused)


def test_an_upload_that_is_not_text_goes_up_as_go_would_write_it() -> None:
    assert upload_text(b"a\xffb") == "a�b"


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("tcp://127.0.0.1:1883", BrokerAddress("127.0.0.1", 1883)),
        ("broker.lan:1999", BrokerAddress("broker.lan", 1999)),
        ("mqtt://[::1]", BrokerAddress("::1", 1883)),
        ("ssl://b", BrokerAddress("b", 8883, tls=True)),
    ],
)
def test_an_address_is_read(url: str, address: BrokerAddress) -> None:
    assert parse_address(url) == address


@pytest.mark.parametrize("url", ["", "http://x:1", "tcp://:1883", "tcp://h:99999", "tcp://h:x"])
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(ValueError):
        parse_address(url)


def test_client_ids_differ_and_are_never_those_of_mappers() -> None:
    made = {client_id("sub") for _ in range(20)}
    assert all(name.startswith("hub-client-sub-") for name in made) and "eventbus" not in made and len(made) > 15


def test_answers_are_published_at_qos_1_at_least(tmp_path: Path) -> None:
    assert bus_settings(EventBusConfig(), node="n", directory=tmp_path).qos == 1
    settings = bus_settings(EventBusConfig(mqtt_qos=2, mqtt_retain=True, mqtt_username="u"), node="n", directory=tmp_path)
    assert (settings.qos, settings.retain, settings.external.username, settings.internal.port) == (2, True, "u", 1884)


def test_a_password_does_not_show() -> None:
    assert "secret" not in repr(parse_address("tcp://h:1", username="u", password="secret"))
