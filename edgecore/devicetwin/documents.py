"""What goes out over MQTT about a device (contract 6.3): result, document, delta, answers and errors, as JSON text. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from edgecore.devicetwin.merge import Change
from edgecore.devicetwin.shadow import Shadow, Twin
from viaduct.device import (
    Device,
    MsgTwin,
    device_json,
    membership_content,
    to_text,
    twin_json,
    twins_json,
)
from viaduct.faults import fault_list
from viaduct.profile import digest_of

BAD_REQUEST = 400
NOT_FOUND = 404
NOT_SAVED = 500

UNREADABLE = "Unmarshal update request body failed, Please check the request"
NO_TWIN = "Update twin error, the update request body not have key:twin"
NO_DEVICE = "Update rejected due to the device is not existed"
WRITE_FAILED = "Update twin failed: the change could not be saved"


def result(event_id: str, changes: Mapping[str, Change], now_ms: int) -> str:
    """``twin/update/result``: the changed sides of what changed, null for what was deleted."""
    twins = {name: twin_json(changes[name].touched) for name in sorted(changes)}
    return to_text({"event_id": event_id, "timestamp": now_ms, "twin": twins})


def document(event_id: str, changes: Mapping[str, Change], now_ms: int) -> str:
    """``twin/update/document``: each changed twin before and after."""
    twins = {name: {"last": _message_json(changes[name].last), "current": _message_json(changes[name].current)} for name in sorted(changes)}
    return to_text({"event_id": event_id, "timestamp": now_ms, "twin": twins})


def delta(event_id: str, twins: Mapping[str, Twin], now_ms: int) -> str | None:
    """``twin/update/delta``, or None where every desired value is reported."""
    differing = {name: twin.expected.value for name, twin in twins.items() if twin.differs and twin.expected is not None}
    if not differing:
        return None
    wanted = {name: twins[name].as_message() for name in sorted(twins) if twins[name].expected is not None}
    return to_text({"event_id": event_id, "timestamp": now_ms, "twin": twins_json(wanted), "delta": dict(sorted(differing.items()))})


def twins_result(event_id: str, twins: Mapping[str, Twin], now_ms: int) -> str:
    """``twin/get/result``: every twin that is not deleted, without versions."""
    present = {name: twin.as_message() for name, twin in twins.items() if not twin.gone}
    return to_text({"event_id": event_id, "timestamp": now_ms, "twin": twins_json(present)})


def members_result(event_id: str, shadows: Iterable[Shadow], now_ms: int) -> str:
    """``membership/get/result``: devices with attributes, without twins."""
    devices = [_device_json(shadow, twins=None) for shadow in shadows]
    return to_text({"event_id": event_id, "timestamp": now_ms, "devices": devices})


def member_added(event_id: str, shadow: Shadow, now_ms: int) -> str:
    """``membership/updated`` for a device that the edge did not know."""
    added = _device(shadow, {name: twin.as_message() for name, twin in shadow.twins.items()})
    return to_text(membership_content(added=(added,), event_id=event_id, timestamp=now_ms))


def member_removed(event_id: str, device: str, now_ms: int) -> str:
    return to_text(membership_content(removed=(Device(device),), event_id=event_id, timestamp=now_ms))


def attributes_updated(event_id: str, changed: Mapping[str, dict[str, Any] | None], now_ms: int) -> str:
    """``device/D/updated``: the changed fields of each attribute, null for one that is gone."""
    return to_text({"event_id": event_id, "timestamp": now_ms, "attributes": {name: changed[name] for name in sorted(changed)}})


def state_result(event_id: str, shadow: Shadow, now_ms: int) -> str:
    """``state/update/result``, and the text that the cloud gets. ``faults`` is there once a mapper has spoken of faults (P6.17)."""
    found: dict[str, Any] = {"name": shadow.name, "state": shadow.state}
    if shadow.last_online:
        found["last_online"] = shadow.last_online
    if shadow.faults is not None:
        found["faults"] = fault_list(shadow.faults)
    return to_text({"event_id": event_id, "timestamp": now_ms, "device": found})


def profiles(event_id: str, found: Mapping[str, str], now_ms: int, *, have: str = "") -> str:
    """The devices of this node for its mappers (P6.16); who has them already (``have`` is their digest) hears no more than that."""
    digest = digest_of(found)
    told = {} if digest == have else {"profiles": dict(sorted(found.items()))}
    return to_text({"event_id": event_id, "timestamp": now_ms, "digest": digest} | told)


def error(event_id: str, code: int, reason: str, now_ms: int) -> str:
    return to_text({"event_id": event_id, "timestamp": now_ms, "code": code, "reason": reason})


def not_found_while_getting(device: str) -> str:
    return f"Device {device} not found while getting twin"


def _message_json(twin: Twin | None) -> dict[str, Any] | None:
    return None if twin is None else twin_json(twin.as_message())


def _device(shadow: Shadow, twins: Mapping[str, MsgTwin | None] | None) -> Device:
    return Device(shadow.id, shadow.name, shadow.description, shadow.state, shadow.last_online, attributes=shadow.attributes, twins=twins)


def _device_json(shadow: Shadow, twins: Mapping[str, MsgTwin | None] | None) -> dict[str, Any]:
    return device_json(_device(shadow, twins))
