"""What a node says of its upgrade (P9.4), laid over the job's status; and the Events about what has changed there. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cloudcore.errors import Refused
from cloudcore.objects import identity, stamp, uid_of
from cloudcore.ports import JsonObject
from cloudcore.upgradecontroller.job import entries, state_of
from cloudcore.upgradecontroller.rollout import Phase
from viaduct.upgrades.state import ENDS, FAILURES, OF_A_NODE, State
from viaduct.upgrades.task import API_VERSION, KIND

_MOST_REASON = 1024


@dataclass(frozen=True, slots=True)
class UpgradeReport:
    """``uid``: of the job that the node speaks of. ``said``: what stands under the node's name then."""

    uid: str
    said: JsonObject


def upgrade_report(content: Any) -> UpgradeReport:
    """Raises:
    Refused: another shape; the text names the field.
    """
    status = content.get("status") if isinstance(content, dict) else None
    if not isinstance(status, dict):
        raise Refused("content.status: expected an object")
    if status.get("state") not in OF_A_NODE:
        raise Refused(f"content.status.state: expected one of {', '.join(sorted(OF_A_NODE))}")
    said = {"state": str(status["state"])}
    for field, most in (("reason", _MOST_REASON), ("fromVersion", 200), ("toVersion", 200)):
        if status.get(field):
            said[field] = _text(status, field, most, "content.status")
    return UpgradeReport(_text(content, "uid", 64, "content"), said)


def merged(job: JsonObject, node: str, report: UpgradeReport, now: datetime) -> JsonObject | None:
    """``job`` with what ``node`` says; None where that changes nothing. An end is never taken back, but for one that the cloud assumed."""
    known = entries(job)
    entry = known[node]
    state = state_of(entry)
    is_over = state in ENDS and state != State.TIMED_OUT
    kept = {key: value for key, value in entry.items() if key not in ("state", "reason", "fromVersion", "toVersion", "time")}
    before = {key: value for key, value in entry.items() if key != "time"}
    if is_over or kept | report.said == before:
        return None
    listed = [kept | report.said | {"time": stamp(now)} if name == node else other for name, other in known.items()]
    return job | {"status": (job.get("status") or {}) | {"nodeStatus": listed}}


def events(old: JsonObject, new: JsonObject, now: datetime) -> Iterator[JsonObject]:
    """The Events about what ``new`` has that ``old`` had not: a batch that was told, a node that failed, the end, the halt."""
    before, after = entries(old), entries(new)
    fresh = {node: state_of(entry) for node, entry in after.items() if state_of(entry) != state_of(before.get(node, {}))}
    told = [node for node, state in fresh.items() if state == State.STARTED]
    if told:
        yield _event(new, "Normal", "BatchStarted", f"batch {after[told[0]].get('batch')}: {', '.join(told)}", now)
    for node, state in fresh.items():
        if state in FAILURES:
            yield _event(new, "Warning", f"NodeUpgrade{state}", f"{node}: {after[node].get('reason') or state}", now)
    phase, reason = ((new.get("status") or {}).get(key) for key in ("state", "reason"))
    if phase != (old.get("status") or {}).get("state") and phase in (Phase.SUCCESSFUL, Phase.FAILED, Phase.HALTED):
        kind = "Normal" if phase == Phase.SUCCESSFUL else "Warning"
        yield _event(new, kind, f"Upgrade{phase}", str(reason or "every node has ended well"), now)


def _event(job: JsonObject, kind: str, reason: str, message: str, now: datetime) -> JsonObject:
    """Its name follows from what it says: said again, it is there already."""
    name = identity(job)[1]
    digest = hashlib.sha256(f"{uid_of(job)} {reason} {message}".encode("utf-8", "replace")).hexdigest()[:16]
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": f"{name[:220]}.{digest}", "namespace": "default"},
        "involvedObject": {"apiVersion": API_VERSION, "kind": KIND, "name": name, "uid": uid_of(job)},
        "type": kind,
        "reason": reason,
        "message": message[:1024],
        "source": {"component": "upgradecontroller"},
        "firstTimestamp": stamp(now),
        "lastTimestamp": stamp(now),
        "count": 1,
    }


def _text(value: Any, field: str, most: int, where: str) -> str:
    found = value.get(field)
    if not isinstance(found, str) or not 0 < len(found) <= most:
        raise Refused(f"{where}.{field}: expected text of 1 to {most} characters")
    return found
