"""Reads device payloads (contract 5.3, 6.2 to 6.4; P6) and names the field at fault.

``content`` is bytes or text of JSON (MQTT), or a value decoded already (envelope).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, TypeVar

from viaduct.codec import check_depth
from viaduct.device import (
    MAX_VALUE,
    Attribute,
    AttributeUpdate,
    Device,
    Membership,
    MsgTwin,
    Reading,
    StateUpdate,
    TwinUpdate,
    TwinValue,
    Version,
    is_device_id,
    is_key,
    is_value,
)
from viaduct.errors import MalformedMessage, MalformedPayload
from viaduct.faults import parse_faults
from viaduct.jsontext import NotText, read_json

MAX_PAYLOAD_BYTES = 256 * 1024
MAX_PROFILES_BYTES = 4 * 1024 * 1024
MAX_TWINS = 1000
MAX_DEVICES = 1000
MAX_EVENT_ID = 256
MAX_DESCRIPTION = 4096

_INT64 = 2**63
_Item = TypeVar("_Item")


class TwinMissing(MalformedPayload):
    """The body has no ``twin`` (contract 6.3 gives this refusal a text of its own)."""


def parse_request(content: Any) -> tuple[str, int]:
    """(event_id, timestamp) of any request; both may be absent. Raises MalformedPayload."""
    body = _body(content)
    return _event_id(body), _integer(body, "timestamp", "timestamp") or 0


def parse_twin_update(content: Any) -> TwinUpdate:
    """A request over MQTT: one bad entry refuses all of it. Raises MalformedPayload, TwinMissing."""
    body = _body(content)
    return _twin_update(body, refused=None)


def parse_twin_sync(content: Any) -> TwinUpdate:
    """``cloud_updated`` or ``edge_updated``: a bad entry is left out and named in ``refused``. Raises MalformedPayload, TwinMissing."""
    body = _body(content)
    return _twin_update(body, refused=[])


def parse_state_update(content: Any) -> StateUpdate:
    """Any ``state`` text; which of them count is the receiver's decision. Raises MalformedPayload."""
    body = _body(content)
    faults = None if body.get("faults") is None else parse_faults(body["faults"], "faults")
    return StateUpdate(_event_id(body), _text(body, "state", "state", MAX_VALUE), faults)


def parse_profile_request(content: Any) -> tuple[str, str]:
    """(event_id, digest of what the mapper has); both may be absent. Raises MalformedPayload."""
    body = _body(content)
    return _event_id(body), _text(body, "have", "have", MAX_EVENT_ID)


def parse_profiles(content: Any) -> tuple[str, dict[str, str] | None]:
    """(digest, text of the profile by namespace) as EdgeCore tells its mappers (P6.16); None: they are what the digest says.

    Raises MalformedPayload. Of the caps only the depth is checked: the profiles are as large as ConfigMaps may be.
    """
    if not isinstance(content, bytes | bytearray) or len(content) > MAX_PROFILES_BYTES:
        raise MalformedPayload("payload", f"expected at most {MAX_PROFILES_BYTES} bytes")
    body = _object(content)
    digest, found = _text(body, "digest", "digest", MAX_EVENT_ID), body.get("profiles")
    if not digest:
        raise MalformedPayload("digest", "is missing")
    if found is None:
        return digest, None
    if not isinstance(found, dict) or not all(isinstance(text, str) for text in found.values()):
        raise MalformedPayload("profiles", "expected an object of texts")
    return digest, found


def parse_data_update(content: Any) -> tuple[list[Reading], list[str]]:
    """What a mapper measured (contract 11.4), and the entries that are at fault, in words. Numbers count as their text.

    Raises MalformedPayload.
    """
    body = _body(content)
    refused: list[str] = []
    found = _entries(body.get("data"), "data", _reading, refused)
    return [Reading(name, *reading) for name, reading in found.items()], refused


def parse_attributes(content: Any) -> AttributeUpdate:
    """``updated`` of ``device/<id>`` (contract 6.6). A bad entry is left out and named in ``refused``. Raises MalformedPayload."""
    body = _body(content)
    refused: list[str] = []
    attributes = _entries(body.get("attributes"), "attributes", _attribute_or_none, refused)
    return AttributeUpdate(_event_id(body), attributes, tuple(refused))


def parse_membership(content: Any) -> Membership:
    """A bad device or twin is left out and named in ``refused``. Raises MalformedPayload."""
    body = _body(content)
    refused: list[str] = []
    return Membership(
        _event_id(body),
        _integer(body, "timestamp", "timestamp") or 0,
        _devices(body, "added_devices", refused),
        _devices(body, "removed_devices", refused),
        tuple(refused),
    )


