"""Objects as the API would store them, for tests of decisions."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from cloudstub.controllers.objects import text_of

NOW = datetime(2024, 5, 1, 12, 0, 0, tzinfo=UTC)


def ago(seconds: float) -> str:
    return text_of(NOW - timedelta(seconds=seconds))


def owned_by(uid: str, kind: str = "ReplicaSet", name: str = "owner") -> list[dict[str, Any]]:
    return [{"apiVersion": "apps/v1", "kind": kind, "name": name, "uid": uid, "controller": True}]


def pod(
    name: str,
    *,
    node: str = "",
    owner: str = "",
    labels: dict[str, str] | None = None,
    phase: str = "Pending",
    ready_for: float | None = None,
    deleting: bool = False,
    age: float = 100,
    **spec: Any,
) -> dict[str, Any]:
    metadata: dict[str, Any] = {
        "name": name,
        "namespace": "default",
        "uid": f"uid-{name}",
        "resourceVersion": "1",
        "creationTimestamp": ago(age),
        "labels": labels or {"app": "web"},
    }
    if owner:
        metadata["ownerReferences"] = owned_by(owner)
    if deleting:
        metadata["deletionTimestamp"] = ago(1)
    status: dict[str, Any] = {"phase": phase}
    if ready_for is not None:
        status |= {
            "phase": "Running",
            "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": ago(ready_for)}],
        }
    full = {"containers": [{"name": "c", "image": "i"}], **({"nodeName": node} if node else {}), **spec}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": full, "status": status}


def node(
    name: str,
    *,
    ready: str | None = "True",
    labels: dict[str, str] | None = None,
    taints: list[dict[str, str]] | None = None,
    allocatable: dict[str, str] | None = None,
    heartbeat_ago: float = 5,
    **spec: Any,
) -> dict[str, Any]:
    conditions = (
        []
        if ready is None
        else [
            {
                "type": "Ready",
                "status": ready,
                "lastHeartbeatTime": ago(heartbeat_ago),
                "lastTransitionTime": ago(heartbeat_ago),
            }
        ]
    )
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": name,
            "uid": f"uid-{name}",
            "resourceVersion": "1",
            "creationTimestamp": ago(1000),
            "labels": labels or {},
        },
        "spec": {**({"taints": taints} if taints else {}), **spec},
        "status": {"allocatable": allocatable or {"cpu": "4", "memory": "4Gi", "pods": "110"}, "conditions": conditions},
    }


def template(image: str = "i:1", labels: dict[str, str] | None = None) -> dict[str, Any]:
    return {"metadata": {"labels": labels or {"app": "web"}}, "spec": {"containers": [{"name": "c", "image": image}]}}


def workload(kind: str, name: str, **spec: Any) -> dict[str, Any]:
    """A Deployment, ReplicaSet, DaemonSet or Job that selects ``app=web``."""
    return {
        "apiVersion": "batch/v1" if kind == "Job" else "apps/v1",
        "kind": kind,
        "metadata": {
            "name": name,
            "namespace": "default",
            "uid": f"uid-{name}",
            "resourceVersion": "1",
            "generation": 1,
            "creationTimestamp": ago(1000),
        },
        "spec": {"selector": {"matchLabels": {"app": "web"}}, "template": template(), **spec},
    }
