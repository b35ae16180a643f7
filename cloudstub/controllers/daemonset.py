"""DaemonSets: one pod on every node that the template may run on, renewed node by node when the template changes."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from cloudstub.controllers import placement, pods, rollout
from cloudstub.controllers.objects import (
    Object,
    by_controller,
    created_at,
    is_deleting,
    labels_of,
    meta,
    name_of,
    namespace_of,
    owner_reference,
    safe_hash,
    spec_of,
    status_of,
    uid_of,
    with_status,
)
from cloudstub.controllers.ports import Snapshot
from cloudstub.controllers.writes import Create, Delete, UpdateStatus, Write

READS = ("daemonsets.apps", "nodes", "pods")
HASH = "controller-revision-hash"
_PRESSURES = ("disk-pressure", "memory-pressure", "pid-pressure", "unschedulable")
_TOLERATED: list[dict[str, Any]] = [
    *({"key": key, "operator": "Exists", "effect": "NoExecute"} for key in (placement.NOT_READY, placement.UNREACHABLE)),
    *({"key": f"node.kubernetes.io/{name}", "operator": "Exists", "effect": "NoSchedule"} for name in _PRESSURES),
]


def decide(snapshot: Snapshot, now: datetime) -> list[Write]:
    if not snapshot["daemonsets.apps"]:
        return []
    owned = by_controller(snapshot["pods"])
    nodes = [node for node in snapshot["nodes"] if not is_deleting(node)]
    writes: list[Write] = []
    for daemonset in snapshot["daemonsets.apps"]:
        if not is_deleting(daemonset):
            writes += _Look(daemonset, owned.get(uid_of(daemonset), []), nodes, now).writes()
    return writes


class _Look:
    """One look at one DaemonSet: its pods by the node that each is for."""

    def __init__(self, daemonset: Object, owned: list[Object], nodes: list[Object], now: datetime) -> None:
        self._daemonset = daemonset
        self._template = spec_of(daemonset).get("template") or {}
        self._hash = safe_hash(self._template)
        self._now = now
        self._sample = {"spec": _pod_spec(self._template, "")}
        self._should = {name_of(node) for node in nodes if self._may_start(node)}
        self._may_stay = self._should | {name_of(node) for node in nodes if self._may_go_on(node)}
        self._by_node: dict[str, list[Object]] = {}
        for pod in sorted(owned, key=created_at):
            self._by_node.setdefault(target_of(pod), []).append(pod)

    def writes(self) -> list[Write]:
        writes = [*self._starts(), *self._ends()]
        status = self._status()
        if status != status_of(self._daemonset):
            writes.append(UpdateStatus("daemonsets.apps", with_status(self._daemonset, status)))
        return writes

    def _starts(self) -> list[Write]:
        # A pod that is on its way out still has the node's ports: the next one waits for its end.
        empty = sorted(self._should - self._by_node.keys())
        names = pods.fresh_names(self._daemonset, len(empty), self._now)
        return [Create("pods", namespace_of(self._daemonset), self._pod(name, node)) for name, node in zip(names, empty, strict=True)]

    def _ends(self) -> list[Write]:
        going: list[Object] = []
        for node, found in self._by_node.items():
            active = [pod for pod in found if pods.is_active(pod)]
            finished = [pod for pod in found if pods.is_finished(pod) and not is_deleting(pod)]
            going += finished + (active[1:] if node in self._may_stay else active)
        return [Delete("pods", namespace_of(pod), name_of(pod), uid_of(pod)) for pod in [*going, *self._outdated()]]

    def _outdated(self) -> list[Object]:
        """Pods of an older template that may go now: those that do not serve, and as many others as may be missing."""
        strategy = spec_of(self._daemonset).get("updateStrategy") or {}
        if strategy.get("type") == "OnDelete":
            return []
        rolling = strategy.get("rollingUpdate") or {}
        budget = max(1, rollout.fraction(rolling.get("maxUnavailable", 1), len(self._should), round_up=True))
        current = [pod for node in self._should for pod in self._by_node.get(node, [])[:1] if pods.is_active(pod)]
        old = [pod for pod in current if labels_of(pod).get(HASH) != self._hash]
        idle = [pod for pod in old if not self._is_available(pod)]
        serving = [pod for pod in old if self._is_available(pod)]
        missing = len(self._should) - sum(self._is_available(pod) for pod in current)
        return [*idle, *sorted(serving, key=name_of)[: max(0, budget - missing)]]

    def _pod(self, name: str, node: str) -> Object:
        reference = owner_reference(self._daemonset, "apps/v1", "DaemonSet")
        pod = pods.from_template(self._daemonset, self._template, reference=reference, name=name, labels={HASH: self._hash})
        return {**pod, "spec": _pod_spec(self._template, node)}

    def _status(self) -> dict[str, Any]:
        first = [found[0] for node in self._should if (found := self._by_node.get(node))]
        available = sum(self._is_available(pod) for pod in first)
        missing = len(self._should) - available
        counts = {
            "currentNumberScheduled": len(first),
            "desiredNumberScheduled": len(self._should),
            "numberMisscheduled": len(self._by_node.keys() - self._should),
            "numberReady": sum(pods.is_ready(pod) for pod in first),
            "observedGeneration": meta(self._daemonset).get("generation", 1),
            "updatedNumberScheduled": sum(labels_of(pod).get(HASH) == self._hash for pod in first),
        }
        kept = {key: value for key, value in status_of(self._daemonset).items() if key == "conditions"}
        extra = {key: value for key, value in (("numberAvailable", available), ("numberUnavailable", missing)) if value}
        return {**kept, **counts, **extra}

    def _is_available(self, pod: Object) -> bool:
        seconds = int(spec_of(self._daemonset).get("minReadySeconds") or 0)
        return pods.is_active(pod) and pods.is_available(pod, seconds, self._now)

    def _may_start(self, node: Object) -> bool:
        return placement.refusal(self._sample, node) is None

    def _may_go_on(self, node: Object) -> bool:
        """A node's NoSchedule taint keeps pods out; it does not drive out those that run."""
        tolerations = self._sample["spec"]["tolerations"]
        return placement.is_selected(self._sample, node) and all(
            placement.tolerates(tolerations, taint) for taint in placement.taints_of(node) if taint.get("effect") == "NoExecute"
        )


