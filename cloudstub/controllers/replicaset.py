"""ReplicaSets: as many pods as asked for, adopted where they stand alone, and a true status."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from cloudstub.controllers import events, pods
from cloudstub.controllers.objects import (
    Object,
    annotations_of,
    by_controller,
    controller_uid,
    created_at,
    is_deleting,
    labels_of,
    meta,
    name_of,
    namespace_of,
    owner_reference,
    owners_of,
    spec_of,
    status_of,
    uid_of,
    with_meta,
    with_status,
)
from cloudstub.controllers.ports import Snapshot
from cloudstub.controllers.writes import Create, Delete, Update, UpdateStatus, Write
from cloudstub.kinds import label_selector

READS = ("replicasets.apps", "pods")
# Kubernetes' burst: one look never makes or removes more than this of one set.
MOST_AT_ONCE = 500
_PHASE_RANK = {"Pending": 0, "Unknown": 1, "Running": 2}

Orphans = dict[tuple[str, str, str], list[Object]]


def decide(snapshot: Snapshot, now: datetime) -> list[Write]:
    owned = by_controller(snapshot["pods"])
    orphans = _orphans(snapshot["pods"])
    writes: list[Write] = []
    for replicaset in snapshot["replicasets.apps"]:
        if not is_deleting(replicaset):
            writes += _one(replicaset, owned.get(uid_of(replicaset), []), orphans, now)
    return writes


def due(snapshot: Snapshot, now: datetime) -> datetime | None:
    """When the next ready pod comes of age (``minReadySeconds``)."""
    waiting = {uid_of(one): seconds for one in snapshot["replicasets.apps"] if (seconds := _min_ready(one))}
    if not waiting:
        return None
    moments = (
        pods.available_at(pod, waiting[uid]) for pod in snapshot["pods"] if (uid := controller_uid(pod)) is not None and uid in waiting
    )
    return min((moment for moment in moments if moment is not None and moment > now), default=None)


def victims(active: list[Object], count: int) -> list[Object]:
    """Which pods go first: those that do the least, as Kubernetes ranks them."""
    if count <= 0:
        return []
    crowd: dict[str, int] = {}
    for pod in active:
        crowd[pods.node_of(pod)] = crowd.get(pods.node_of(pod), 0) + 1
    return sorted(active, key=lambda pod: _rank(pod, crowd))[:count]


def _one(replicaset: Object, owned: list[Object], orphans: Orphans, now: datetime) -> list[Write]:
    selector = spec_of(replicaset).get("selector")
    mine = [pod for pod in owned if label_selector.matches(selector, labels_of(pod))]
    strangers = [pod for pod in owned if pod not in mine and not is_deleting(pod)] if len(mine) < len(owned) else []
    writes: list[Write] = [Update("pods", _released(pod, replicaset)) for pod in strangers]
    adopted = [pod for pod in _candidates(replicaset, orphans) if label_selector.matches(selector, labels_of(pod)) and pods.is_active(pod)]
    writes += [Update("pods", _adopted(pod, replicaset)) for pod in adopted]
    active = [pod for pod in mine if pods.is_active(pod)]
    writes += _scaled(replicaset, active, wanted=_replicas(replicaset) - len(adopted), now=now)
    status = _status(replicaset, active, now)
    if status != status_of(replicaset):
        writes.append(UpdateStatus("replicasets.apps", with_status(replicaset, status)))
    return writes


def _scaled(replicaset: Object, active: list[Object], *, wanted: int, now: datetime) -> list[Write]:
    missing = wanted - len(active)
    if missing > 0:
        return _more(replicaset, min(missing, MOST_AT_ONCE), now)
    writes: list[Write] = []
    for pod in victims(active, min(-missing, MOST_AT_ONCE)):
        writes.append(Delete("pods", namespace_of(pod), name_of(pod), uid_of(pod)))
        writes.append(_event(replicaset, "SuccessfulDelete", f"Deleted pod: {name_of(pod)}", now))
    return writes


def _more(replicaset: Object, count: int, now: datetime) -> list[Write]:
    reference = owner_reference(replicaset, "apps/v1", "ReplicaSet")
    template = spec_of(replicaset).get("template") or {}
    writes: list[Write] = []
    for name in pods.fresh_names(replicaset, count, now):
        pod = pods.from_template(replicaset, template, reference=reference, name=name)
        writes.append(Create("pods", namespace_of(replicaset), pod))
        writes.append(_event(replicaset, "SuccessfulCreate", f"Created pod: {name}", now))
    return writes


def _status(replicaset: Object, active: list[Object], now: datetime) -> dict[str, Any]:
    template_labels = labels_of(spec_of(replicaset).get("template") or {}).items()
    counts = {
        "fullyLabeledReplicas": sum(template_labels <= labels_of(pod).items() for pod in active),
        "readyReplicas": sum(pods.is_ready(pod) for pod in active),
        "availableReplicas": sum(pods.is_available(pod, _min_ready(replicaset), now) for pod in active),
    }
    kept = {key: value for key, value in status_of(replicaset).items() if key not in counts}
    return {
        **kept,
        "replicas": len(active),
        **{key: value for key, value in counts.items() if value},
        "observedGeneration": meta(replicaset).get("generation", 1),
    }


def _orphans(candidates: Iterable[Object]) -> Orphans:
    """Pods without a controller by namespace and each of their labels, so that no set has to look at all of them."""
    found: Orphans = {}
    for pod in candidates:
        if controller_uid(pod) is None and not is_deleting(pod):
            for label, value in labels_of(pod).items():
                found.setdefault((namespace_of(pod), label, value), []).append(pod)
    return found


def _candidates(replicaset: Object, orphans: Orphans) -> list[Object]:
    if not orphans:
        return []
    wanted = (spec_of(replicaset).get("selector") or {}).get("matchLabels") or labels_of(spec_of(replicaset).get("template") or {})
    first = next(iter(wanted.items()), None)
    return [] if first is None else orphans.get((namespace_of(replicaset), *first), [])


def _adopted(pod: Object, replicaset: Object) -> Object:
    return with_meta(pod, ownerReferences=[*owners_of(pod), owner_reference(replicaset, "apps/v1", "ReplicaSet")])


def _released(pod: Object, replicaset: Object) -> Object:
    rest = [owner for owner in owners_of(pod) if owner.get("uid") != uid_of(replicaset)]
    return with_meta(pod, ownerReferences=rest or None)


def _rank(pod: Object, crowd: dict[str, int]) -> tuple[Any, ...]:
    since = pods.ready_since(pod)
    return (
        bool(pods.node_of(pod)),
        _PHASE_RANK.get(pods.phase_of(pod), 1),
        pods.is_ready(pod),
        _deletion_cost(pod),
        -crowd[pods.node_of(pod)],
        -since.timestamp() if since else 0.0,
        -pods.restarts_of(pod),
        -created_at(pod).timestamp(),
        name_of(pod),
    )


def _deletion_cost(pod: Object) -> int:
    try:
        return int(annotations_of(pod).get("controller.kubernetes.io/pod-deletion-cost", "0"))
    except ValueError:
        return 0


def _replicas(replicaset: Object) -> int:
    return int(spec_of(replicaset).get("replicas", 1))


def _min_ready(replicaset: Object) -> int:
    return int(spec_of(replicaset).get("minReadySeconds") or 0)


def _event(replicaset: Object, reason: str, message: str, now: datetime) -> Create:
    return events.about(
        replicaset,
        kind="ReplicaSet",
        api_version="apps/v1",
        reason=reason,
        message=message,
        component="replicaset-controller",
        now=now,
    )
