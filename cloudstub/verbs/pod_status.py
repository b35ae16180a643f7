"""The status a pod has before any node has seen it."""

from __future__ import annotations

from typing import Any

from cloudstub.store.records import Object


def initial_pod_status(spec: Object) -> Object:
    return {"phase": "Pending", "qosClass": qos_class(spec)}


def qos_class(spec: Object) -> str:
    """Guaranteed, Burstable or BestEffort, from the containers' resources."""
    containers = [*(spec.get("containers") or ()), *(spec.get("initContainers") or ())]
    resources = [container.get("resources") or {} for container in containers]
    if not any(_amounts(r, "limits") or _amounts(r, "requests") for r in resources):
        return "BestEffort"
    return "Guaranteed" if all(map(_is_fixed, resources)) else "Burstable"


def _amounts(resources: Object, part: str) -> dict[str, Any]:
    return {name: value for name, value in (resources.get(part) or {}).items() if name in ("cpu", "memory")}


def _is_fixed(resources: Object) -> bool:
    limits = _amounts(resources, "limits")
    requests = _amounts(resources, "requests")
    return set(limits) == {"cpu", "memory"} and all(requests.get(name, amount) == amount for name, amount in limits.items())
