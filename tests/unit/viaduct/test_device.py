"""Device payloads: what is read, what is refused with which field, and what is written."""

from __future__ import annotations

import json
from typing import Any

import pytest

from viaduct.device import (
    Attribute,
    Device,
    MsgTwin,
    TwinValue,
    Version,
    device_json,
    is_device_id,
    is_value,
    membership_content,
    twin_json,
    twin_update_content,
)
from viaduct.deviceparse import (
    MAX_PAYLOAD_BYTES,
    TwinMissing,
    parse_membership,
    parse_membership_detail,
    parse_request,
    parse_state_update,
    parse_twin_sync,
    parse_twin_update,
)
from viaduct.errors import MalformedPayload


def _twin(value: Any) -> bytes:
    return json.dumps({"twin": {"t": value}}).encode()


@pytest.mark.parametrize(
    ("payload", "field"),
    [
        (b"", "payload"),
        (b"{", "payload"),
        (b"[]", "payload"),
        (b"null", "payload"),
        (b"17", "payload"),
        (b"\xff\xfe{}", "payload"),
        (b"[" * 100_000, "payload"),
        (b'{"twin":' + b'{"a":' * 70 + b"1" + b"}" * 71, "payload"),
        (b'{"twin":{},"x":"' + b"a" * MAX_PAYLOAD_BYTES + b'"}', "payload"),
        (b'{"twin":{"t":{"actual":{"value":"1"', "payload"),
        (b"{}", "twin"),
        (b'{"twin":null}', "twin"),
        (b'{"twin":[]}', "twin"),
        (b'{"twin":"x"}', "twin"),
        (b'{"event_id":5,"twin":{}}', "event_id"),
        (b'{"timestamp":"now","twin":{}}', "timestamp"),
        (b'{"timestamp":1.5,"twin":{}}', "timestamp"),
        (b'{"timestamp":9223372036854775808,"twin":{}}', "timestamp"),
        (_twin(5), "twin.t"),
        (_twin({"actual": "5"}), "twin.t.actual"),
        (_twin({"actual": {}}), "twin.t.actual.value"),
        (_twin({"actual": {"value": None}}), "twin.t.actual.value"),
        (_twin({"actual": {"value": 5}}), "twin.t.actual.value"),
        (_twin({"expected": {"metadata": {}}}), "twin.t.expected.value"),
        (_twin({"actual": {"value": "x" * 513}}), "twin.t.actual.value"),
        (_twin({"actual": {"value": "a\nb"}}), "twin.t.actual.value"),
        (_twin({"actual": {"value": "a\u0000"}}), "twin.t.actual.value"),
        (_twin({"actual": {"value": "\ud800"}}), "twin.t.actual.value"),
        (_twin({"actual": {"value": "1", "metadata": 3}}), "twin.t.actual.metadata"),
        (_twin({"actual": {"value": "1", "metadata": {"timestamp": "x"}}}), "twin.t.actual.metadata.timestamp"),
        (_twin({"optional": "yes"}), "twin.t.optional"),
        (_twin({"metadata": "int"}), "twin.t.metadata"),
        (_twin({"metadata": {"type": 5}}), "twin.t.metadata.type"),
        (_twin({"expected_version": 5}), "twin.t.expected_version"),
        (_twin({"expected_version": {"cloud": "5"}}), "twin.t.expected_version.cloud"),
    ],
)
def test_a_bad_twin_update_is_refused_with_the_name_of_the_field(payload: bytes, field: str) -> None:
    with pytest.raises(MalformedPayload) as caught:
        parse_twin_update(payload)
    assert caught.value.field == field


@pytest.mark.parametrize("key", ["", "a b", "a%", "k" * 129, "ä", 'x"y', "a\n"])
def test_a_key_outside_the_expression_is_refused(key: str) -> None:
    with pytest.raises(MalformedPayload, match="a key is"):
        parse_twin_update(json.dumps({"twin": {key: {"actual": {"value": "1"}}}}).encode())


@pytest.mark.parametrize("key", ["power-status", "a_b.c,d:e/f@g#h", "k" * 128, "0"])
def test_a_key_within_the_expression_is_taken(key: str) -> None:
    assert list(parse_twin_update(json.dumps({"twin": {key: None}})).twins) == [key]


def test_more_than_a_thousand_twins_are_refused() -> None:
    body = {"twin": {f"p{number}": None for number in range(1001)}}
    with pytest.raises(MalformedPayload, match="1001 entries"):
        parse_twin_update(json.dumps(body))


@pytest.mark.parametrize("value", ["", "21.5 °C", "55 %", '{"on":true}', "+1", "ok!", "x" * 512])
def test_values_may_be_any_printable_text(value: str) -> None:
    twin = parse_twin_update(json.dumps({"twin": {"t": {"actual": {"value": value}}}})).twins["t"]
    assert twin is not None and twin.actual == TwinValue(value)
    assert is_value(value)


def test_a_twin_update_without_twin_has_a_refusal_of_its_own() -> None:
    with pytest.raises(TwinMissing):
        parse_twin_update(b'{"event_id":"e"}')


def test_everything_of_a_twin_is_read() -> None:
    body = {
        "event_id": "e",
        "timestamp": 7,
        "twin": {
            "t": {
                "expected": {"value": "1", "metadata": {"timestamp": 5}},
                "actual": {"value": "2", "metadata": {}},
                "optional": False,
                "metadata": {"type": "int"},
                "expected_version": {"cloud": 10, "edge": 0},
                "actual_version": {"edge": 3},
                "unknown": [1],
            },
            "gone": None,
        },
    }
    update = parse_twin_update(json.dumps(body))
    wanted = MsgTwin(TwinValue("1", 5), TwinValue("2"), False, "int", Version(10, 0), Version(0, 3))
    assert (update.event_id, update.timestamp, update.twins) == ("e", 7, {"t": wanted, "gone": None})