def parse_membership_detail(content: Any) -> Membership:
    """``{"devices": […]}``, every device the node should hold (contract 6.6). Raises MalformedPayload."""
    body = _body(content)
    if not isinstance(body.get("devices"), list):
        raise MalformedPayload("devices", f"expected an array, got {_kind(body.get('devices'))}")
    refused: list[str] = []
    devices = _devices(body, "devices", refused)
    return Membership(_event_id(body), _integer(body, "timestamp", "timestamp") or 0, devices, (), tuple(refused))


def _body(content: Any) -> dict[str, Any]:
    if isinstance(content, str | bytes | bytearray):
        size = len(content) if isinstance(content, bytes | bytearray) else len(content.encode("utf-8", "surrogatepass"))
        if size > MAX_PAYLOAD_BYTES:
            raise MalformedPayload("payload", f"{size} bytes, the limit is {MAX_PAYLOAD_BYTES}")
    return _object(content)


def _object(content: Any) -> dict[str, Any]:
    if isinstance(content, str | bytes | bytearray):
        content = _json(content)
    if not isinstance(content, dict):
        raise MalformedPayload("payload", f"expected an object, got {_kind(content)}")
    return content


def _json(payload: str | bytes | bytearray) -> Any:
    try:
        text = payload if isinstance(payload, str) else payload.decode("utf-8")
        check_depth(text)
        return read_json(text)
    except UnicodeDecodeError as exc:
        raise MalformedPayload("payload", f"not UTF-8 at byte {exc.start}") from exc
    except MalformedMessage as exc:
        raise MalformedPayload("payload", exc.reason) from exc
    except NotText as exc:
        raise MalformedPayload(exc.path or "payload", str(exc)) from exc
    except ValueError as exc:
        raise MalformedPayload("payload", f"not JSON: {exc}") from exc


def _twin_update(body: dict[str, Any], refused: list[str] | None) -> TwinUpdate:
    twins = body.get("twin")
    if twins is None:
        raise TwinMissing("twin", "is missing")
    parsed = _entries(twins, "twin", _twin, refused)
    return TwinUpdate(
        _event_id(body),
        _integer(body, "timestamp", "timestamp") or 0,
        parsed,
        _text(body, "uid", "uid", MAX_EVENT_ID),
        tuple(refused or ()),
    )


def _entries(value: Any, where: str, read: Callable[[Any, str], _Item], refused: list[str] | None) -> dict[str, _Item]:
    """Each entry of a map by ``read``; one at fault is collected in ``refused``, or raised where that is None."""
    if not isinstance(value, dict):
        raise MalformedPayload(where, f"expected an object, got {_kind(value)}")
    if len(value) > MAX_TWINS:
        raise MalformedPayload(where, f"{len(value)} entries, the limit is {MAX_TWINS}")
    found: dict[str, _Item] = {}
    for key, item in value.items():
        try:
            if not is_key(key):
                raise MalformedPayload(f"{where}.{key[:64]!r}", "a key is 1 to 128 of a-z A-Z 0-9 - _ . , : / @ #")
            found[key] = read(item, f"{where}.{key}")
        except MalformedPayload as fault:
            if refused is None:
                raise
            refused.append(str(fault))
    return found


def _twin(item: Any, where: str) -> MsgTwin | None:
    if item is None:
        return None
    if not isinstance(item, dict):
        raise MalformedPayload(where, f"expected an object or null, got {_kind(item)}")
    return MsgTwin(
        _twin_value(item.get("expected"), where, "expected"),
        _twin_value(item.get("actual"), where, "actual"),
        _flag(item.get("optional"), f"{where}.optional"),
        _type(item.get("metadata"), where),
        _version(item.get("expected_version"), f"{where}.expected_version"),
        _version(item.get("actual_version"), f"{where}.actual_version"),
    )


def _twin_value(item: Any, where: str, side: str) -> TwinValue | None:
    if item is None:
        return None
    if not isinstance(item, dict):
        raise MalformedPayload(f"{where}.{side}", f"expected an object, got {_kind(item)}")
    value = item.get("value")
    if not isinstance(value, str):
        raise MalformedPayload(f"{where}.{side}.value", f"expected a string, got {_kind(value)}")
    if len(value) > MAX_VALUE or not value.isprintable():
        raise MalformedPayload(f"{where}.{side}.value", f"a value is printable text of at most {MAX_VALUE} characters")
    metadata = item.get("metadata")
    if metadata is None:
        return TwinValue(value)
    if not isinstance(metadata, dict):
        raise MalformedPayload(f"{where}.{side}.metadata", f"expected an object, got {_kind(metadata)}")
    return TwinValue(value, _integer(metadata, "timestamp", f"{where}.{side}.metadata.timestamp"))


