"""What happens next with a NodeUpgradeJob: whom to tell, whom to give up, when to stop (P9.3). Pure: all it knows is in the object.

Nodes are told in batches. The next batch is told once every node of the last one has ended and the pause is over. A node that is away,
or busy with another job, is passed over and comes with a later batch. More failures than tolerated, and nobody is told any more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any

from cloudcore.objects import stamp
from cloudcore.ports import JsonObject
from cloudcore.upgradecontroller.job import ACTIVE, Plan, digest_of, entries, read_plan, state_of
from viaduct.errors import MalformedPayload
from viaduct.upgrades.state import ENDS, FAILURES, State

FETCHING = 900
"""Seconds that a node may take to fetch and exchange the packages; to verify, and to go back, it has those of the job."""


class Phase(StrEnum):
    """``status.state`` of a job."""

    INIT = "Init"
    UPGRADING = "Upgrading"
    PAUSED = "Paused"
    HALTED = "Halted"
    """More failed than tolerated, and there are nodes that were not told. Raise ``failureTolerate`` and it goes on."""
    SUCCESSFUL = "Successful"
    FAILED = "Failed"


FINAL = frozenset({Phase.SUCCESSFUL, Phase.FAILED})


@dataclass(frozen=True, slots=True)
class NodeFact:
    """``ready``: a board of ours that is in touch."""

    ready: bool
    busy_with: str = ""
    """Another job."""


def advanced(job: JsonObject, nodes: Sequence[str], facts: Mapping[str, NodeFact], now: datetime) -> JsonObject:
    """The status that the job should have now. ``nodes``: those that it means, in order."""
    before = job.get("status") or {}
    try:
        plan = read_plan(job)
    except MalformedPayload as exc:
        return before | {"state": Phase.FAILED.value, "reason": str(exc)} | _conditions(before, Phase.FAILED, str(exc), now)
    known = _timed_out(entries(job), plan, now)
    begun_with = before.get("observedTask", digest_of(plan.task))
    kept = [node for node in known if state_of(known[node]) != State.PENDING or node in nodes]
    listed = {node: known.get(node, {"nodeName": node}) for node in dict.fromkeys([*kept, *nodes])}
    if begun_with != digest_of(plan.task):
        return _status(
            before, listed, plan, Phase.FAILED, "spec: what is to be installed was changed after it had begun: make another job", now
        )
    phase, reason = _phase(listed, plan)
    if phase is Phase.UPGRADING:
        listed = _next_batch(listed, plan, facts, now)
        reason = _waiting_for(listed)
    return _status(before | {"observedTask": begun_with}, listed, plan, phase, reason, now)


def pause_ends(job: JsonObject, now: datetime) -> float | None:
    """Seconds until something comes due by itself that no event tells: the end of a pause, or of a node's time."""
    try:
        plan = read_plan(job)
    except MalformedPayload:
        return None
    known = entries(job)
    due = [moment + _limit(plan) for node in known if state_of(known[node]) in ACTIVE and (moment := _time(known[node], "startTime"))]
    if not due and plan.pause and (ended := _last_end(known)):
        due = [ended + timedelta(seconds=plan.pause)]
    return max(0.0, min((moment - now).total_seconds() for moment in due)) if due else None


def _phase(listed: Mapping[str, JsonObject], plan: Plan) -> tuple[Phase, str]:
    states = [state_of(entry) for entry in listed.values()]
    failed = sum(state in FAILURES for state in states)
    too_many = bool(states) and Decimal(failed) / len(states) > plan.tolerated
    is_over = bool(states) and all(state in ENDS for state in states)
    if too_many:
        text = f"{failed} of {len(states)} nodes failed, spec.failureTolerate is {plan.tolerated}"
        return (Phase.FAILED if is_over else Phase.HALTED), text
    if is_over:
        return Phase.SUCCESSFUL, f"{failed} of {len(states)} nodes failed" if failed else ""
    if plan.paused:
        return Phase.PAUSED, "spec.paused"
    return (Phase.UPGRADING, "") if states else (Phase.INIT, "spec.nodeNames and spec.labelSelector mean no node")


