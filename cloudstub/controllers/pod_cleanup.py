"""Pods that no node will ever speak for: bound to a node that is gone from the API, or deleted before they had one.

A missing node may be registered again (a board that joins anew), so its pods are first marked, and go when the mark has aged.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from cloudstub.controllers import conditions, pods
from cloudstub.controllers.objects import (
    Object,
    is_deleting,
    name_of,
    namespace_of,
    status_of,
    time_of,
    uid_of,
    with_status,
)
from cloudstub.controllers.ports import Snapshot
from cloudstub.controllers.writes import Delete, UpdateStatus, Write

READS = ("pods", "nodes")
WAIT = timedelta(seconds=40)
_MARK = "DisruptionTarget"
_REASON = "DeletionByPodGC"


def decide(snapshot: Snapshot, now: datetime) -> list[Write]:
    nodes = {name_of(node) for node in snapshot["nodes"]}
    return [write for pod in snapshot["pods"] for write in _one(pod, nodes, now)]


def due(snapshot: Snapshot, now: datetime) -> datetime | None:
    """When the oldest mark has aged."""
    ends = (since + WAIT for pod in snapshot["pods"] if (since := _marked_at(pod)) is not None)
    return min(ends, default=None)


def _one(pod: Object, nodes: set[str], now: datetime) -> list[Write]:
    node = pods.node_of(pod)
    if not node:
        return [_gone(pod)] if is_deleting(pod) else []
    since = _marked_at(pod)
    if node in nodes:
        return [] if since is None else [UpdateStatus("pods", with_status(pod, conditions.without(status_of(pod), _MARK)))]
    if since is None:
        message = f"PodGC: node {node} no longer exists"
        mark = {"type": _MARK, "status": "True", "reason": _REASON, "message": message}
        return [UpdateStatus("pods", with_status(pod, conditions.put(status_of(pod), mark, now)))]
    return [_gone(pod)] if now >= since + WAIT else []


def _marked_at(pod: Object) -> datetime | None:
    mark = conditions.find(status_of(pod), _MARK)
    if mark is None or mark.get("reason") != _REASON:
        return None
    return time_of(mark.get("lastTransitionTime"))


def _gone(pod: Object) -> Delete:
    return Delete("pods", namespace_of(pod), name_of(pod), uid_of(pod), grace_seconds=0)
