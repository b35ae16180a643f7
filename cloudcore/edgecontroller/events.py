"""What a node tells of its pods and of itself as core/v1 Events (P5.7). Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cloudcore.errors import Refused
from cloudcore.objects import identity, uid_of
from cloudcore.ports import JsonObject
from viaduct.resource import ResourcePath

COMPONENT = "edged"
_KINDS = ("Pod", "Node")
_TEXTS = {"reason": 128, "message": 1024}
_MOST_COUNT = 1_000_000


@dataclass(frozen=True, slots=True)
class EventReport:
    """``kind`` is Pod or Node, ``name`` and ``uid`` are those of what it is about; ``first`` and ``last`` RFC 3339."""

    kind: str
    name: str
    uid: str
    field_path: str
    reason: str
    message: str
    warning: bool
    count: int
    first: str
    last: str


def event_report(path: ResourcePath, content: Any) -> EventReport:
    """Raises:
    Refused: not an Event about a Pod or a Node under a name that begins with theirs; the text names the field.
    """
    if not isinstance(content, dict):
        raise Refused("content: expected an Event")
    about = content.get("involvedObject")
    if not isinstance(about, dict) or about.get("kind") not in _KINDS:
        raise Refused("content.involvedObject.kind: expected Pod or Node")
    name, uid = _text(about, "name", 253, "content.involvedObject"), _text(about, "uid", 64, "content.involvedObject", needed=False)
    if not path.name.startswith(f"{name[:220]}."):
        raise Refused(f"{path}: the name of an event begins with that of what it is about, {name!r}")
    if content.get("type") not in ("Normal", "Warning"):
        raise Refused("content.type: expected Normal or Warning")
    count = content.get("count")
    if not isinstance(count, int) or isinstance(count, bool) or not 0 < count <= _MOST_COUNT:
        raise Refused(f"content.count: expected 1 to {_MOST_COUNT}")
    return EventReport(
        kind=about["kind"],
        name=name,
        uid=uid,
        field_path=_text(about, "fieldPath", 253, "content.involvedObject", needed=False),
        reason=_text(content, "reason", _TEXTS["reason"]),
        message=_text(content, "message", _TEXTS["message"]),
        warning=content["type"] == "Warning",
        count=count,
        first=_time(content, "firstTimestamp"),
        last=_time(content, "lastTimestamp"),
    )


def event_object(node: str, path: ResourcePath, report: EventReport, about: JsonObject) -> JsonObject:
    """The Event as it is stored. Who tells it is written here, not by the node."""
    namespace, name = identity(about)
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": path.name, "namespace": path.namespace},
        "involvedObject": {
            "apiVersion": "v1",
            "kind": report.kind,
            "name": name,
            **({"namespace": namespace} if namespace else {}),
            "uid": uid_of(about),
            **({"fieldPath": report.field_path} if report.field_path else {}),
        },
        "reason": report.reason,
        "message": report.message,
        "type": "Warning" if report.warning else "Normal",
        "count": report.count,
        "firstTimestamp": report.first,
        "lastTimestamp": report.last,
        "source": {"component": COMPONENT, "host": node},
        "reportingComponent": COMPONENT,
        "reportingInstance": node,
    }


def repeated(stored: JsonObject, wanted: JsonObject) -> JsonObject | None:
    """``stored`` with the newer count of ``wanted``; None where it is not newer.

    Raises:
        Refused: the name is taken by an event of somebody else.
    """
    if stored.get("source") != wanted["source"] or (stored.get("involvedObject") or {}).get("uid") != wanted["involvedObject"]["uid"]:
        raise Refused(f"event {identity(stored)[1]} is not one of this node", code=403)
    if int(stored.get("count") or 0) >= wanted["count"]:
        return None
    return stored | {key: wanted[key] for key in ("count", "lastTimestamp", "message")}


def _text(value: dict[str, Any], key: str, most: int, field: str = "content", *, needed: bool = True) -> str:
    text = value.get(key)
    if text is None and not needed:
        return ""
    if not isinstance(text, str) or (needed and not text) or len(text) > most:
        raise Refused(f"{field}.{key}: expected text of at most {most} characters")
    return text


def _time(content: dict[str, Any], key: str) -> str:
    text = _text(content, key, 40)
    try:
        datetime.fromisoformat(text)
    except ValueError as exc:
        raise Refused(f"content.{key}: expected a time (RFC 3339)") from exc
    return text
