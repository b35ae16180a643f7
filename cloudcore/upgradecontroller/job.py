"""What a NodeUpgradeJob says about its rollout, and what stands in its status (P9.1). Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from cloudcore.ports import JsonObject
from viaduct.errors import MalformedPayload
from viaduct.upgrades.state import ENDS, State
from viaduct.upgrades.task import Task, read_task, task_spec

DEFAULT_TOLERATED = "0.1"

ACTIVE = frozenset(State) - ENDS - {State.PENDING}
"""States of a node that has the task."""


@dataclass(frozen=True, slots=True)
class Plan:
    """``batch``: nodes that are told at once, ``first_batch``: in the first one. ``pause``: seconds from the end of a batch to the next.
    ``tolerated``: the share of nodes that may fail."""

    task: Task
    batch: int
    first_batch: int
    pause: int
    tolerated: Decimal
    paused: bool


def read_plan(job: JsonObject) -> Plan:
    """Raises MalformedPayload, which names the field: a job that was stored before its CRD, or by another one."""
    task = read_task(job)
    spec = job["spec"]
    batch = _count(spec, "concurrency", 1, least=1)
    return Plan(
        task,
        batch=batch,
        first_batch=_count(spec, "firstBatch", batch, least=1),
        pause=_count(spec, "batchPauseSeconds", 0, least=0),
        tolerated=_share(spec),
        paused=spec.get("paused") is True,
    )


def entries(job: JsonObject | None) -> dict[str, JsonObject]:
    """What stands of each node in ``status.nodeStatus``, by its name."""
    listed = ((job or {}).get("status") or {}).get("nodeStatus")
    return {str(entry.get("nodeName")): entry for entry in listed if isinstance(entry, dict)} if isinstance(listed, list) else {}


def state_of(entry: Mapping[str, Any]) -> str:
    return str(entry.get("state") or State.PENDING)


def active_nodes(job: JsonObject | None) -> set[str]:
    return {node for node, entry in entries(job).items() if state_of(entry) in ACTIVE}


def digest_of(task: Task) -> str:
    """Of what nodes are told; a job whose task changes once it has begun is another job."""
    return hashlib.sha256(json.dumps(task_spec(task), sort_keys=True).encode()).hexdigest()[:16]


def told_task(job: JsonObject) -> Task | None:
    """What nodes with the task are to hold: None where it is not what the job began with."""
    try:
        task = read_task(job)
    except MalformedPayload:
        return None
    begun_with = (job.get("status") or {}).get("observedTask")
    return task if begun_with in (None, digest_of(task)) else None


def chosen(job: JsonObject, labels: Mapping[str, Mapping[str, str]]) -> list[str]:
    """The nodes that a job means, of those in ``labels``, and those that it names whether they are there or not; in order."""
    spec = job.get("spec") or {}
    named = [name for name in spec.get("nodeNames") or [] if isinstance(name, str)]
    selector = spec.get("labelSelector")
    if isinstance(selector, dict) and selector:
        named += [node for node in sorted(labels) if _selects(selector, labels[node])]
    return list(dict.fromkeys(named))


def _selects(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    wanted = selector.get("matchLabels") or {}
    return all(labels.get(key) == value for key, value in wanted.items()) and all(
        _holds(expression, labels) for expression in selector.get("matchExpressions") or []
    )


def _holds(expression: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    key, values = str(expression.get("key")), expression.get("values") or []
    match expression.get("operator"):
        case "In":
            return labels.get(key) in values
        case "NotIn":
            return labels.get(key) not in values
        case "Exists":
            return key in labels
        case "DoesNotExist":
            return key not in labels
    return False


def _count(spec: Mapping[str, Any], field: str, default: int, *, least: int) -> int:
    value = spec.get(field)
    if value is None or (value == 0 and least):
        return default
    if type(value) is not int or value < least:
        raise MalformedPayload(f"spec.{field}", f"expected a number from {least}")
    return value


def _share(spec: Mapping[str, Any]) -> Decimal:
    value = spec.get("failureTolerate") or DEFAULT_TOLERATED
    try:
        share = Decimal(value) if isinstance(value, str) and len(value) <= 10 else Decimal(-1)
    except InvalidOperation:
        share = Decimal(-1)
    if not share.is_finite() or not 0 <= share <= 1:
        raise MalformedPayload("spec.failureTolerate", f'expected a share from "0" to "1", got {str(value)[:40]!r}')
    return share
