"""Hostile payloads and orders about devices, through DeviceTwin's decisions into a real store: answered or refused (X7)."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecore.beehive.letters import Arrived
from edgecore.devicetwin import orders, people, requests, rows
from edgecore.devicetwin.homeassistant import HomeAssistant
from edgecore.devicetwin.models import Facts, Model
from edgecore.devicetwin.shadow import Shadow, Twin
from edgecore.devicetwin.showing import Showing
from edgecore.devicetwin.turn import Turn
from edgecore.eventbus.link import is_topic
from edgecore.metamanager.decisions import read_arrival
from edgecore.store import metadata, twins
from edgecore.store.database import Database
from edgecore.store.metadata import MetaRow
from edgecore.store.transaction import Transaction
from tests.fuzz.hostile import JUNK, each_spoilt, encoded, fuzzed, is_unicode, json_bodies, spoilt
from tests.fuzz.test_wire import DETAIL, MEMBERSHIP, STATE, TWIN_UPDATE
from viaduct import topics
from viaduct.codec import decode, encode
from viaduct.device import Attribute, TwinValue, Version
from viaduct.errors import MalformedMessage, MalformedPayload, MalformedResource
from viaduct.tree import Tree

NOW = 1_700_000_000_000
SHADOW = Shadow(
    "d",
    "lamp",
    attributes={"room": Attribute("7", False)},
    twins={
        "temperature": Twin(TwinValue("5", 1), TwinValue("4", 1), False, "int", Version(3, 0), Version(0, 4)),
        "number": Twin(type="float"),
        "flag": Twin(type="boolean"),
        "json": Twin(type="json"),
        "text": Twin(),
        "old": Twin(None, None, True, "deleted", Version(6, 0)),
    },
)
ASKED = [
    (topics.twin_update("d"), TWIN_UPDATE),
    (topics.twin_get("d"), STATE),
    (topics.state_update("d"), STATE),
    (topics.membership_get("edge1"), STATE),
    (topics.twin_update("stranger"), TWIN_UPDATE),
]
TREE = Tree("bramble", "edge1")
MODELS = {"d": Model("thermo", {"temperature": Facts("int", True, 0, 30, "°C"), "number": Facts("double", True)})}
WISHED = ("temperature", "number", "flag", "json", "text", "nothing", "old", "%", "\ufffd")
ORDERED = [("membership", MEMBERSHIP), ("membership/detail", DETAIL), ("device/d/twin/cloud_updated", TWIN_UPDATE)]


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    database = Database(tmp_path_factory.mktemp("store") / "edgecore.db")
    yield database
    database.close()


def asked(topic: str, payload: bytes, database: Database | None) -> None:
    turn = Turn({"d": SHADOW}, "edge1", NOW)
    matched = topics.match(topic)
    assert matched is not None
    requests.handle(matched, Arrived(topic, payload), turn)
    settled(turn, database)


def ordered(resource: str, content: Any, database: Database | None) -> None:
    frame = {"header": {"msg_id": "m", "resourceversion": "9"}, "route": {"operation": "update", "resource": resource}, "content": content}
    try:
        message = decode(encoded(frame))
    except MalformedMessage:
        return
    turn = Turn({"d": SHADOW}, "edge1", NOW)
    orders.handle(message, turn, ledger=True)
    assert len(turn.to_cloud) == 1, "each order has one answer"
    settled(turn, database)


def settled(turn: Turn, database: Database | None) -> None:
    """Everything that a turn says is text, and what it writes is what is read back."""
    for said in turn.publishes:
        assert is_unicode(str(said.payload)) and is_unicode(said.topic)
        json.loads(said.payload)
    assert all(is_unicode(warning) and len(warning) < 2000 for warning in turn.warnings)
    assert all(encode(message).encode() for message in turn.to_cloud)
    if database is None or not turn.writes:
        return
    database.write_and_wait(begin)
    database.write_and_wait(turn.save)
    stored = rows.shadows(*database.read(twins.load_all))
    assert stored == turn.shadows


def begin(tx: Transaction) -> None:
    """The store as ``SHADOW`` says, and nothing else in it."""
    for device in twins.load_all(tx)[0]:
        twins.delete_device(tx, device.id)
    twins.save_device(tx, rows.device_row(SHADOW))
    for name, attribute in SHADOW.attributes.items():
        twins.save_attr(tx, rows.attribute_row("d", name, attribute))
    for name, twin in SHADOW.twins.items():
        twins.save_twin_values(tx, rows.twin_values("d", name, twin))


@pytest.mark.parametrize(("topic", "good"), ASKED)
def test_a_request_with_junk_in_any_place_is_answered_or_refused(topic: str, good: Any) -> None:
    for bad in each_spoilt(good):
        asked(topic, encoded(bad).encode(), None)


@pytest.mark.parametrize(("resource", "good"), ORDERED)
def test_an_order_with_junk_in_any_place_is_carried_out_or_refused(resource: str, good: Any) -> None:
    for bad in each_spoilt(good):
        ordered(resource, bad, None)


@fuzzed
@given(data=st.data())
def test_what_is_kept_of_a_spoilt_request_or_order_is_what_the_store_gives_back(database: Database, data: st.DataObject) -> None:
    topic, good = data.draw(st.sampled_from(ASKED))
    asked(topic, data.draw(json_bodies(good)), database)
    resource, good = data.draw(st.sampled_from(ORDERED))
    ordered(resource, data.draw(spoilt(good)), database)


def wished(name: str, payload: bytes, database: Database | None) -> None:
    """A wish on the readable tree: one refusal in words, or none; what is shown then is text on topics that MQTT knows."""
    showing = Showing(TREE, HomeAssistant())
    showing.restored({}, {"d": SHADOW}, MODELS)
    turn = Turn({"d": SHADOW}, "edge1", NOW, models=MODELS)
    people.handle("d", name, Arrived(TREE.set("d", name), payload), turn)
    errors = [said for said in turn.publishes if said.topic.endswith("/error")]
    assert all(said.payload and len(said.payload) < 1000 for said in errors)
    assert not (errors and turn.writes)
    for said in [*errors, *showing.follow(turn)]:
        assert is_unicode(str(said.payload)) and is_topic(said.topic)
    turn.publishes = [said for said in turn.publishes if said not in errors]
    settled(turn, database)


@pytest.mark.parametrize("name", WISHED)
def test_a_wish_of_a_person_with_junk_in_any_place_is_taken_or_refused_in_words(name: str) -> None:
    for bad in each_spoilt({"value": "23", "by": ["me"]}):
        wished(name, encoded(bad).encode(), None)
    for text in JUNK:
        wished(name, str(text)[:10_000].encode("utf-8", "surrogatepass"), None)


@fuzzed
@given(name=st.sampled_from(WISHED), payload=json_bodies({"value": "23"}))
def test_what_is_kept_of_a_wish_is_what_the_store_gives_back(database: Database, name: str, payload: bytes) -> None:
    wished(name, payload, database)


def test_whatever_object_the_cloud_sends_can_be_stored(database: Database) -> None:
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "w", "uid": "u", "resourceVersion": "5"}, "spec": {"containers": [{}]}}
    for bad in each_spoilt(pod):
        frame = {"header": {"msg_id": "m"}, "route": {"operation": "update", "resource": "default/pod/w"}, "content": copy.deepcopy(bad)}
        try:
            message = decode(encoded(frame))
            arrival = read_arrival(message)
        except (MalformedMessage, MalformedPayload, MalformedResource):
            continue
        row = MetaRow(arrival.key, "pod", json.dumps(message.content, ensure_ascii=False), arrival.uid, arrival.version_text)
        database.write_and_wait(lambda tx, row=row: metadata.save(tx, row))
        assert database.read(lambda tx, row=row: metadata.load(tx, row.key)) == row
