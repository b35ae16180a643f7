"""Message to JSON text and back (contract 1.1). Refuses what it cannot read and names the field.

Caps (X4): ``MAX_FRAME_BYTES`` for one frame, ``MAX_DEPTH`` for nesting. Unknown keys are ignored, as KubeEdge does.
"""

from __future__ import annotations

import base64
import json
from typing import Any

from viaduct.errors import MalformedMessage
from viaduct.jsontext import NotText, read_json
from viaduct.message import Header, Message, Route
from viaduct.vocabulary import FORBIDDEN_OPERATIONS

MAX_FRAME_BYTES = 4 * 1024 * 1024
"""Kubernetes objects are at most 1.5 MiB; a ConfigMap in base64 in an envelope stays well below this."""

MAX_DEPTH = 64
MAX_NAME = 512
_MAX_TIMESTAMP = 2**63 - 1


def encode(message: Message) -> str:
    """One text frame. Empty optional fields are omitted, ``content`` never is."""
    header: dict[str, Any] = {"msg_id": message.header.msg_id}
    if message.header.parent_msg_id:
        header["parent_msg_id"] = message.header.parent_msg_id
    header["timestamp"] = message.header.timestamp
    if message.header.resource_version:
        header["resourceversion"] = message.header.resource_version
    if message.header.sync:
        header["sync"] = True
    parts = {
        "source": message.route.source,
        "group": message.route.group,
        "operation": message.route.operation,
        "resource": message.route.resource,
    }
    envelope = {
        "header": header,
        "route": {key: str(value) for key, value in parts.items() if value},
        "content": message.content,
    }
    return json.dumps(envelope, separators=(",", ":"), ensure_ascii=False, default=_as_go_would)


def decode(frame: str | bytes, *, max_bytes: int = MAX_FRAME_BYTES) -> Message:
    """The message in one frame.

    Raises:
        MalformedMessage: too large, too deep, not JSON, or a field of the wrong type; ``field`` says which.
    """
    value = _parse(frame, max_bytes)
    if not isinstance(value, dict):
        raise MalformedMessage("frame", f"expected an object, got {_kind(value)}")
    header = _object(value, "header")
    route = _object(value, "route")
    message = Message(
        Header(
            msg_id=_text(header, "header", "msg_id", required=True),
            timestamp=_timestamp(header),
            parent_msg_id=_text(header, "header", "parent_msg_id"),
            resource_version=_text(header, "header", "resourceversion"),
            sync=_flag(header, "sync"),
        ),
        Route(
            source=_text(route, "route", "source"),
            group=_text(route, "route", "group"),
            operation=_text(route, "route", "operation"),
            resource=_text(route, "route", "resource"),
        ),
        value.get("content"),
    )
    if message.route.operation in FORBIDDEN_OPERATIONS:
        raise MalformedMessage("route.operation", f"{message.route.operation!r} is reserved by the transport")
    return message


def _parse(frame: str | bytes, max_bytes: int) -> Any:
    size = len(frame) if isinstance(frame, bytes) else len(frame.encode("utf-8", "surrogatepass"))
    if size > max_bytes:
        raise MalformedMessage("frame", f"{size} bytes, the limit is {max_bytes}")
    try:
        text = frame.decode("utf-8") if isinstance(frame, bytes) else frame
    except UnicodeDecodeError as exc:
        raise MalformedMessage("frame", f"not UTF-8 at byte {exc.start}") from exc
    check_depth(text)
    try:
        return read_json(text)
    except NotText as exc:
        raise MalformedMessage(exc.path or "frame", str(exc)) from exc
    except ValueError as exc:
        raise MalformedMessage("frame", f"not JSON: {exc}") from exc


def check_depth(text: str, limit: int = MAX_DEPTH) -> None:
    """Raises MalformedMessage where brackets nest deeper than ``limit``; strings are skipped."""
    if text.count("{") + text.count("[") <= limit:
        return
    depth = 0
    inside = escaped = False
    for char in text:
        if inside:
            if escaped:
                escaped = False
            elif char == "\\":
                escaped = True
            elif char == '"':
                inside = False
        elif char == '"':
            inside = True
        elif char in "{[":
            depth += 1
            if depth > limit:
                raise MalformedMessage("frame", f"nested deeper than {limit}")
        elif char in "}]":
            depth -= 1


def _object(value: dict[str, Any], key: str) -> dict[str, Any]:
    part = value.get(key)
    if not isinstance(part, dict):
        raise MalformedMessage(key, f"expected an object, got {_kind(part)}")
    return part


def _text(part: dict[str, Any], where: str, key: str, *, required: bool = False) -> str:
    value = part.get(key)
    if value is None and not required:
        return ""
    if not isinstance(value, str):
        raise MalformedMessage(f"{where}.{key}", f"expected a string, got {_kind(value)}")
    if required and not value:
        raise MalformedMessage(f"{where}.{key}", "is empty")
    if len(value) > MAX_NAME:
        raise MalformedMessage(f"{where}.{key}", f"longer than {MAX_NAME} characters")
    return value


def _timestamp(header: dict[str, Any]) -> int:
    value = header.get("timestamp", 0)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= _MAX_TIMESTAMP:
        raise MalformedMessage("header.timestamp", f"expected milliseconds as int64, got {_kind(value)}")
    return value


def _flag(header: dict[str, Any], key: str) -> bool:
    value = header.get(key, False)
    if not isinstance(value, bool):
        raise MalformedMessage(f"header.{key}", f"expected true or false, got {_kind(value)}")
    return value


def _kind(value: Any) -> str:
    if value is None:
        return "nothing"
    names = {
        dict: "an object",
        list: "an array",
        str: "a string",
        bool: "a boolean",
        int: "a number",
        float: "a number",
    }
    return names.get(type(value), type(value).__name__)


def _as_go_would(value: Any) -> str:
    if isinstance(value, bytes | bytearray | memoryview):
        return base64.b64encode(bytes(value)).decode("ascii")
    raise TypeError(f"cannot send {type(value).__name__}")
