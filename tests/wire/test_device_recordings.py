"""Every message about devices that the contract names, over the link to the cloud and over MQTT, as it stands on the wire."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from edgecore.beehive.letters import Arrived
from edgecore.devicetwin import orders, requests
from edgecore.devicetwin.shadow import Shadow, Twin
from edgecore.devicetwin.turn import Turn
from viaduct import topics
from viaduct.codec import decode, encode
from viaduct.device import TwinUpdate, TwinValue, Version, membership_content, twin_update_content
from viaduct.deviceparse import parse_membership, parse_membership_detail, parse_twin_sync
from viaduct.resource import parse_device_resource
from viaduct.samples import parse_content
from viaduct.vocabulary import Operation

FOLDER = Path(__file__).parent / "recordings" / "devices"
NOW = 1581066000000
_ALL = {path.stem: json.loads(path.read_text("utf-8")) for path in sorted(FOLDER.glob("*.json"))}
FRAMES = {name: value for name, value in _ALL.items() if "frame" in value}
MQTT = {name: value for name, value in _ALL.items() if "topic" in value}
_DOWN = [name for name, value in FRAMES.items() if value["direction"] == "down"]


def _text(name: str) -> str:
    return json.dumps(FRAMES[name]["frame"], separators=(",", ":"), ensure_ascii=False)


def _turn() -> Turn:
    twins = {"temperature": Twin(None, TwinValue("212", 1), True, "string", None, Version(0, 3))}
    return Turn({"thermometer": Shadow("thermometer", "thermometer", uid="device-uid-1", version="80", twins=twins)}, "edge1", NOW)


@pytest.mark.parametrize("name", FRAMES)
def test_a_recording_is_read_and_written_again_as_it_was(name: str) -> None:
    assert encode(decode(_text(name))) == _text(name)


@pytest.mark.parametrize("name", [name for name in FRAMES if name.startswith(("membership-added", "membership-removed"))])
def test_a_membership_that_is_read_and_built_again_is_the_recorded_one(name: str) -> None:
    content = FRAMES[name]["frame"]["content"]
    read = parse_membership(content)
    built = membership_content(added=read.added, removed=read.removed, event_id=read.event_id, timestamp=read.timestamp)
    assert json.dumps(built) == json.dumps(content) and not read.refused


@pytest.mark.parametrize("name", [name for name in FRAMES if name.startswith(("cloud-updated", "edge-updated"))])
def test_an_update_that_is_read_and_built_again_is_the_recorded_one(name: str) -> None:
    content = FRAMES[name]["frame"]["content"]
    read: TwinUpdate = parse_twin_sync(content)
    built = twin_update_content(read.twins, event_id=read.event_id, timestamp=read.timestamp, uid=read.uid)
    assert built == content and not read.refused


def test_the_detail_of_later_clouds_is_read() -> None:
    assert [device.id for device in parse_membership_detail(FRAMES["membership-detail"]["frame"]["content"]).added] == ["thermometer"]


@pytest.mark.parametrize("name", _DOWN)
def test_what_the_cloud_says_is_understood_and_answered_in_ledger_mode_only(name: str) -> None:
    turn = _turn()
    orders.handle(decode(_text(name)), turn, ledger=False)
    ledger = FRAMES[name]["modes"] == ["ledger"]
    assert [message.route.operation for message in turn.to_cloud] == ([Operation.RESPONSE] if ledger else [])
    assert turn.writes


def test_the_acknowledgement_that_we_make_is_the_recorded_one() -> None:
    turn = _turn()
    orders.handle(decode(_text("membership-added-ledger")), turn, ledger=True)
    wanted = decode(_text("acknowledgement"))
    assert (turn.to_cloud[0].route, turn.to_cloud[0].content) == (wanted.route, wanted.content)


def test_the_refusal_that_we_make_is_the_recorded_one() -> None:
    turn = _turn()
    frame = json.loads(_text("membership-added-ledger"))
    frame["content"]["added_devices"] = 5
    orders.handle(decode(json.dumps(frame)), turn, ledger=True)
    wanted = decode(_text("refusal"))
    assert (turn.to_cloud[0].route, turn.to_cloud[0].content) == (wanted.route, wanted.content)


def test_the_samples_of_the_recording_are_read() -> None:
    """P5.12"""
    found = parse_content(FRAMES["samples"]["frame"]["content"])
    assert [(one.device, one.property, one.type, list(one.values)) for one in found] == [
        ("thermometer", "temperature", "float", ["21.5", "21.5", "21.6"]),
        ("thermometer", "on", "boolean", ["true"]),
    ]
    assert list(found[0].times) == [NOW, NOW + 1000, NOW + 2000]


@pytest.mark.parametrize("name", ["edge-updated", "edge-updated-deleted", "device-state"])
def test_what_goes_up_names_its_device(name: str) -> None:
    frame = FRAMES[name]["frame"]
    assert frame["route"]["source"] == "twin"
    assert parse_device_resource(frame["route"]["resource"])[0] == "thermometer"


@pytest.mark.parametrize("name", MQTT)
def test_a_topic_of_the_recordings_is_known(name: str) -> None:
    assert topics.match(MQTT[name]["topic"]) is not None


_ANSWERS = {
    "twin-update-modbus-mapper": ["twin/update/result", "twin/update/document"],
    "twin-update-bluetooth-mapper": ["twin/update/result", "twin/update/document"],
    "twin-update-later-mappers": ["twin/update/result", "twin/update/document"],
    "twin-update-json": ["twin/update/result", "twin/update/document"],
    "twin-update-delete": ["twin/update/result", "twin/update/document"],
    "twin-get-modbus-mapper": ["twin/get/result"],
    "twin-get-led-mapper": ["twin/get/result"],
    "twin-update-namespaced": ["twin/update/result", "twin/update/document"],
    "twin-get-namespaced": ["twin/get/result"],
    "state-update-namespaced": ["state/update/result"],
    "state-update": ["state/update/result"],
    "state-update-later-mappers": ["state/update/result"],
    "data-update": [],
    "membership-get": ["membership/get/result"],
    "cloud-updated-bluetooth-mapper": [],
}


@pytest.mark.parametrize("name", MQTT)
def test_what_mappers_really_send_is_answered(name: str) -> None:
    turn = _turn()
    topic = MQTT[name]["topic"]
    matched = topics.match(topic)
    assert matched is not None
    assert matched.namespace == MQTT[name].get("namespace", "")
    requests.handle(matched, Arrived(topic, MQTT[name]["payload"].encode()), turn)
    payloads: list[dict[str, Any]] = [json.loads(said.payload) for said in turn.publishes]
    assert [
        said.topic.removeprefix("$hw/events/").split("/thermometer/")[-1].removeprefix("node/edge1/") for said in turn.publishes
    ] == _ANSWERS[name]
    assert not any("code" in payload for payload in payloads)
