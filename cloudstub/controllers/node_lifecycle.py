"""Which nodes are heard of. A node that fell silent is marked and kept free of further pods; what runs on it stays as it is.

A board may be offline for weeks and go on with its work: its pods are never deleted or evicted here. Their Ready condition turns False
while the node is silent, and back when it is heard of again and its containers were last known to be ready.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from cloudstub.controllers import conditions, placement, pods
from cloudstub.controllers.objects import (
    Object,
    created_at,
    name_of,
    namespace_of,
    spec_of,
    status_of,
    text_of,
    time_of,
    with_spec,
    with_status,
)
from cloudstub.controllers.ports import Snapshot
from cloudstub.controllers.writes import Update, UpdateStatus, Write

LEASES = "leases.coordination.k8s.io"
READS = ("nodes", LEASES, "pods")
GRACE = timedelta(seconds=40)
_LEASE_NAMESPACE = "kube-node-lease"
_REPORTED = ("Ready", "MemoryPressure", "DiskPressure", "PIDPressure")
_SILENT = "NodeNotReady"
_STATE_KEYS = (placement.NOT_READY, placement.UNREACHABLE)


def decide(snapshot: Snapshot, now: datetime) -> list[Write]:
    leases = _renewals(snapshot[LEASES])
    writes: list[Write] = []
    readiness: dict[str, str] = {}
    for node in snapshot["nodes"]:
        status = _status(node, heard_at(node, leases.get(name_of(node)), now), now)
        readiness[name_of(node)] = str((conditions.find(status, "Ready") or {}).get("status"))
        if status != status_of(node):
            writes.append(UpdateStatus("nodes", with_status(node, status)))
            continue  # the taint follows from the condition that is stored then
        taints = _taints(node)
        if taints != (spec_of(node).get("taints") or []):
            writes.append(Update("nodes", with_spec(node, taints=taints or None)))
    for pod in snapshot["pods"]:
        changed = _pod_status(pod, readiness.get(pods.node_of(pod)), now)
        if changed != status_of(pod):
            writes.append(UpdateStatus("pods", with_status(pod, changed)))
    return writes


def due(snapshot: Snapshot, now: datetime) -> datetime | None:
    """When the next node that is heard of would count as silent."""
    leases = _renewals(snapshot[LEASES])
    ends = (heard_at(node, leases.get(name_of(node)), now) + GRACE for node in snapshot["nodes"])
    return min((end for end in ends if end > now), default=None)


def heard_at(node: Object, renewed: datetime | None, now: datetime) -> datetime:
    """When ``node`` gave its last sign of life: the newer of its Lease and its Ready heartbeat.

    The heartbeat is the board's own clock. One from the future says nothing where there is a Lease; where there is none it counts as now.
    """
    ready = conditions.find(status_of(node), "Ready") or {}
    beat = time_of(ready.get("lastHeartbeatTime"))
    if beat is not None and beat > now:
        beat = None if renewed is not None else now
    signs = [sign for sign in (renewed, beat) if sign is not None]
    return min(now, max(signs, default=created_at(node)))


def _renewals(leases: list[Object]) -> dict[str, datetime]:
    found = {}
    for lease in leases:
        renewed = time_of(spec_of(lease).get("renewTime")) if namespace_of(lease) == _LEASE_NAMESPACE else None
        if renewed is not None:
            found[name_of(lease)] = renewed
    return found


def _status(node: Object, heard: datetime, now: datetime) -> dict[str, Any]:
    status = status_of(node)
    if now - heard < GRACE:
        return status
    for kind in _REPORTED:
        before = conditions.find(status, kind)
        if before is None and kind != "Ready":
            continue
        if before is not None and before.get("status") == "Unknown":
            continue
        status = conditions.put(status, _unknown(kind, before is None, now), now)
    return status


def _unknown(kind: str, is_never: bool, now: datetime) -> dict[str, Any]:
    if not is_never:
        message = "Kubelet stopped posting node status."
        return {"type": kind, "status": "Unknown", "reason": "NodeStatusUnknown", "message": message}
    message = "Kubelet never posted node status."
    told = {"type": kind, "status": "Unknown", "reason": "NodeStatusNeverUpdated", "message": message}
    return {**told, "lastHeartbeatTime": text_of(now)}


def _taints(node: Object) -> list[dict[str, Any]]:
    """The node's taints with the one that its Ready condition calls for, and without those that it no longer does."""
    before: list[dict[str, Any]] = spec_of(node).get("taints") or []
    wanted = placement.state_taint(node)
    kept = [taint for taint in before if not _is_state(taint) or (wanted is not None and taint["key"] == wanted["key"])]
    has_it = wanted is None or any(_is_state(taint) for taint in kept)
    return kept if has_it or wanted is None else [*kept, wanted]


def _is_state(taint: dict[str, Any]) -> bool:
    return taint.get("key") in _STATE_KEYS and taint.get("effect") == "NoSchedule"


def _pod_status(pod: Object, readiness: str | None, now: datetime) -> dict[str, Any]:
    status = status_of(pod)
    ready = conditions.find(status, "Ready")
    if ready is None or readiness is None or pods.is_finished(pod):
        return status
    if readiness == "Unknown" and ready.get("status") == "True":
        silent = {"type": "Ready", "status": "False", "reason": _SILENT, "message": "The node is not heard of."}
        return conditions.put(status, silent, now)
    was_silenced = ready.get("status") == "False" and ready.get("reason") == _SILENT
    if readiness == "True" and was_silenced and conditions.is_true(status, "ContainersReady"):
        heard = {"type": "Ready", "status": "True"}
        kept = {key: value for key, value in ready.items() if key not in ("reason", "message")}
        return conditions.put({**status, "conditions": [kept if one is ready else one for one in status["conditions"]]}, heard, now)
    return status
