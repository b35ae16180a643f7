"""Devices and models for tests."""

from __future__ import annotations

from typing import Any


def selector(node: str) -> dict[str, Any]:
    return {"nodeSelectorTerms": [{"matchExpressions": [{"key": "", "operator": "In", "values": [node]}]}]}


def twin(name: str, value: str = "", kind: str = "", reported: str | None = None) -> dict[str, Any]:
    desired = {"value": value, "metadata": {"type": kind} if kind else {}}
    entry: dict[str, Any] = {"propertyName": name, "desired": desired}
    return entry if reported is None else entry | {"reported": {"value": reported, "metadata": {}}}


def device(
    name: str = "thermometer",
    node: str = "edge1",
    namespace: str = "default",
    model: str = "thermo",
    protocol: dict[str, Any] | None = None,
    twins: list[dict[str, Any]] | None = None,
    **metadata: Any,
) -> dict[str, Any]:
    spec: dict[str, Any] = {"deviceModelRef": {"name": model}, "nodeSelector": selector(node)}
    return {
        "apiVersion": "devices.kubeedge.io/v1alpha1",
        "kind": "Device",
        "metadata": {"name": name, "namespace": namespace} | metadata,
        "spec": spec | ({"protocol": protocol} if protocol is not None else {}),
        "status": {"twins": twins or []},
    }


def model(name: str = "thermo", namespace: str = "default", *, visitors: Any = (), properties: Any = None) -> dict[str, Any]:
    if properties is None:
        properties = [{"name": "temperature", "type": {"int": {"accessMode": "ReadOnly"}}}]
    return {
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"properties": properties, "propertyVisitors": list(visitors)},
    }