@pytest.mark.parametrize(("metadata", "declared"), [(None, None), ({}, ""), ({"tyep": "int"}, ""), ({"type": "Updated"}, "Updated")])
def test_metadata_without_a_type_is_not_the_same_as_no_metadata(metadata: Any, declared: str | None) -> None:
    twin = parse_twin_update(_twin({"actual": {"value": "1"}, "metadata": metadata})).twins["t"]
    assert twin is not None and twin.type == declared


def test_a_sync_leaves_a_bad_entry_out_and_keeps_the_others() -> None:
    update = parse_twin_sync({"twin": {"good": {"expected": {"value": "1"}}, "bad": {"expected": {}}, "a b": None}, "uid": "u1"})
    assert list(update.twins) == ["good"]
    assert update.uid == "u1"
    assert [text.split(":")[0] for text in update.refused] == ["twin.bad.expected.value", "twin.'a b'"]


@pytest.mark.parametrize("payload", [b"{}", '{"event_id":null}', b'{"twin":{"x":1}}', {}])
def test_a_get_may_carry_anything_in_an_object(payload: Any) -> None:
    assert parse_request(payload) == ("", 0)


@pytest.mark.parametrize(("payload", "field"), [(b'{"state":1}', "state"), (b"x", "payload"), (b'{"event_id":[]}', "event_id")])
def test_a_bad_state_update_names_its_field(payload: bytes, field: str) -> None:
    with pytest.raises(MalformedPayload) as caught:
        parse_state_update(payload)
    assert caught.value.field == field


def test_the_state_message_of_later_mappers_is_read() -> None:
    assert parse_state_update(b'{"event_id":"","timestamp":5,"state":"OK","attributes":null}').state == "OK"


@pytest.mark.parametrize(
    ("content", "field"),
    [
        (None, "payload"),
        ("", "payload"),
        ({"added_devices": {}}, "added_devices"),
        ({"added_devices": [{}] * 1001}, "added_devices"),
        ({"removed_devices": "d1"}, "removed_devices"),
    ],
)
def test_a_membership_that_is_none_is_refused(content: Any, field: str) -> None:
    with pytest.raises(MalformedPayload) as caught:
        parse_membership(content)
    assert caught.value.field == field


def test_one_bad_device_does_not_stop_the_others() -> None:
    content = {
        "added_devices": [5, {"id": "a/b"}, {"name": "n"}, {"id": "ok", "twin": {"t": {"expected": {"value": 1}}}}, {"id": "x", "twin": 1}]
    }
    membership = parse_membership(content)
    assert [device.id for device in membership.added] == ["ok"]
    assert [text.split(":")[0] for text in membership.refused] == [
        "added_devices[0]",
        "added_devices[1].id",
        "added_devices[2].id",
        "added_devices[3].twin.t.expected.value",
        "added_devices[4].twin",
    ]


def test_detail_needs_its_list() -> None:
    with pytest.raises(MalformedPayload, match="devices"):
        parse_membership_detail({"event_id": "x"})


@pytest.mark.parametrize(
    ("twin", "written"),
    [
        (None, None),
        (MsgTwin(), {}),
        (MsgTwin(actual=TwinValue("")), {"actual": {"value": ""}}),
        (MsgTwin(expected=TwinValue("1", 0)), {"expected": {"value": "1", "metadata": {"timestamp": 0}}}),
        (MsgTwin(optional=False, type=""), {"optional": False, "metadata": {}}),
        (MsgTwin(type="int", expected_version=Version(4, 0)), {"metadata": {"type": "int"}, "expected_version": {"cloud": 4, "edge": 0}}),
    ],
)
def test_a_twin_is_written_without_what_it_has_not(twin: MsgTwin | None, written: Any) -> None:
    assert twin_json(twin) == written


def test_a_device_is_written_without_empty_texts() -> None:
    device = Device("d", "n", attributes={"a": Attribute("")}, twins={"b": None, "a": MsgTwin()}, uid="u")
    assert json.dumps(device_json(device)) == json.dumps(
        {"id": "d", "name": "n", "attributes": {"a": {"value": ""}}, "twin": {"a": {}, "b": None}, "uid": "u"}
    )


def test_a_membership_without_devices_on_one_side_says_null_there() -> None:
    content = membership_content(removed=(Device("d"),), event_id="e", timestamp=5)
    assert content == {"event_id": "e", "timestamp": 5, "added_devices": None, "removed_devices": [{"id": "d"}]}
    assert parse_membership(content).removed == (Device("d"),)


def test_what_is_built_reads_back_as_it_was() -> None:
    twins = {"t": MsgTwin(TwinValue("1", 5), TwinValue("2", 6), True, "int", Version(9, 0), Version(0, 4)), "gone": None}
    update = parse_twin_sync(twin_update_content(twins, event_id="e", timestamp=8, uid="u"))
    assert (update.event_id, update.timestamp, update.uid, update.twins) == ("e", 8, "u", twins)


@pytest.mark.parametrize(
    ("text", "is_one"), [("thermometer-1", True), ("a.b_c", True), ("", False), ("a/b", False), ("a+", False), ("ä", False)]
)
def test_device_ids(text: str, is_one: bool) -> None:
    assert is_device_id(text) is is_one