def due(snapshot: Snapshot, now: datetime) -> datetime | None:
    """When the next ready pod comes of age (``minReadySeconds``)."""
    waiting = {uid_of(one): int(spec_of(one).get("minReadySeconds") or 0) for one in snapshot["daemonsets.apps"]}
    owned = by_controller(snapshot["pods"]) if any(waiting.values()) else {}
    moments = (pods.available_at(pod, seconds) for uid, seconds in waiting.items() for pod in owned.get(uid, ()))
    return min((moment for moment in moments if moment is not None and moment > now), default=None)


def target_of(pod: Object) -> str:
    """The node that a daemon's pod is for, bound or not yet."""
    if pods.node_of(pod):
        return pods.node_of(pod)
    affinity = (spec_of(pod).get("affinity") or {}).get("nodeAffinity") or {}
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution") or {}
    fields = [one for term in required.get("nodeSelectorTerms") or () for one in term.get("matchFields") or ()]
    return next((one["values"][0] for one in fields if one.get("key") == "metadata.name" and one.get("values")), "")


def _pod_spec(template: dict[str, Any], node: str) -> dict[str, Any]:
    """The template's spec, with a daemon's tolerations, and for ``node`` only (where it is named)."""
    spec = dict(spec_of(template))
    spec["tolerations"] = [*(spec.get("tolerations") or ()), *_TOLERATED]
    if node:
        only = {"key": "metadata.name", "operator": "In", "values": [node]}
        required = {"nodeSelectorTerms": [{"matchFields": [only]}]}
        affinity = dict(spec.get("affinity") or {})
        affinity["nodeAffinity"] = {
            **(affinity.get("nodeAffinity") or {}),
            "requiredDuringSchedulingIgnoredDuringExecution": required,
        }
        spec["affinity"] = affinity
    return spec
