"""What a node says of a DeviceRule (P8.6), laid over the rule's status; and the Event about what is wrong with it. Pure."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cloudcore.errors import Refused
from cloudcore.objects import identity, stamp, uid_of
from cloudcore.ports import JsonObject
from viaduct.rules.rule import API_VERSION, KIND, nodes_of

_STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", re.ASCII)
_MOST_ERROR = 1024
_REASONS = {"Invalid": "RuleInvalid", "Stopped": "RuleStopped", "Setting": "ActionRefused"}


@dataclass(frozen=True, slots=True)
class RuleReport:
    """``status`` is what stands under the node's name; ``uid``: of the rule that the node has."""

    uid: str
    status: JsonObject

    @property
    def error(self) -> str:
        return str(self.status.get("error") or "")


def rule_report(content: Any) -> RuleReport:
    """Raises:
    Refused: another shape; the text names the field.
    """
    if not isinstance(content, dict) or not isinstance(content.get("status"), dict):
        raise Refused("content.status: expected an object")
    told = content["status"]
    status: JsonObject = {"state": _text(told, "state", 32)}
    for field in ("since", "lastFired"):
        if field in told:
            status[field] = _text(told, field, 40)
            if not _STAMP.fullmatch(status[field]):
                raise Refused(f"content.status.{field}: expected a time such as 2026-01-31T12:00:00Z")
    fired = told.get("fired", 0)
    if type(fired) is not int or not 0 <= fired < 2**53:
        raise Refused("content.status.fired: expected a number")
    status["fired"] = fired
    if "error" in told:
        status["error"] = _text(told, "error", _MOST_ERROR)
    return RuleReport(_text(content, "uid", 64, "content"), status)


def is_of(rule: JsonObject, node: str, report: RuleReport) -> bool:
    """Whether ``node`` has this rule and may speak of it."""
    return uid_of(rule) == report.uid and node in nodes_of(rule)


def merged(rule: JsonObject, node: str, report: RuleReport) -> JsonObject | None:
    """``rule`` with what ``node`` says; None where it says so already. Nodes that it does not name any more go."""
    named = nodes_of(rule)
    known = {str(entry.get("name")): entry for entry in _entries(rule)}
    said = known | {node: {"name": node} | report.status}
    entries = [said[name] for name in named if name in said]
    return None if entries == _entries(rule) else rule | {"status": (rule.get("status") or {}) | {"nodes": entries}}


def is_news(rule: JsonObject, node: str, report: RuleReport) -> bool:
    """Whether ``node`` tells an error that it had not told of this rule."""
    before = next((entry for entry in _entries(rule) if entry.get("name") == node), {})
    return bool(report.error) and before.get("error") != report.error


def error_event(rule: JsonObject, node: str, report: RuleReport, now: datetime) -> JsonObject:
    """A core/v1 Event about the rule. Its name follows from what it says: said again, it is there already."""
    namespace, name = identity(rule)
    digest = hashlib.sha256(f"{uid_of(rule)} {node} {stamp(now)[:13]} {report.error}".encode("utf-8", "replace")).hexdigest()[:16]
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": f"{name[:220]}.{digest}", "namespace": namespace},
        "involvedObject": {"apiVersion": API_VERSION, "kind": KIND, "namespace": namespace, "name": name, "uid": uid_of(rule)},
        "type": "Warning",
        "reason": _REASONS.get(report.status["state"], "RuleFailed"),
        "message": report.error,
        "source": {"component": "rules", "host": node},
        "firstTimestamp": stamp(now),
        "lastTimestamp": stamp(now),
        "count": 1,
    }


def _entries(rule: JsonObject) -> list[JsonObject]:
    nodes = (rule.get("status") or {}).get("nodes")
    return [entry for entry in nodes if isinstance(entry, dict)] if isinstance(nodes, list) else []


def _text(value: JsonObject, field: str, most: int, where: str = "content.status") -> str:
    found = value.get(field)
    if not isinstance(found, str) or not 0 < len(found) <= most:
        raise Refused(f"{where}.{field}: expected text of 1 to {most} characters")
    return found
