"""What a mapper says to EdgeCore and hears from it (contract 6.1 to 6.3). Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from mappers.sdk.values import DataType
from viaduct import topics
from viaduct.device import MsgTwin, TwinValue, is_key, is_value, to_text, twin_update_content
from viaduct.deviceparse import MAX_PAYLOAD_BYTES, parse_request, parse_twin_sync
from viaduct.errors import MalformedPayload
from viaduct.faults import Fault, fault_list
from viaduct.jsontext import read_json

UNKNOWN_DEVICE = 404
"""``code`` of an answer about a device that EdgeCore has not heard of (yet)."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Desired values by property. ``whole``: all there are, else only those that differ from what was reported."""

    values: Mapping[str, str]
    whole: bool
    refused: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Answered:
    """A ``twin/update`` was taken."""

    event_id: str


@dataclass(frozen=True, slots=True)
class Failed:
    """A request was refused. ``event_id`` may be empty."""

    event_id: str
    code: int
    reason: str


Heard = Wanted | Answered | Failed


def subscriptions(device: str) -> tuple[str, ...]:
    return topics.twin_get_result(device), topics.twin_update_delta(device), topics.twin_update_result(device)


def hear(topic: str, payload: bytes) -> Heard:
    """What a message on one of ``subscriptions`` says. Raises MalformedPayload naming the field."""
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise MalformedPayload("payload", f"{len(payload)} bytes, the limit is {MAX_PAYLOAD_BYTES}")
    # First of all: it checks that there is an object of bearable depth.
    event_id, _ = parse_request(payload)
    body: dict[str, Any] = read_json(payload.decode())
    if topic.endswith("/delta"):
        return _delta(body)
    if "code" in body:
        return _failure(body, event_id)
    if topic.endswith("/twin/get/result"):
        update = parse_twin_sync(body)
        expected = {name: twin.expected.value for name, twin in update.twins.items() if twin is not None and twin.expected is not None}
        return Wanted({name: value for name, value in expected.items() if value}, True, update.refused)
    return Answered(event_id)


def get_request(*, event_id: str, now_ms: int) -> str:
    return to_text({"event_id": event_id, "timestamp": now_ms})


def update_request(values: Mapping[str, tuple[str, DataType]], *, event_id: str, now_ms: int) -> str:
    """Reports (text, type) by property."""
    twins = {name: MsgTwin(actual=TwinValue(text, now_ms), type=data_type.value) for name, (text, data_type) in values.items()}
    return to_text(twin_update_content(twins, event_id=event_id, timestamp=now_ms))


def data_report(values: Mapping[str, tuple[str, DataType]], *, now_ms: int) -> str:
    """What was measured, (text, type) by property (contract 11.4)."""
    data = {name: {"value": text, "metadata": {"timestamp": now_ms, "type": data_type.value}} for name, (text, data_type) in values.items()}
    return to_text({"event_id": "", "timestamp": now_ms, "data": data})


def state_request(state: str, faults: Iterable[Fault], *, event_id: str, now_ms: int) -> str:
    """``faults`` is ours (P6.17); KubeEdge passes it over."""
    return to_text({"event_id": event_id, "timestamp": now_ms, "state": state, "faults": fault_list(faults)})


def _delta(body: Mapping[str, Any]) -> Wanted:
    delta = body.get("delta")
    if not isinstance(delta, dict):
        raise MalformedPayload("delta", "is missing" if delta is None else "expected an object")
    values: dict[str, str] = {}
    refused = []
    for name, value in delta.items():
        if not is_key(name):
            refused.append(f"delta.{name[:64]!r}: a key is 1 to 128 of a-z A-Z 0-9 - _ . , : / @ #")
        elif not isinstance(value, str) or not is_value(value):
            refused.append(f"delta.{name}: expected printable text of at most 512 characters")
        elif value:
            values[name] = value
    return Wanted(values, False, tuple(refused))


def _failure(body: Mapping[str, Any], event_id: str) -> Failed:
    code, reason = body["code"], body.get("reason")
    if type(code) is not int:
        raise MalformedPayload("code", "expected a number")
    return Failed(event_id, code, reason if isinstance(reason, str) else "")
