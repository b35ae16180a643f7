"""The columns of the built-in kinds, as `kubectl get` knows them. Cells are pure functions of (object, now)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from cloudstub.kinds.ages import age, duration, parse_time
from cloudstub.kinds.kind import Column, Object
from cloudstub.kinds.pod_columns import POD_COLUMNS

NONE = "<none>"


def _get(obj: Any, *names: str, default: Any = None) -> Any:
    for name in names:
        obj = obj.get(name) if isinstance(obj, dict) else None
    return default if obj is None else obj


def _name(obj: Object, now: datetime) -> str:
    return str(_get(obj, "metadata", "name", default=""))


def _age(obj: Object, now: datetime) -> str:
    return age(_get(obj, "metadata", "creationTimestamp"), now)


def at(*names: str, default: Any = NONE) -> Any:
    """A cell that shows one field."""

    def cell(obj: Object, now: datetime) -> Any:
        return _get(obj, *names, default=default)

    return cell


def _count(*names: str) -> Any:
    def cell(obj: Object, now: datetime) -> int:
        return sum(len(_get(obj, name, default=())) for name in names)

    return cell


NAME = Column("Name", _name, format="name", description="Name must be unique within a namespace.")
AGE = Column("Age", _age, description="Time since creation.")
PLAIN = (NAME, AGE)


def selector_text(selector: Any) -> str:
    """A label selector or a plain map of labels as one line."""
    if not isinstance(selector, dict) or not selector:
        return NONE
    is_label_selector = "matchLabels" in selector or "matchExpressions" in selector
    labels = selector.get("matchLabels", {}) if is_label_selector else selector
    parts = [f"{key}={value}" for key, value in sorted(labels.items())]
    for wanted in selector.get("matchExpressions") or () if is_label_selector else ():
        values = ",".join(wanted.get("values") or ())
        operator = str(wanted.get("operator", "")).lower()
        key = wanted.get("key", "")
        parts.append({"exists": f"{key}", "doesnotexist": f"!{key}"}.get(operator, f"{key} {operator} ({values})"))
    return ",".join(parts) or NONE


def _selector(obj: Object, now: datetime) -> str:
    return selector_text(_get(obj, "spec", "selector"))


def _template_containers(field: str) -> Any:
    def cell(obj: Object, now: datetime) -> str:
        containers = _get(obj, "spec", "template", "spec", "containers", default=())
        return ",".join(str(c.get(field, "")) for c in containers)

    return cell


CONTAINERS = Column("Containers", _template_containers("name"), priority=1)
IMAGES = Column("Images", _template_containers("image"), priority=1)
SELECTOR = Column("Selector", _selector, priority=1)


def _ready_of(replicas: str) -> Any:
    def cell(obj: Object, now: datetime) -> str:
        return f"{_get(obj, 'status', 'readyReplicas', default=0)}/{_get(obj, 'spec', replicas, default=0)}"

    return cell


def _number(name: str, *path: str) -> Column:
    return Column(name, at(*path, default=0), type="integer", format="int32")


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
    _number("Desired", "spec", "replicas"),
    _number("Current", "status", "replicas"),
    _number("Ready", "status", "readyReplicas"),
    AGE,
    CONTAINERS,
    IMAGES,
    SELECTOR,
)
STATEFULSET = (NAME, Column("Ready", _ready_of("replicas")), AGE, CONTAINERS, IMAGES)
DAEMONSET = (
    NAME,
    _number("Desired", "status", "desiredNumberScheduled"),
    _number("Current", "status", "currentNumberScheduled"),
    _number("Ready", "status", "numberReady"),
    _number("Up-to-date", "status", "updatedNumberScheduled"),
    _number("Available", "status", "numberAvailable"),
    Column("Node Selector", lambda obj, now: selector_text(_get(obj, "spec", "template", "spec", "nodeSelector"))),
    AGE,
    CONTAINERS,
    IMAGES,
    SELECTOR,
)


def _job_status(obj: Object, now: datetime) -> str:
    for condition in _get(obj, "status", "conditions", default=()):
        if condition.get("type") in ("Complete", "Failed", "Suspended") and condition.get("status") == "True":
            return str(condition["type"])
    return "Terminating" if _get(obj, "metadata", "deletionTimestamp") else "Running"


def _job_duration(obj: Object, now: datetime) -> str:
    start = parse_time(_get(obj, "status", "startTime"))
    if start is None:
        return ""
    end = parse_time(_get(obj, "status", "completionTime")) or now
    return duration(int((end - start).total_seconds()))


JOB = (
    NAME,
    Column("Status", _job_status),
    Column(
        "Completions",
        lambda o, now: f"{_get(o, 'status', 'succeeded', default=0)}/{_get(o, 'spec', 'completions', default=1)}",
    ),
    Column("Duration", _job_duration),
    AGE,
    CONTAINERS,
    IMAGES,
    SELECTOR,
)


def _node_status(obj: Object, now: datetime) -> str:
    ready = next((c for c in _get(obj, "status", "conditions", default=()) if c.get("type") == "Ready"), None)
    text = "Unknown" if ready is None else "Ready" if ready.get("status") == "True" else "NotReady"
    return f"{text},SchedulingDisabled" if _get(obj, "spec", "unschedulable") else text


def _node_roles(obj: Object, now: datetime) -> str:
    prefix = "node-role.kubernetes.io/"
    labels = _get(obj, "metadata", "labels", default={})
    return ",".join(sorted(label.removeprefix(prefix) for label in labels if label.startswith(prefix))) or NONE


def _address(type_: str) -> Any:
    def cell(obj: Object, now: datetime) -> str:
        found = [a.get("address") for a in _get(obj, "status", "addresses", default=()) if a.get("type") == type_]
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

    return ",".join(text(port) for port in _get(obj, "spec", "ports", default=())) or NONE


SERVICE = (
    NAME,
    Column("Type", at("spec", "type", default="ClusterIP")),
    Column("Cluster-IP", at("spec", "clusterIP")),
    Column("External-IP", lambda o, now: ",".join(_get(o, "spec", "externalIPs", default=())) or NONE),
    Column("Port(s)", _service_ports),
    AGE,
    SELECTOR,
)


def _endpoints(obj: Object, now: datetime) -> str:
    pairs = [
        f"{address.get('ip')}:{port.get('port')}"
        for subset in _get(obj, "subsets", default=())
        for address in subset.get("addresses") or ()
        for port in subset.get("ports") or ()
    ]
    more = f" + {len(pairs) - 3} more..." if len(pairs) > 3 else ""
    return ",".join(pairs[:3]) + more or NONE


def _event_object(obj: Object, now: datetime) -> str:
    involved = obj.get("involvedObject") or {}
    return f"{str(involved.get('kind', '')).lower()}/{involved.get('name', '')}"


def _last_seen(obj: Object, now: datetime) -> str:
    newest = _get(obj, "series", "lastObservedTime") or obj.get("lastTimestamp") or obj.get("eventTime")
    return age(newest or obj.get("firstTimestamp") or _get(obj, "metadata", "creationTimestamp"), now)


def _event_source(obj: Object, now: datetime) -> str:
    component = _get(obj, "source", "component") or obj.get("reportingComponent") or ""
    host = _get(obj, "source", "host") or obj.get("reportingInstance") or ""
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
    Column("Name", _name, format="name", priority=1),
)

COLUMNS: dict[str, tuple[Column, ...]] = {
    "pods": POD_COLUMNS,
    "nodes": NODE,
    "namespaces": (NAME, Column("Status", at("status", "phase", default="")), AGE),
    "configmaps": (NAME, Column("Data", _count("data", "binaryData")), AGE),
    "secrets": (NAME, Column("Type", at("type", default="Opaque")), Column("Data", _count("data")), AGE),
    "services": SERVICE,
    "endpoints": (NAME, Column("Endpoints", _endpoints), AGE),
    "events": EVENT,
    "serviceaccounts": (NAME, Column("Secrets", _count("secrets")), AGE),
    "deployments.apps": DEPLOYMENT,
    "replicasets.apps": REPLICASET,
    "statefulsets.apps": STATEFULSET,
    "daemonsets.apps": DAEMONSET,
    "jobs.batch": JOB,
    "leases.coordination.k8s.io": (NAME, Column("Holder", at("spec", "holderIdentity", default="")), AGE),
    "customresourcedefinitions.apiextensions.k8s.io": (
        NAME,
        Column("Created At", at("metadata", "creationTimestamp", default="")),
    ),
    "persistentvolumes": (
        NAME,
        Column("Capacity", at("spec", "capacity", "storage", default="")),
        Column("Access Modes", lambda o, now: ",".join(_get(o, "spec", "accessModes", default=()))),
        Column("Reclaim Policy", at("spec", "persistentVolumeReclaimPolicy", default="")),
        Column("Status", at("status", "phase", default="")),
        Column("StorageClass", at("spec", "storageClassName", default="")),
        AGE,
    ),
    "persistentvolumeclaims": (
        NAME,
        Column("Status", at("status", "phase", default="")),
        Column("Volume", at("spec", "volumeName", default="")),
        Column("Capacity", at("status", "capacity", "storage", default="")),
        Column("Access Modes", lambda o, now: ",".join(_get(o, "spec", "accessModes", default=()))),
        Column("StorageClass", at("spec", "storageClassName", default="")),
        AGE,
    ),
}
