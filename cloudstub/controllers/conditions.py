"""Conditions of a status: find one, set one. ``lastTransitionTime`` moves only when the status does."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from cloudstub.controllers.objects import text_of

Condition = dict[str, Any]


def find(status: dict[str, Any], kind: str) -> Condition | None:
    return next((one for one in status.get("conditions") or () if one.get("type") == kind), None)


def is_true(status: dict[str, Any], kind: str) -> bool:
    found = find(status, kind)
    return found is not None and found.get("status") == "True"


def put(status: dict[str, Any], condition: Condition, now: datetime) -> dict[str, Any]:
    """A copy of ``status`` with ``condition`` (type, status, reason, message, …) in its place, or the same one if nothing differs."""
    before = find(status, condition["type"])
    if before is not None and {**before, **condition} == before:
        return status
    moved = before is None or before.get("status") != condition["status"]
    since = text_of(now) if moved or before is None else before.get("lastTransitionTime", text_of(now))
    merged = {**(before or {}), **condition, "lastTransitionTime": since}
    others = list(status.get("conditions") or ())
    if before is None:
        return {**status, "conditions": [*others, merged]}
    return {**status, "conditions": [merged if one is before else one for one in others]}


def without(status: dict[str, Any], kind: str) -> dict[str, Any]:
    return {**status, "conditions": [one for one in status.get("conditions") or () if one.get("type") != kind]}