def _reading(item: Any, where: str) -> tuple[str, int | None]:
    if not isinstance(item, dict):
        raise MalformedPayload(where, f"expected an object, got {_kind(item)}")
    value = item.get("value")
    if isinstance(value, bool | int | float):
        value = json.dumps(value)
    if not isinstance(value, str) or not 0 < len(value) <= MAX_VALUE or not value.isprintable():
        raise MalformedPayload(f"{where}.value", f"a value is printable text of at most {MAX_VALUE} characters")
    metadata = item.get("metadata")
    if metadata is not None and not isinstance(metadata, dict):
        raise MalformedPayload(f"{where}.metadata", f"expected an object, got {_kind(metadata)}")
    return value, _integer(metadata or {}, "timestamp", f"{where}.metadata.timestamp")


def _type(metadata: Any, where: str) -> str | None:
    if metadata is None:
        return None
    if not isinstance(metadata, dict):
        raise MalformedPayload(f"{where}.metadata", f"expected an object, got {_kind(metadata)}")
    return _text(metadata, "type", f"{where}.metadata.type", MAX_VALUE)


def _version(item: Any, where: str) -> Version | None:
    if item is None:
        return None
    if not isinstance(item, dict):
        raise MalformedPayload(where, f"expected an object, got {_kind(item)}")
    return Version(_integer(item, "cloud", f"{where}.cloud") or 0, _integer(item, "edge", f"{where}.edge") or 0)


def _attribute(item: Any, where: str) -> Attribute:
    if not isinstance(item, dict):
        raise MalformedPayload(where, f"expected an object, got {_kind(item)}")
    value = _text(item, "value", f"{where}.value", MAX_VALUE)
    if not is_value(value):
        raise MalformedPayload(f"{where}.value", "a value is printable text")
    return Attribute(value, _flag(item.get("optional"), f"{where}.optional"), _type(item.get("metadata"), where))


def _attribute_or_none(item: Any, where: str) -> Attribute | None:
    return None if item is None else _attribute(item, where)


def _devices(body: dict[str, Any], key: str, refused: list[str]) -> tuple[Device, ...]:
    value = body.get(key)
    if value is None:
        return ()
    if not isinstance(value, list):
        raise MalformedPayload(key, f"expected an array or null, got {_kind(value)}")
    if len(value) > MAX_DEVICES:
        raise MalformedPayload(key, f"{len(value)} devices, the limit is {MAX_DEVICES}")
    found = []
    for index, item in enumerate(value):
        try:
            found.append(_device(item, f"{key}[{index}]", refused))
        except MalformedPayload as fault:
            refused.append(str(fault))
    return tuple(found)


def _device(item: Any, where: str, refused: list[str]) -> Device:
    if not isinstance(item, dict):
        raise MalformedPayload(where, f"expected an object, got {_kind(item)}")
    identity = _text(item, "id", f"{where}.id", 253)
    if not is_device_id(identity):
        raise MalformedPayload(f"{where}.id", f"{identity[:64]!r} is not 1 to 253 of a-z A-Z 0-9 . _ -")
    attributes, twins = item.get("attributes"), item.get("twin")
    return Device(
        id=identity,
        name=_text(item, "name", f"{where}.name", MAX_VALUE),
        description=_text(item, "description", f"{where}.description", MAX_DESCRIPTION),
        state=_text(item, "state", f"{where}.state", MAX_VALUE),
        last_online=_text(item, "last_online", f"{where}.last_online", MAX_VALUE),
        attributes=None if attributes is None else _entries(attributes, f"{where}.attributes", _attribute, refused),
        twins=None if twins is None else _entries(twins, f"{where}.twin", _twin, refused),
        uid=_text(item, "uid", f"{where}.uid", MAX_EVENT_ID),
    )


def _event_id(body: dict[str, Any]) -> str:
    return _text(body, "event_id", "event_id", MAX_EVENT_ID)


def _text(body: dict[str, Any], key: str, where: str, limit: int) -> str:
    value = body.get(key)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise MalformedPayload(where, f"expected a string, got {_kind(value)}")
    if len(value) > limit:
        raise MalformedPayload(where, f"longer than {limit} characters")
    return value


def _integer(body: dict[str, Any], key: str, where: str) -> int | None:
    value = body.get(key)
    if value is None:
        return None
    if type(value) is not int or not -_INT64 <= value < _INT64:
        raise MalformedPayload(where, f"expected a whole number of 64 bits, got {_kind(value)}")
    return value


def _flag(value: Any, where: str) -> bool | None:
    if value is None or isinstance(value, bool):
        return value
    raise MalformedPayload(where, f"expected true or false, got {_kind(value)}")


def _kind(value: Any) -> str:
    if value is None:
        return "nothing"
    names = {dict: "an object", list: "an array", str: "a string", bool: "a boolean", int: "a number", float: "a number"}
    return names.get(type(value), type(value).__name__)
