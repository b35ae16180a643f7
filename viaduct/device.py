"""Device payloads (contract 5.3, 6.2 to 6.4; P6): frozen values, built exactly as KubeEdge does. ``deviceparse`` reads them.

All twin values are text, whatever their declared type. Keys keep KubeEdge's expression; values may be any printable text of up to 512
characters, because its expression forbids spaces, ``%``, ``°`` and JSON for no peer's benefit (E16).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from viaduct.faults import Fault

MAX_VALUE = 512
DELETED = "deleted"
"""``metadata.type`` of a twin that is to be, or was, removed."""

_KEY = re.compile(r"[a-zA-Z0-9\-_.,:/@#]{1,128}")
_DEVICE_ID = re.compile(r"[A-Za-z0-9._-]{1,253}")


@dataclass(frozen=True, slots=True)
class Version:
    """``cloud``: the Device's resourceVersion; ``edge``: changes made at the edge since."""

    cloud: int
    edge: int


@dataclass(frozen=True, slots=True)
class TwinValue:
    """``timestamp`` in epoch ms, None where the payload had none."""

    value: str
    timestamp: int | None = None


@dataclass(frozen=True, slots=True)
class MsgTwin:
    """One twin as it travels. ``type`` None: no metadata at all; "": metadata without a type."""

    expected: TwinValue | None = None
    actual: TwinValue | None = None
    optional: bool | None = None
    type: str | None = None
    expected_version: Version | None = None
    actual_version: Version | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """What a mapper measured; ``timestamp`` in epoch ms, None where it does not say when."""

    property: str
    value: str
    timestamp: int | None = None


@dataclass(frozen=True, slots=True)
class Attribute:
    value: str
    optional: bool | None = None
    type: str | None = None


@dataclass(frozen=True, slots=True)
class Device:
    """``attributes`` and ``twins`` are None where the payload does not name them. ``uid``: ours (P6), the identity of the Device object."""

    id: str
    name: str = ""
    description: str = ""
    state: str = ""
    last_online: str = ""
    attributes: Mapping[str, Attribute] | None = None
    twins: Mapping[str, MsgTwin | None] | None = None
    uid: str = ""


@dataclass(frozen=True, slots=True)
class TwinUpdate:
    """``twin/update``, ``cloud_updated`` and ``edge_updated``. ``refused``: entries left out, each text beginning with its field."""

    event_id: str
    timestamp: int
    twins: Mapping[str, MsgTwin | None]
    uid: str = ""
    refused: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Membership:
    """``membership`` and ``membership/detail`` (whose ``devices`` are ``added`` here)."""

    event_id: str
    timestamp: int
    added: tuple[Device, ...] = ()
    removed: tuple[Device, ...] = ()
    refused: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AttributeUpdate:
    """What the cloud says of single attributes of a device; None: that one goes."""

    event_id: str
    attributes: Mapping[str, Attribute | None]
    refused: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class StateUpdate:
    """``faults``: ours (P6.17), None where the payload does not name them."""

    event_id: str
    state: str
    faults: tuple[Fault, ...] | None = None


# Building: plain JSON values, keys in the order of KubeEdge's structs.


def value_json(value: TwinValue) -> dict[str, Any]:
    if value.timestamp is None:
        return {"value": value.value}
    return {"value": value.value, "metadata": {"timestamp": value.timestamp}}


def version_json(version: Version) -> dict[str, int]:
    return {"cloud": version.cloud, "edge": version.edge}


def twin_json(twin: MsgTwin | None) -> dict[str, Any] | None:
    """``null`` stands for a twin that is gone. For a shape without versions leave them out of ``twin``."""
    if twin is None:
        return None
    found: dict[str, Any] = {}
    if twin.expected is not None:
        found["expected"] = value_json(twin.expected)
    if twin.actual is not None:
        found["actual"] = value_json(twin.actual)
    if twin.optional is not None:
        found["optional"] = twin.optional
    if twin.type is not None:
        found["metadata"] = {"type": twin.type} if twin.type else {}
    if twin.expected_version is not None:
        found["expected_version"] = version_json(twin.expected_version)
    if twin.actual_version is not None:
        found["actual_version"] = version_json(twin.actual_version)
    return found


def twins_json(twins: Mapping[str, MsgTwin | None]) -> dict[str, Any]:
    """By name in sorted order, as Go writes maps."""
    return {name: twin_json(twins[name]) for name in sorted(twins)}


def attribute_json(attribute: Attribute) -> dict[str, Any]:
    found: dict[str, Any] = {"value": attribute.value}
    if attribute.optional is not None:
        found["optional"] = attribute.optional
    if attribute.type is not None:
        found["metadata"] = {"type": attribute.type} if attribute.type else {}
    return found


def device_json(device: Device) -> dict[str, Any]:
    """Empty texts, and attributes or twins that are None, are omitted."""
    texts = {
        "id": device.id,
        "name": device.name,
        "description": device.description,
        "state": device.state,
        "last_online": device.last_online,
    }
    found: dict[str, Any] = {key: text for key, text in texts.items() if text}
    if device.attributes:
        found["attributes"] = {name: attribute_json(device.attributes[name]) for name in sorted(device.attributes)}
    if device.twins:
        found["twin"] = twins_json(device.twins)
    if device.uid:
        found["uid"] = device.uid
    return found


def twin_update_content(twins: Mapping[str, MsgTwin | None], *, event_id: str = "", timestamp: int, uid: str = "") -> dict[str, Any]:
    """Content of ``twin/update``, ``cloud_updated`` (with ``uid``) and ``edge_updated``."""
    found: dict[str, Any] = {"event_id": event_id, "timestamp": timestamp, "twin": twins_json(twins)}
    if uid:
        found["uid"] = uid
    return found


def membership_content(
    *, added: tuple[Device, ...] = (), removed: tuple[Device, ...] = (), event_id: str, timestamp: int
) -> dict[str, Any]:
    """Content of ``membership`` down and ``membership/updated`` out: a list without devices is ``null``."""
    return {
        "event_id": event_id,
        "timestamp": timestamp,
        "added_devices": [device_json(device) for device in added] or None,
        "removed_devices": [device_json(device) for device in removed] or None,
    }


def to_text(content: Mapping[str, Any]) -> str:
    """JSON as it goes to MQTT."""
    return json.dumps(content, separators=(",", ":"), ensure_ascii=False)


# The rules of 6.4.


def is_device_id(text: str) -> bool:
    return _DEVICE_ID.fullmatch(text) is not None


def is_key(text: str) -> bool:
    return _KEY.fullmatch(text) is not None


def is_value(text: str) -> bool:
    return len(text) <= MAX_VALUE and (text.isprintable() or not text)
