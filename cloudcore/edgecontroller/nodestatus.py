"""Registration and status of a node (contract 4.3 to 4.5). Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from cloudcore.edgecontroller.podstatus import check_conditions, merged_conditions
from cloudcore.errors import Refused
from cloudcore.objects import stamp
from cloudcore.ports import JsonObject, KubeletEndpoint

EDGE_LABEL = "node-role.kubernetes.io/edge"
_RESERVED = ("kubernetes.io", "k8s.io")
_OWN_LABELS = frozenset(
    {
        EDGE_LABEL,
        "node-role.kubernetes.io/agent",
        "kubernetes.io/hostname",
        "kubernetes.io/os",
        "kubernetes.io/arch",
        "beta.kubernetes.io/os",
        "beta.kubernetes.io/arch",
        "node.kubernetes.io/instance-type",
        "topology.kubernetes.io/region",
        "topology.kubernetes.io/zone",
    }
)


@dataclass(frozen=True, slots=True)
class NodeReport:
    labels: dict[str, str] = field(default_factory=dict)
    status: JsonObject = field(default_factory=dict)


def node_report(content: Any) -> NodeReport:
    """A Node (registration), ``{"UID","Status","ExtendResources"}`` (contract 4.3) or a bare NodeStatus.

    Raises:
        Refused: another shape; the text names the field.
    """
    if not isinstance(content, dict):
        raise Refused("content: expected an object")
    metadata, status = content.get("metadata") or {}, content.get("status", content.get("Status"))
    if status is None and "conditions" in content:
        status = content
    if not isinstance(status, dict):
        raise Refused("content.status: expected an object")
    check_conditions(status, "content.status")
    labels = metadata.get("labels") or {} if isinstance(metadata, dict) else None
    if not (isinstance(labels, dict) and all(isinstance(text, str) for pair in labels.items() for text in pair)):
        raise Refused("content.metadata.labels: expected text values")
    return NodeReport(labels, status)


def is_ready(node: JsonObject) -> bool:
    conditions = (node.get("status") or {}).get("conditions") or []
    return any(condition.get("type") == "Ready" and condition.get("status") == "True" for condition in conditions)


def allowed_labels(labels: dict[str, str]) -> dict[str, str]:
    """What a node may say of itself: nothing of Kubernetes' own domains but the usual few, so that it draws no foreign pods (X2)."""
    return {key: value for key, value in labels.items() if key in _OWN_LABELS or not _is_reserved(key)}


def _is_reserved(key: str) -> bool:
    domain = key.rpartition("/")[0]
    return any(domain == reserved or domain.endswith(f".{reserved}") for reserved in _RESERVED)


def registered_node(name: str, report: NodeReport) -> JsonObject:
    """The Node to create: the labels of contract 4.5 and those that the node says."""
    labels = {"name": name, "kubernetes.io/hostname": name, EDGE_LABEL: ""} | allowed_labels(report.labels)
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels}, "spec": {}}


def relabelled(node: JsonObject, report: NodeReport) -> JsonObject | None:
    """The known Node with the labels that it says now; None where it has them all. Labels given by people stay."""
    metadata = node.get("metadata") or {}
    labels = metadata.get("labels") or {}
    merged = labels | allowed_labels(report.labels)
    return None if merged == labels else node | {"metadata": metadata | {"labels": merged}}


def annotated(node: JsonObject, annotations: dict[str, str]) -> JsonObject | None:
    """The Node with these annotations merged in; None where nothing changes."""
    metadata = node.get("metadata") or {}
    merged = (metadata.get("annotations") or {}) | annotations
    return None if merged == (metadata.get("annotations") or {}) else node | {"metadata": metadata | {"annotations": merged}}


def merged_node(node: JsonObject, status: JsonObject, now: datetime, kubelet: KubeletEndpoint | None = None) -> JsonObject:
    """The Node with the reported status. Heartbeats are now, transitions only when a status changes (bug C14). ``kubelet``: where an
    API server finds its kubelet."""
    old = node.get("status") or {}
    reported = [condition | {"lastHeartbeatTime": stamp(now)} for condition in status.get("conditions") or []]
    merged = status | {"conditions": merged_conditions(old.get("conditions") or [], reported, now)}
    if kubelet is not None:
        merged |= _reached(str((node.get("metadata") or {}).get("name")), status, kubelet)
    if "volumesAttached" in old:
        merged["volumesAttached"] = old["volumesAttached"]
    return node | {"status": merged}


def _reached(name: str, status: JsonObject, kubelet: KubeletEndpoint) -> JsonObject:
    """Port and addresses under which API servers reach the kubelet of a node, which is CloudCore (decision 0061)."""
    theirs = [address for address in status.get("addresses") or [] if isinstance(address, dict) and address.get("type") != "InternalDNS"]
    if kubelet.address:
        own = {"type": "InternalIP", "address": kubelet.address}
        theirs = [own, *(address for address in theirs if address.get("type") != "InternalIP")]
    addresses = [*theirs, {"type": "InternalDNS", "address": f"{name}.{kubelet.domain}"}]
    return {"addresses": addresses, "daemonEndpoints": {"kubeletEndpoint": {"Port": kubelet.port}}}
