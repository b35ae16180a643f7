"""What a node reports of a device, laid over the Device (contract 5.4, 6.6). Pure.

A Device has one report waiting at most: later values replace earlier ones, so the last that arrived is the last that is written (bug C17).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from cloudcore.devicecontroller import conditions
from cloudcore.devicecontroller.translate import digest, is_only_reported, marked, twins_of
from cloudcore.errors import Refused
from cloudcore.objects import stamp
from cloudcore.ports import JsonObject
from viaduct.errors import MalformedPayload
from viaduct.faults import Fault, parse_faults
from viaduct.jsontext import read_json
from viaduct.states import ONLINE, STATES, understood

MAX_TWINS = 1000
MAX_VALUE = 4096
_STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


@dataclass(frozen=True, slots=True)
class Report:
    """``twins``: property to ``{"value", "metadata"}``. ``state`` "": nothing is said. ``faults`` None: nothing is said of them; they were
    so at ``said`` (epoch ms). ``seen``: when the device reported (epoch ms), 0 where it did not. ``restored``: values that were known
    before; they count only where the Device has none, so that they never replace what a node said since."""

    twins: dict[str, JsonObject] = field(default_factory=dict)
    state: str = ""
    seen: int = 0
    restored: dict[str, JsonObject] = field(default_factory=dict)
    faults: tuple[Fault, ...] | None = None
    said: int = 0

    def then(self, later: Report) -> Report:
        return Report(
            self.twins | later.twins,
            later.state or self.state,
            max(later.seen, self.seen),
            self.restored | later.restored,
            *((self.faults, self.said) if later.faults is None else (later.faults, later.said)),
        )

    def values_for(self, device: JsonObject) -> dict[str, JsonObject]:
        """What to write as ``reported`` of ``device``."""
        has = {name for name, twin in twins_of(device).items() if "reported" in twin}
        return {name: value for name, value in self.restored.items() if name not in has} | self.twins


def twin_report(content: Any, *, said_ms: int = 0) -> Report:
    """The content of ``device/<id>/twin/edge_updated``. Entries without an actual value (expected only, deleted) say nothing.
    ``said_ms``: when the node wrote the message, epoch ms.

    Raises:
        Refused: another shape; the text names the field.
    """
    value = _object(_json(content), "content")
    twins = _object(value.get("twin"), "content.twin")
    if len(twins) > MAX_TWINS:
        raise Refused(f"content.twin: {len(twins)} properties, the limit is {MAX_TWINS}")
    found = {name: _reported(name, twin) for name, twin in twins.items() if twin is not None}
    values = {name: reported for name, reported in found.items() if reported is not None}
    return Report(values, seen=said_ms if values else 0)


def _reported(name: str, twin: Any) -> JsonObject | None:
    where = f"content.twin.{name[:64]}"
    entry = _object(twin, where)
    kind = _object(entry.get("metadata") or {}, f"{where}.metadata").get("type") or ""
    if kind == "deleted" or entry.get("actual") is None:
        return None
    actual = _object(entry["actual"], f"{where}.actual")
    value = actual.get("value")
    if value is None:
        return None
    if not isinstance(value, str) or not isinstance(kind, str):
        raise Refused(f"{where}.actual.value: expected text")
    if len(value) > MAX_VALUE:
        raise Refused(f"{where}.actual.value: longer than {MAX_VALUE} characters")
    timestamp = _object(actual.get("metadata") or {}, f"{where}.actual.metadata").get("timestamp")
    metadata = {"timestamp": str(timestamp)} if timestamp else {}
    return {"value": value, "metadata": metadata | ({"type": kind} if kind else {})}


def state_report(content: Any, *, said_ms: int = 0) -> Report:
    """The content of ``device/<id>/state``: ``{"device":{"state","last_online"}}``, mostly as text that holds this JSON. ``last_online`` is
    not used: KubeEdge's boards write it in a local time that nobody knows here (bug E14). ``said_ms``: as of ``twin_report``."""
    device = _object(_object(_json(content), "content").get("device"), "content.device")
    if not isinstance(device.get("last_online") or "", str):
        raise Refused("content.device.last_online: expected a time as text")
    try:
        faults = None if device.get("faults") is None else parse_faults(device["faults"], "content.device.faults")
    except MalformedPayload as exc:
        raise Refused(str(exc)) from exc
    said = understood(device.get("state"), faults)
    if said is None:
        raise Refused(f"content.device.state: expected one of {', '.join(STATES)}")
    state, faults = said
    return Report({}, state, said_ms if state == ONLINE else 0, faults=faults, said=0 if faults is None else said_ms)


def merged(device: JsonObject, report: Report, declared: frozenset[str]) -> JsonObject:
    """``device`` with the reported values. A property that status.twins does not list is added where the model declares it; others are
    left out (contract 5.4). What the user wishes (``desired``) is never touched."""
    status = device.get("status") or {}
    values = report.values_for(device)
    twins = [_with(twin, values) for twin in status.get("twins") or [] if isinstance(twin, dict)]
    listed = {twin.get("propertyName") for twin in twins}
    twins += [{"propertyName": name, "reported": value} for name, value in values.items() if name not in listed and name in declared]
    changes: JsonObject = {"twins": twins} if twins else {}
    if report.state:
        changes["state"] = report.state
    if report.faults is not None:
        changes["conditions"] = conditions.with_health(status.get("conditions"), report.faults, report.said)
    if report.seen and (report.state or any(name in listed or name in declared for name in values)):
        changes["lastOnlineTime"] = _later(status.get("lastOnlineTime"), report.seen)
    return device if not changes else device | {"status": status | changes}


def _later(known: Any, seen: int) -> str:
    """RFC 3339. Reports may come out of order after an outage; the time of the newest stays."""
    time = stamp(datetime.fromtimestamp(seen / 1000, UTC))
    return max(known, time) if isinstance(known, str) and _STAMP.fullmatch(known) else time


def written(device: JsonObject, report: Report, declared: frozenset[str], *, wish: tuple[str, str]) -> JsonObject | None:
    """The Device to write, None where it is so already.

    ``wish``: (version, digest) of what the nodes were told last. Where ``device`` wishes something newer, its own version counts.
    """
    result = merged(device, report, declared)
    newest = str((device.get("metadata") or {}).get("resourceVersion") or "")
    result = marked(result, wish[0] if wish[1] == digest(result) else newest)
    return None if result == device else result


def lost(old: JsonObject, new: JsonObject) -> Report:
    """Reported values that a user's patch took away without meaning it: a merge patch can only replace the whole list of twins."""
    now = twins_of(new)
    values: dict[str, JsonObject] = {}
    for name, twin in twins_of(old).items():
        kept = now.get(name, {} if is_only_reported(twin) else None)
        if kept is not None and "reported" not in kept and isinstance(twin.get("reported"), dict):
            values[name] = twin["reported"]
    return Report(restored=values)


def _with(twin: JsonObject, reported: dict[str, JsonObject]) -> JsonObject:
    """A listed property gets a ``desired`` (as KubeEdge writes it, empty), which tells it from one that was only reported."""
    value = reported.get(str(twin.get("propertyName")))
    if value is None:
        return twin
    return {"desired": {"value": ""}} | twin | {"reported": value} if not is_only_reported(twin) else twin | {"reported": value}


def _object(value: Any, field_name: str) -> JsonObject:
    if not isinstance(value, dict):
        raise Refused(f"{field_name}: expected an object")
    return value


def _json(content: Any) -> Any:
    if not isinstance(content, str):
        return content
    try:
        return read_json(content)
    except ValueError as exc:
        raise Refused(f"content: not JSON: {exc}") from exc
