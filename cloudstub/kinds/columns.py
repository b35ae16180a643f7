"""The columns of the built-in kinds, as `kubectl get` knows them. Cells are pure functions of (object, now)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from cloudstub.kinds.ages import age
from cloudstub.kinds.batch_columns import CRONJOB, JOB
from cloudstub.kinds.cells import AGE, CONTAINERS, IMAGES, NAME, NONE, SELECTOR, at, count_of, get, name_cell, number, selector_text
from cloudstub.kinds.kind import Column, Object
from cloudstub.kinds.pod_columns import POD_COLUMNS
from cloudstub.kinds.volume_columns import CLAIM, STORAGE_CLASS, VOLUME


def _ready_of(replicas: str) -> Any:
    def cell(obj: Object, now: datetime) -> str:
        return f"{get(obj, 'status', 'readyReplicas', default=0)}/{get(obj, 'spec', replicas, default=0)}"

    return cell


DEPLOYMENT = (
    NAME,
    Column("Ready", _ready_of("replicas")),
    Column("Up-to-date", at("status", "updatedReplicas", default=0)),
    Column("Available", at("status", "availableReplicas", default=0)),
    AGE,
    CONTAINERS,
    IMAGES,
    SELECTOR,
)
REPLICASET = (
    NAME,
    number("Desired", "spec", "replicas"),
    number("Current", "status", "replicas"),
    number("Ready", "status", "readyReplicas"),
    AGE,
    CONTAINERS,
    IMAGES,
    SELECTOR,
)
STATEFULSET = (NAME, Column("Ready", _ready_of("replicas")), AGE, CONTAINERS, IMAGES)
DAEMONSET = (
    NAME,
    number("Desired", "status", "desiredNumberScheduled"),
    number("Current", "status", "currentNumberScheduled"),
    number("Ready", "status", "numberReady"),
    number("Up-to-date", "status", "updatedNumberScheduled"),
    number("Available", "status", "numberAvailable"),
    Column("Node Selector", lambda obj, now: selector_text(get(obj, "spec", "template", "spec", "nodeSelector"))),
    AGE,
    CONTAINERS,
    IMAGES,
    SELECTOR,
)


def _node_status(obj: Object, now: datetime) -> str:
    ready = next((c for c in get(obj, "status", "conditions", default=()) if c.get("type") == "Ready"), None)
    text = "Unknown" if ready is None else "Ready" if ready.get("status") == "True" else "NotReady"
    return f"{text},SchedulingDisabled" if get(obj, "spec", "unschedulable") else text


def _node_roles(obj: Object, now: datetime) -> str:
    prefix = "node-role.kubernetes.io/"
    labels = get(obj, "metadata", "labels", default={})
    return ",".join(sorted(label.removeprefix(prefix) for label in labels if label.startswith(prefix))) or NONE


def _address(type_: str) -> Any:
    def cell(obj: Object, now: datetime) -> str:
        found = [a.get("address") for a in get(obj, "status", "addresses", default=()) if a.get("type") == type_]
        return str(found[0]) if found else NONE

    return cell


def _info(field: str) -> Any:
    return at("status", "nodeInfo", field, default="<unknown>")


NODE = (
    NAME,
    Column("Status", _node_status),
    Column("Roles", _node_roles),
    AGE,
    Column("Version", at("status", "nodeInfo", "kubeletVersion", default="")),
    Column("Internal-IP", _address("InternalIP"), priority=1),
    Column("External-IP", _address("ExternalIP"), priority=1),
    Column("OS-Image", _info("osImage"), priority=1),
    Column("Kernel-Version", _info("kernelVersion"), priority=1),
    Column("Container-Runtime", _info("containerRuntimeVersion"), priority=1),
)


def _service_ports(obj: Object, now: datetime) -> str:
    def text(port: Object) -> str:
        node_port = f":{port['nodePort']}" if port.get("nodePort") else ""
        return f"{port.get('port')}{node_port}/{port.get('protocol', 'TCP')}"

    return ",".join(text(port) for port in get(obj, "spec", "ports", default=())) or NONE


def _external_address(obj: Object, now: datetime) -> str:
    """Nobody here gives a LoadBalancer an address, so it waits for ever, and says so."""
    kind = get(obj, "spec", "type", default="")
    if kind == "ExternalName":
        return str(get(obj, "spec", "externalName", default=NONE))
    addresses = ",".join(get(obj, "spec", "externalIPs", default=()))
    return addresses or ("<pending>" if kind == "LoadBalancer" else NONE)


SERVICE = (
    NAME,
    Column("Type", at("spec", "type", default="ClusterIP")),
    Column("Cluster-IP", at("spec", "clusterIP", default=NONE)),
    Column("External-IP", _external_address),
    Column("Port(s)", _service_ports),
    AGE,
    SELECTOR,
)


def _endpoints(obj: Object, now: datetime) -> str:
    pairs = [
        f"{address.get('ip')}:{port.get('port')}"
        for subset in get(obj, "subsets", default=())
        for address in subset.get("addresses") or ()
        for port in subset.get("ports") or ()
    ]
    more = f" + {len(pairs) - 3} more..." if len(pairs) > 3 else ""
    return ",".join(pairs[:3]) + more or NONE


def _slice_endpoints(obj: Object, now: datetime) -> str:
    addresses = [address for endpoint in get(obj, "endpoints", default=()) for address in endpoint.get("addresses") or ()]
    more = f" + {len(addresses) - 3} more..." if len(addresses) > 3 else ""
    return ",".join(addresses[:3]) + more or "<unset>"


def _slice_ports(obj: Object, now: datetime) -> str:
    return ",".join(str(port.get("port")) for port in get(obj, "ports", default=())) or "<unset>"


ENDPOINT_SLICE = (
    NAME,
    Column("AddressType", at("addressType")),
    Column("Ports", _slice_ports),
    Column("Endpoints", _slice_endpoints),
    AGE,
)


def _event_object(obj: Object, now: datetime) -> str:
    involved = obj.get("involvedObject") or {}
    return f"{str(involved.get('kind', '')).lower()}/{involved.get('name', '')}"


def _last_seen(obj: Object, now: datetime) -> str:
    newest = get(obj, "series", "lastObservedTime") or obj.get("lastTimestamp") or obj.get("eventTime")
    return age(newest or obj.get("firstTimestamp") or get(obj, "metadata", "creationTimestamp"), now)


def _event_source(obj: Object, now: datetime) -> str:
    component = get(obj, "source", "component") or obj.get("reportingComponent") or ""
    host = get(obj, "source", "host") or obj.get("reportingInstance") or ""
    return ", ".join(part for part in (component, host) if part)


EVENT = (
    Column("Last Seen", _last_seen),
    Column("Type", at("type", default="")),
    Column("Reason", at("reason", default="")),
    Column("Object", _event_object),
    Column("Subobject", at("involvedObject", "fieldPath", default=""), priority=1),
    Column("Source", _event_source, priority=1),
    Column("Message", lambda o, now: str(o.get("message", "")).strip()),
    Column("First Seen", lambda o, now: age(o.get("firstTimestamp") or o.get("eventTime"), now), priority=1),
    Column("Count", at("count", default=1), priority=1),
    Column("Name", name_cell, format="name", priority=1),
)

COLUMNS: dict[str, tuple[Column, ...]] = {
    "pods": POD_COLUMNS,
    "nodes": NODE,
    "namespaces": (NAME, Column("Status", at("status", "phase", default="")), AGE),
    "configmaps": (NAME, Column("Data", count_of("data", "binaryData")), AGE),
    "secrets": (NAME, Column("Type", at("type", default="Opaque")), Column("Data", count_of("data")), AGE),
    "services": SERVICE,
    "endpointslices.discovery.k8s.io": ENDPOINT_SLICE,
    "endpoints": (NAME, Column("Endpoints", _endpoints), AGE),
    "events": EVENT,
    "serviceaccounts": (NAME, Column("Secrets", count_of("secrets")), AGE),
    "deployments.apps": DEPLOYMENT,
    "replicasets.apps": REPLICASET,
    "statefulsets.apps": STATEFULSET,
    "daemonsets.apps": DAEMONSET,
    "jobs.batch": JOB,
    "cronjobs.batch": CRONJOB,
    "leases.coordination.k8s.io": (NAME, Column("Holder", at("spec", "holderIdentity", default="")), AGE),
    "customresourcedefinitions.apiextensions.k8s.io": (
        NAME,
        Column("Created At", at("metadata", "creationTimestamp", default="")),
    ),
    "validatingwebhookconfigurations.admissionregistration.k8s.io": (NAME, Column("Webhooks", count_of("webhooks")), AGE),
    "mutatingwebhookconfigurations.admissionregistration.k8s.io": (NAME, Column("Webhooks", count_of("webhooks")), AGE),
    "persistentvolumes": VOLUME,
    "persistentvolumeclaims": CLAIM,
    "storageclasses.storage.k8s.io": STORAGE_CLASS,
}
