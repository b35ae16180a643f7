"""Protobuf bodies of Kubernetes' Go clients (`kubectl create namespace` sends nothing else), decoded to JSON values.

Answers are always JSON, which those clients accept. A body with a field outside ``protobuf_messages`` is refused, never cut.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from cloudstub.api.protobuf_messages import INLINED, MESSAGES, Field
from cloudstub.errors import BadRequest, UnsupportedMediaType

MEDIA_TYPE = "application/vnd.kubernetes.protobuf"
_MAGIC = b"k8s\x00"
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
DEPTH_LIMIT = 32

Wire = tuple[int, int, Any]
"""Field number, wire type, value."""


def parse(raw: bytes) -> dict[str, Any]:
    """The object in a body.

    Raises:
        BadRequest: broken, or with a field that is not known here.
        UnsupportedMediaType: a kind that is not known here.
    """
    if not raw.startswith(_MAGIC):
        raise BadRequest("the body is not Kubernetes protobuf: it does not begin with 'k8s'")
    envelope = {number: value for number, wire, value in _fields(raw[len(_MAGIC) :]) if wire == _BYTES}
    names = {number: value for number, wire, value in _fields(envelope.get(1, b"")) if wire == _BYTES}
    api_version, kind = _text(names.get(1, b""), "apiVersion"), _text(names.get(2, b""), "kind")
    if kind not in MESSAGES:
        raise UnsupportedMediaType(f"{kind[:80]} is not accepted as protobuf: send application/json")
    value = _message(envelope.get(2, b""), kind, kind, 0)
    return {"apiVersion": api_version, "kind": kind, **value}


def _message(raw: bytes, name: str, path: str, depth: int) -> dict[str, Any]:
    if depth > DEPTH_LIMIT:
        raise BadRequest(f"the body is nested deeper than {DEPTH_LIMIT} levels")
    known = MESSAGES[name]
    result: dict[str, Any] = {}
    for number, wire, value in _fields(raw):
        field = known.get(number)
        if field is None:
            if value:
                raise BadRequest(f"{path}: protobuf field {number} of {name} is not known here: send application/json")
            continue
        where = f"{path}.{field.name}"
        if field.is_map:
            key, item = _entry(value, field, where, depth)
            result.setdefault(field.name, {})[key] = item
        elif field.is_list:
            result.setdefault(field.name, []).append(_value(wire, value, field, where, depth))
        else:
            item = _value(wire, value, field, where, depth)
            if field.name in INLINED:
                result.update(item)
            elif field.is_pointer or item not in ("", 0, False, None, {}):
                result[field.name] = item
    return result


def _entry(raw: Any, field: Field, path: str, depth: int) -> tuple[str, Any]:
    if not isinstance(raw, bytes):
        raise BadRequest(f"{path}: broken protobuf")
    parts = {number: (wire, value) for number, wire, value in _fields(raw)}
    wire, value = parts.get(2, (_BYTES, b""))
    return _text(parts.get(1, (_BYTES, b""))[1], path), _value(wire, value, field, path, depth)


def _value(wire: int, value: Any, field: Field, path: str, depth: int) -> Any:
    wanted = _VARINT if field.type in ("int", "bool") else _BYTES
    if wire != wanted:
        raise BadRequest(f"{path}: broken protobuf: wire type {wire} where {wanted} belongs")
    match field.type:
        case "int":
            return value - (1 << 64) if value >= 1 << 63 else value
        case "bool":
            return bool(value)
        case "string":
            return _text(value, path)
        case "bytes":
            return base64.b64encode(value).decode()
        case "Time":
            return _time(value, path)
        case "Quantity":
            return _text({n: v for n, _, v in _fields(value)}.get(1, b""), path)
        case "IntOrString":
            parts = {n: v for n, _, v in _fields(value)}
            return _text(parts.get(3, b""), path) if parts.get(1) else _small(parts.get(2, 0), path)
        case name:
            return _message(value, name, path, depth + 1)


def _small(value: Any, path: str) -> int:
    if not isinstance(value, int) or not -(2**31) <= (number := value - (1 << 64) if value >= 1 << 63 else value) < 2**31:
        raise BadRequest(f"{path}: broken protobuf")
    return number


def _time(raw: bytes, path: str) -> str | None:
    seconds = {number: value for number, _, value in _fields(raw)}.get(1)
    if not seconds:
        return None
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (ValueError, OverflowError, OSError, TypeError) as exc:
        raise BadRequest(f"{path}: not a time") from exc


def _text(raw: Any, path: str) -> str:
    try:
        return str(raw, "utf-8")
    except (UnicodeDecodeError, TypeError) as exc:
        raise BadRequest(f"{path}: not UTF-8 text") from exc


def _fields(raw: Any) -> Iterator[Wire]:
    if not isinstance(raw, bytes):
        raise BadRequest("broken protobuf: a number where a message belongs")
    at = 0
    while at < len(raw):
        key, at = _varint(raw, at)
        number, wire = key >> 3, key & 7
        if wire == _VARINT:
            value, at = _varint(raw, at)
            yield number, wire, value
            continue
        if wire == _BYTES:
            length, at = _varint(raw, at)
        elif wire in (_FIXED64, _FIXED32):
            length = 8 if wire == _FIXED64 else 4
        else:
            raise BadRequest(f"broken protobuf: wire type {wire}")
        if at + length > len(raw):
            raise BadRequest("broken protobuf: it ends in the middle of a field")
        yield number, wire, raw[at : at + length]
        at += length


def _varint(raw: bytes, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(raw):
            raise BadRequest("broken protobuf: it ends in the middle of a number")
        byte = raw[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise BadRequest("broken protobuf: a number without end")
