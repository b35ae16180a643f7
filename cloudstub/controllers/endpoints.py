"""Who stands behind a Service: an Endpoints and an EndpointSlice for each that has a selector.

Endpoints that somebody wrote for a Service without a selector are theirs and stay as they are.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from cloudstub.controllers import pods
from cloudstub.controllers.objects import (
    Object,
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
)
from cloudstub.controllers.ports import Snapshot
from cloudstub.controllers.writes import Create, Delete, Update, Write

READS = ("services", "pods", "endpoints", "endpointslices.discovery.k8s.io")
SLICES = "endpointslices.discovery.k8s.io"
MANAGED_BY = "endpoints.kubernetes.io/managed-by"
CONTROLLER = "endpoint-controller"
_SLICE_MANAGED_BY = "endpointslice.kubernetes.io/managed-by"
_SLICE_CONTROLLER = "endpointslice-controller.k8s.io"
_SERVICE_NAME = "kubernetes.io/service-name"
_HEADLESS = "service.kubernetes.io/headless"

Place = tuple[str, str]


def decide(snapshot: Snapshot, now: datetime) -> list[Write]:
    wanted = {_place(one): one for one in snapshot["services"] if _selects(one)}
    behind = _pods_by_namespace(snapshot["pods"])
    endpoints = {_place(one): one for one in snapshot["endpoints"]}
    slices = {_place(one): one for one in snapshot[SLICES]}
    writes: list[Write] = []
    for place, service in wanted.items():
        chosen = [pod for pod in behind.get(place[0], ()) if _is_chosen(service, pod)]
        writes += _settled("endpoints", endpoints.get(place), _endpoints(service, chosen))
        slice_wanted = _slice(service, chosen)
        writes += _settled(SLICES, slices.get(_place(slice_wanted)), slice_wanted)
    services = {_place(one) for one in snapshot["services"]}
    return writes + [
        Delete("endpoints", *place, uid_of(one))
        for place, one in endpoints.items()
        if place not in services and labels_of(one).get(MANAGED_BY) == CONTROLLER and not is_deleting(one)
    ]


def _place(obj: Object) -> Place:
    return namespace_of(obj), name_of(obj)


def _selects(service: Object) -> bool:
    return bool(spec_of(service).get("selector")) and spec_of(service).get("type") != "ExternalName" and not is_deleting(service)


def _pods_by_namespace(found: Iterable[Object]) -> dict[str, list[Object]]:
    """Those that have an address and are neither finished nor on their way out, in the order of their names."""
    by_namespace: dict[str, list[Object]] = {}
    for pod in sorted(found, key=name_of):
        if pods.is_active(pod) and status_of(pod).get("podIP") and pods.node_of(pod):
            by_namespace.setdefault(namespace_of(pod), []).append(pod)
    return by_namespace


def _is_chosen(service: Object, pod: Object) -> bool:
    selector: dict[str, str] = spec_of(service)["selector"]
    return selector.items() <= labels_of(pod).items()


def _is_served(service: Object, pod: Object) -> bool:
    return pods.is_ready(pod) or bool(spec_of(service).get("publishNotReadyAddresses"))


def _labels(service: Object) -> dict[str, str]:
    headless = {_HEADLESS: ""} if spec_of(service).get("clusterIP") == "None" else {}
    return {**labels_of(service), **headless}


def _ports(service: Object, pod: Object) -> list[dict[str, Any]]:
    """The pod's own numbers for the Service's ports; one whose name the pod does not have is left out."""
    found = []
    for port in spec_of(service).get("ports") or ():
        number = _target(port, pod)
        if number:
            name = {"name": port["name"]} if port.get("name") else {}
            found.append({**name, "port": number, "protocol": port.get("protocol") or "TCP"})
    return found


def _target(port: dict[str, Any], pod: Object) -> int:
    target = port.get("targetPort") or port.get("port")
    if isinstance(target, int):
        return target
    for container in spec_of(pod).get("containers") or ():
        for own in container.get("ports") or ():
            if own.get("name") == target and (own.get("protocol") or "TCP") == (port.get("protocol") or "TCP"):
                return int(own["containerPort"])
    return 0


def _endpoints(service: Object, chosen: list[Object]) -> Object:
    subsets: dict[str, dict[str, Any]] = {}
    for pod in chosen:
        ports = _ports(service, pod)
        if not ports and spec_of(service).get("ports"):
            continue
        subset = subsets.setdefault(repr(ports), {"addresses": [], "notReadyAddresses": [], "ports": ports})
        subset["addresses" if _is_served(service, pod) else "notReadyAddresses"].append(_address(service, pod))
    return {
        "apiVersion": "v1",
        "kind": "Endpoints",
        "metadata": {
            "name": name_of(service),
            "namespace": namespace_of(service),
            "labels": {**_labels(service), MANAGED_BY: CONTROLLER},
        },
        "subsets": [{key: value for key, value in subset.items() if value} for _, subset in sorted(subsets.items())],
    }


def _address(service: Object, pod: Object) -> dict[str, Any]:
    hostname = {"hostname": spec_of(pod)["hostname"]} if _is_named(service, pod) else {}
    return {"ip": status_of(pod)["podIP"], **hostname, "nodeName": pods.node_of(pod), "targetRef": _reference(pod)}


def _is_named(service: Object, pod: Object) -> bool:
    return bool(spec_of(pod).get("hostname")) and spec_of(pod).get("subdomain") == name_of(service)


def _reference(pod: Object) -> dict[str, Any]:
    return {"kind": "Pod", "namespace": namespace_of(pod), "name": name_of(pod), "uid": uid_of(pod)}


def _slice(service: Object, chosen: list[Object]) -> Object:
    """One slice: pods whose ports have other numbers than the first one's are left to the Endpoints."""
    ports = next((found for pod in chosen if (found := _ports(service, pod))), [])
    endpoints = [_endpoint(service, pod) for pod in chosen if _ports(service, pod) == ports]
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": f"{name_of(service)}-{safe_hash(uid_of(service), 5)}",
            "namespace": namespace_of(service),
            "labels": {**_labels(service), _SERVICE_NAME: name_of(service), _SLICE_MANAGED_BY: _SLICE_CONTROLLER},
            "ownerReferences": [owner_reference(service, "v1", "Service")],
        },
        "addressType": "IPv4",
        "endpoints": endpoints,
        "ports": [{"name": "", **port} for port in ports],
    }


def _endpoint(service: Object, pod: Object) -> dict[str, Any]:
    ready = _is_served(service, pod)
    hostname = {"hostname": spec_of(pod)["hostname"]} if _is_named(service, pod) else {}
    return {
        "addresses": [status_of(pod)["podIP"]],
        "conditions": {"ready": ready, "serving": pods.is_ready(pod), "terminating": False},
        **hostname,
        "nodeName": pods.node_of(pod),
        "targetRef": _reference(pod),
    }


def _settled(resource: str, current: Object | None, wanted: Object) -> list[Write]:
    if current is None:
        return [Create(resource, namespace_of(wanted), wanted)]
    if is_deleting(current):
        return []
    content = {key: value for key, value in wanted.items() if key not in ("apiVersion", "kind", "metadata")}
    same = all((current.get(key) or []) == (value or []) for key, value in content.items())
    if same and labels_of(current) == labels_of(wanted):
        return []
    metadata = {**meta(current), "labels": labels_of(wanted)}
    return [Update(resource, {**current, **content, "metadata": metadata})]
