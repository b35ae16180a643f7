"""Which node a pod goes to. Pods that find none say why, once, in their status and in an event."""

from __future__ import annotations

from collections import Counter
from datetime import datetime

from cloudstub.controllers import claims, conditions, events, placement, pods
from cloudstub.controllers.objects import (
    Object,
    controller_uid,
    created_at,
    is_deleting,
    labels_of,
    name_of,
    namespace_of,
    spec_of,
    status_of,
    uid_of,
    with_status,
)
from cloudstub.controllers.ports import Snapshot
from cloudstub.controllers.room import Demand, Room, demand_of, rooms
from cloudstub.controllers.writes import Bind, Create, UpdateStatus, Write

READS = ("pods", "nodes", *claims.READS)
NAME = "default-scheduler"
_TEMPLATE = "pod-template-hash"
# One look stays short; what it leaves is taken up by the next, which its own bindings cause.
MOST_AT_ONCE = 100


def decide(snapshot: Snapshot, now: datetime) -> list[Write]:
    pending = [pod for pod in snapshot["pods"] if _is_ours(pod)]
    if not pending:
        return []
    nodes = [node for node in snapshot["nodes"] if not is_deleting(node)]
    taken = rooms(nodes, snapshot["pods"])
    places = claims.Places(snapshot)
    writes: list[Write] = []
    hopeless: dict[tuple[str, str], str] = {}
    bound = 0
    for pod in sorted(pending, key=_turn):
        twin, demand = _template(pod), demand_of(pod)
        message = (hopeless.get(twin) if twin else None) or places.problem(pod)
        node = None if message else _best(pod, demand, nodes, taken, places)
        if node is not None:
            taken[name_of(node)].take(demand)
            places.hold(pod, name_of(node))
            writes += _bound(pod, name_of(node), now)
            bound += 1
            if bound == MOST_AT_ONCE:
                break
            continue
        message = message or _why(pod, demand, nodes, taken, places)
        if twin:
            hopeless[twin] = message  # room only shrinks within one look: the next of its template finds none either
        writes += _refused(pod, message, now)
    return writes


def _is_ours(pod: Object) -> bool:
    spec = spec_of(pod)
    return not spec.get("nodeName") and pods.is_active(pod) and not spec.get("schedulingGates") and spec.get("schedulerName", NAME) == NAME


def _turn(pod: Object) -> tuple[int, datetime, str]:
    return (-int(spec_of(pod).get("priority") or 0), created_at(pod), name_of(pod))


def _template(pod: Object) -> tuple[str, str] | None:
    """What pods with equal specs share; None where nothing says so. A daemon's pods differ: each is for one node."""
    owner, hashed = controller_uid(pod), labels_of(pod).get(_TEMPLATE)
    return (owner, hashed) if owner and hashed else None


def _best(pod: Object, demand: Demand, nodes: list[Object], taken: dict[str, Room], places: claims.Places) -> Object | None:
    fitting = [node for node in nodes if _refusal(pod, node, places) is None and not taken[name_of(node)].lacks(demand)]
    return min(fitting, key=lambda node: _cost(pod, demand, node, taken[name_of(node)]), default=None)


def _refusal(pod: Object, node: Object, places: claims.Places) -> str | None:
    return placement.refusal(pod, node) or places.refusal(pod, node)


def _cost(pod: Object, demand: Demand, node: Object, room: Room) -> tuple[int, int, int, float, int, str]:
    """The lower the better: wishes first, then apart from its own kind, then the emptier node."""
    return (
        placement.soft_taints(pod, node),
        -placement.preference(pod, node),
        room.crowd(demand),
        room.load(demand),
        room.pods,
        name_of(node),
    )


def _why(pod: Object, demand: Demand, nodes: list[Object], taken: dict[str, Room], places: claims.Places) -> str:
    """``0/2 nodes are available: 1 Insufficient cpu, 1 node(s) were unschedulable.``"""
    if not nodes:
        return "no nodes available to schedule pods"
    reasons: Counter[str] = Counter()
    for node in nodes:
        refused = _refusal(pod, node, places)
        reasons.update([refused] if refused else taken[name_of(node)].lacks(demand))
    told = ", ".join(sorted(f"{count} {reason}" for reason, count in reasons.items()))
    return f"0/{len(nodes)} nodes are available: {told}."


def _bound(pod: Object, node: str, now: datetime) -> list[Write]:
    message = f"Successfully assigned {namespace_of(pod)}/{name_of(pod)} to {node}"
    return [
        Bind(namespace_of(pod), name_of(pod), uid_of(pod), node),
        _event(pod, "Scheduled", message, now, is_warning=False),
    ]


def _refused(pod: Object, message: str, now: datetime) -> list[Write]:
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}
    status = conditions.put(status_of(pod), condition, now)
    if status == status_of(pod):
        return []
    return [
        UpdateStatus("pods", with_status(pod, status)),
        _event(pod, "FailedScheduling", message, now, is_warning=True),
    ]


def _event(pod: Object, reason: str, message: str, now: datetime, *, is_warning: bool) -> Create:
    return events.about(pod, kind="Pod", api_version="v1", reason=reason, message=message, component=NAME, now=now, is_warning=is_warning)