def _next_batch(listed: Mapping[str, JsonObject], plan: Plan, facts: Mapping[str, NodeFact], now: datetime) -> dict[str, JsonObject]:
    """With those that are told now; of the others the reason why they wait."""
    found = dict(listed)
    ended = _last_end(listed)
    is_due = not any(state_of(entry) in ACTIVE for entry in listed.values()) and (
        ended is None or now >= ended + timedelta(seconds=plan.pause)
    )
    number = 1 + max((int(entry.get("batch") or 0) for entry in listed.values()), default=0)
    room = (plan.first_batch if number == 1 else plan.batch) if is_due else 0
    for node, entry in listed.items():
        if state_of(entry) != State.PENDING:
            continue
        fact = facts.get(node)
        reason = "no such node" if fact is None else "" if fact.ready else "the node is away"
        if fact is not None and fact.busy_with:
            reason = f"the node is busy with {fact.busy_with}"
        if reason or not room:
            found[node] = {"nodeName": node, "state": State.PENDING.value} | ({"reason": reason} if reason else {})
        else:
            room -= 1
            found[node] = {"nodeName": node, "state": State.STARTED.value, "batch": number, "startTime": stamp(now), "time": stamp(now)}
    return found


def _timed_out(known: Mapping[str, JsonObject], plan: Plan, now: datetime) -> dict[str, JsonObject]:
    limit = _limit(plan)
    return {node: _given_up(entry, limit, now) if state_of(entry) in ACTIVE else entry for node, entry in known.items()}


def _given_up(entry: JsonObject, limit: timedelta, now: datetime) -> JsonObject:
    started = _time(entry, "startTime")
    if started is not None and now < started + limit:
        return entry
    reason = f"no end within {int(limit.total_seconds())} s; it said {state_of(entry)} last"
    return entry | {"state": State.TIMED_OUT.value, "reason": reason, "time": stamp(now)}


def _limit(plan: Plan) -> timedelta:
    return timedelta(seconds=FETCHING + 3 * plan.task.timeout)


def _last_end(known: Mapping[str, JsonObject]) -> datetime | None:
    ends = [moment for entry in known.values() if state_of(entry) in ENDS and (moment := _time(entry, "time")) is not None]
    return max(ends, default=None)


def _waiting_for(listed: Mapping[str, JsonObject]) -> str:
    if any(state_of(entry) in ACTIVE for entry in listed.values()):
        return ""
    waits = [f"{node}: {entry['reason']}" for node, entry in listed.items() if state_of(entry) == State.PENDING and entry.get("reason")]
    return "; ".join(waits)[:500]


def _status(before: JsonObject, listed: Mapping[str, JsonObject], plan: Plan, phase: Phase, reason: str, now: datetime) -> JsonObject:
    states = [state_of(entry) for entry in listed.values()]
    done = sum(state == State.SUCCESSFUL for state in states)
    counts = {
        "nodes": len(states),
        "successful": done,
        "failed": sum(state in FAILURES for state in states),
        "inProgress": sum(state in ACTIVE for state in states),
        "progress": f"{done}/{len(states)}",
    }
    status = {key: value for key, value in before.items() if key != "reason"} | counts
    status |= {"state": phase.value, "nodeStatus": [entry | {"state": state_of(entry)} for entry in listed.values()]}
    return status | ({"reason": reason} if reason else {}) | _conditions(before, phase, reason, now)


def _conditions(before: JsonObject, phase: Phase, reason: str, now: datetime) -> JsonObject:
    old = {str(condition.get("type")): condition for condition in before.get("conditions") or [] if isinstance(condition, dict)}
    wanted = {"Complete": phase is Phase.SUCCESSFUL, "Failed": phase in (Phase.FAILED, Phase.HALTED), "Paused": phase is Phase.PAUSED}
    return {"conditions": [_condition(old.get(kind), kind, holds, phase, reason, now) for kind, holds in wanted.items()]}


def _condition(old: Mapping[str, Any] | None, kind: str, holds: bool, phase: Phase, reason: str, now: datetime) -> JsonObject:
    made = {"type": kind, "status": "True" if holds else "False", "reason": phase.value, "message": reason if holds else ""}
    is_same = old is not None and old.get("status") == made["status"]
    since = str(old.get("lastTransitionTime") or stamp(now)) if is_same and old is not None else stamp(now)
    return made | {"lastTransitionTime": since}


def _time(entry: Mapping[str, Any], field: str) -> datetime | None:
    try:
        return datetime.fromisoformat(str(entry.get(field)))
    except ValueError:
        return None
