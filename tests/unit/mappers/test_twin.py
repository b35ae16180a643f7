"""What a mapper says and hears on MQTT (contract 6.1 to 6.3); promise X7."""

from __future__ import annotations

import json
from typing import Any

import pytest

from mappers.sdk import twin
from mappers.sdk.twin import Answered, Failed, Heard, Wanted
from mappers.sdk.values import DataType
from tests.unit.mappers.made import encoded
from viaduct.device import StateUpdate
from viaduct.deviceparse import MAX_PAYLOAD_BYTES, parse_state_update, parse_twin_update
from viaduct.errors import MalformedPayload
from viaduct.faults import Fault

GET, DELTA, UPDATE = twin.subscriptions("d")


def test_the_topics_are_those_of_the_contract() -> None:
    assert twin.subscriptions("d") == (
        "$hw/events/device/d/twin/get/result",
        "$hw/events/device/d/twin/update/delta",
        "$hw/events/device/d/twin/update/result",
    )


@pytest.mark.parametrize(
    ("topic", "body", "heard"),
    [
        (GET, {"event_id": "e", "twin": {}}, Wanted({}, True)),
        (GET, {"twin": {"a": {"expected": {"value": "1"}}, "b": {"actual": {"value": "2"}}, "c": None}}, Wanted({"a": "1"}, True)),
        (GET, {"twin": {"a": {"expected": {"value": ""}}}}, Wanted({}, True)),
        (GET, {"event_id": "e", "code": 404, "reason": "no"}, Failed("e", 404, "no")),
        (DELTA, {"event_id": "e", "twin": {}, "delta": {"a": "1"}}, Wanted({"a": "1"}, False)),
        (UPDATE, {"event_id": "e", "timestamp": 1, "twin": {}}, Answered("e")),
        (UPDATE, {"event_id": "e", "code": 400, "reason": 7}, Failed("e", 400, "")),
    ],
)
def test_what_edgecore_says_is_understood(topic: str, body: Any, heard: Heard) -> None:
    assert twin.hear(topic, encoded(body)) == heard


@pytest.mark.parametrize("topic", [GET, DELTA, UPDATE])
@pytest.mark.parametrize(
    ("payload", "field"),
    [
        (b"", "payload"),
        (b"{", "payload"),
        (b"[]", "payload"),
        (b"null", "payload"),
        (b"\xff", "payload"),
        (b'{"event_id":5}', "event_id"),
        (b"[" * 50_000, "payload"),
        (b'"' + b"x" * MAX_PAYLOAD_BYTES + b'"', "payload"),
    ],
)
def test_garbage_is_refused_and_the_field_named(topic: str, payload: bytes, field: str) -> None:
    with pytest.raises(MalformedPayload) as refused:
        twin.hear(topic, payload)
    assert refused.value.field == field


@pytest.mark.parametrize(
    ("topic", "body", "field"),
    [
        (GET, {"twin": []}, "twin"),
        (GET, {}, "twin"),
        (GET, {"code": "404"}, "code"),
        (DELTA, {}, "delta"),
        (DELTA, {"delta": ["a"]}, "delta"),
        (UPDATE, {"code": None}, "code"),
    ],
)
def test_the_wrong_shape_is_refused_and_the_field_named(topic: str, body: Any, field: str) -> None:
    with pytest.raises(MalformedPayload) as refused:
        twin.hear(topic, encoded(body))
    assert refused.value.field == field


@pytest.mark.parametrize("bad", [7, None, {"value": "1"}, "x" * 513, "two\nlines"])
def test_one_bad_entry_of_a_delta_leaves_the_others(bad: Any) -> None:
    heard = twin.hear(DELTA, encoded({"delta": {"a": bad, "b": "2"}}))
    assert isinstance(heard, Wanted) and heard.values == {"b": "2"}
    assert heard.refused == ("delta.a: expected printable text of at most 512 characters",)


def test_one_bad_entry_of_a_twin_leaves_the_others() -> None:
    heard = twin.hear(GET, encoded({"twin": {"a": {"expected": {"value": 1}}, "b": {"expected": {"value": "2"}}}}))
    assert isinstance(heard, Wanted) and heard.values == {"b": "2"} and heard.refused[0].startswith("twin.a.expected.value: ")


def test_a_report_is_what_edgecore_reads() -> None:
    text = twin.update_request({"a": ("1", DataType.INT)}, event_id="e", now_ms=5)
    assert json.loads(text) == {
        "event_id": "e",
        "timestamp": 5,
        "twin": {"a": {"actual": {"value": "1", "metadata": {"timestamp": 5}}, "metadata": {"type": "int"}}},
    }
    assert parse_twin_update(text).event_id == "e"


def test_a_state_is_what_edgecore_reads() -> None:
    faults = (Fault("p", "ReadRefused", "no such register"),)
    assert parse_state_update(twin.state_request("online", faults, event_id="e", now_ms=5)) == StateUpdate("e", "online", faults)
