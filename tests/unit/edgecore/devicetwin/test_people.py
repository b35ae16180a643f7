"""What people say on the readable tree (P6.9)."""

from __future__ import annotations

import json

import pytest

from edgecore.beehive.letters import Arrived
from edgecore.devicetwin import people
from edgecore.devicetwin.merge import TwinRefused
from edgecore.devicetwin.models import Facts, Model
from edgecore.devicetwin.shadow import Shadow, Twin
from edgecore.devicetwin.turn import Turn
from viaduct.device import TwinValue, Version
from viaduct.tree import Tree

NOW = 1_700_000_000_000
TREE = Tree("bramble", "edge1")
TWINS = {
    "setpoint": Twin(TwinValue("20", 1), TwinValue("20", 1), False, "int", Version(7, 0), Version(0, 1)),
    "temperature": Twin(None, TwinValue("20", 2), True, "int", None, Version(0, 4)),
    "label": Twin(),
    "old": Twin(None, None, True, "deleted", Version(6, 0)),
}
MODEL = Model("thermo", {"setpoint": Facts("int", True, 5, 30), "temperature": Facts("int", False)})


def _say(name: str, payload: bytes, *, device: str = "d1", retained: bool = False) -> tuple[Turn, list[tuple[str, str]]]:
    turn = Turn({"d1": Shadow("d1", twins=TWINS)}, "edge1", NOW, models={"d1": MODEL})
    people.handle(device, name, Arrived(TREE.set(device, name), payload, retained=retained), turn)
    return turn, [(said.topic, str(said.payload)) for said in turn.publishes]


@pytest.mark.parametrize(
    ("declared", "payload", "value"),
    [
        ("int", b"23", "23"),
        ("int", b" 23\n", "23"),
        ("int", b'{"value": 23}', "23"),
        ("int", b'{"value": "23", "by": "me"}', "23"),
        ("float", b"23.5", "23.5"),
        ("float", b'{"value":23.5}', "23.5"),
        ("boolean", b"true", "true"),
        ("boolean", b'{"value":false}', "false"),
        ("string", b" on the left \n", " on the left "),
        ("string", b'{"value":"on"}', "on"),
        ("string", b'{"mode":"on"}', '{"mode":"on"}'),
        ("string", b"{half", "{half"),
        ("string", "20 °C".encode(), "20 °C"),
        ("json", b'{"value": [1,\n 2]}', '{"value":[1,2]}'),
        ("json", b"null", "null"),
    ],
)
def test_a_value_is_text_or_the_value_of_a_json_object(declared: str, payload: bytes, value: str) -> None:
    assert people.desired_text(payload, declared) == value


@pytest.mark.parametrize(
    ("declared", "payload", "words"),
    [
        ("int", b"warm", "not int"),
        ("int", b"23.5", "not int"),
        ("float", b"23,5", "not float"),
        ("boolean", b"on", "true or false"),
        ("json", b"{", "not json"),
        ("int", b'{"level": 3}', "not int"),
        ("int", b'{"value": null}', "value: expected a number, text, true or false"),
        ("int", b" ", "empty"),
        ("string", b"\n", "empty"),
        ("string", b"a\0b", "printable"),
        ("string", b"x" * 513, "512"),
        ("string", b"x" * 5000, "4096"),
        ("string", b"\xff", "UTF-8 at byte 0"),
        ("int", b"9" * 4000, "512"),
    ],
)
def test_what_cannot_be_a_value_is_refused_in_words(declared: str, payload: bytes, words: str) -> None:
    with pytest.raises(TwinRefused, match=words):
        people.desired_text(payload, declared)


def test_a_wish_takes_the_road_of_a_twin_update() -> None:
    turn, said = _say("setpoint", b"21")
    assert [topic for topic, _ in said] == [
        "$hw/events/device/d1/twin/update/document",
        "$hw/events/device/d1/twin/update/delta",
    ]
    assert json.loads(said[1][1])["delta"] == {"setpoint": "21"}
    twin = turn.shadows["d1"].twins["setpoint"]
    assert (twin.expected, twin.expected_version) == (TwinValue("21", NOW), Version(7, 1))
    assert turn.owes


@pytest.mark.parametrize(
    ("device", "name", "payload", "words"),
    [
        ("d1", "setpoint", b"31", "the value 31 of setpoint is outside its limits: model thermo allows 5 to 30"),
        ("d1", "setpoint", b"warm", "the value is not int"),
        ("d1", "temperature", b"21", "the property can only be read: its model says accessMode ReadOnly"),
        ("d1", "volume", b"1", "device d1 has no property 'volume'; it has: label, setpoint, temperature"),
        ("d1", "old", b"1", "device d1 has no property 'old'; it has: label, setpoint, temperature"),
        ("d9", "setpoint", b"21", "this node has no device 'd9'"),
    ],
)
def test_a_refusal_is_said_on_the_error_topic_and_changes_nothing(device: str, name: str, payload: bytes, words: str) -> None:
    turn, said = _say(name, payload, device=device)
    assert said == [(f"bramble/edge1/{device}/{name}/error", words)]
    assert not turn.writes
    assert not turn.publishes[0].retain


def test_an_empty_message_removes_a_retained_one_and_asks_nothing() -> None:
    assert _say("setpoint", b"")[1] == []


def test_a_retained_wish_is_refused_since_it_would_be_said_again_at_each_start() -> None:
    turn, said = _say("setpoint", b"21", retained=True)
    assert said[0][0].endswith("/setpoint/error") and "without retain" in said[0][1]
    assert not turn.writes


def test_without_a_model_the_type_alone_counts() -> None:
    turn, _ = _say("label", b"kitchen")
    assert turn.shadows["d1"].twins["label"].expected == TwinValue("kitchen", NOW)
