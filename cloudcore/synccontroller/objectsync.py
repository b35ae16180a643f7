"""ObjectSync and ClusterObjectSync as values (contract 3.6): named ``<node>.<uid>``, one per object that a node has acknowledged. Pure."""

from __future__ import annotations

import sys
from dataclasses import dataclass

from cloudcore.kube.resources import CLUSTER_OBJECT_SYNCS, OBJECT_SYNCS, Resource
from cloudcore.objects import as_number, identity, version_of
from cloudcore.ports import JsonObject, Owed
from viaduct.errors import MalformedResource
from viaduct.resource import CLUSTER_SCOPE, parse_resource

DEVICE_KIND = "device"
NEVER = "0"
"""The version of an object that the node has not acknowledged yet, as KubeEdge writes it."""
_DEVICE_PREFIX = "device/"
_API_VERSIONS = {DEVICE_KIND: "devices.kubeedge.io/v1alpha1"}


@dataclass(frozen=True, slots=True)
class Entry:
    """What ``node`` has acknowledged. ``namespace`` is the object's, "" for cluster-scoped ones; ``version`` is NEVER
    where it has acknowledged none yet; ``behind``: it should have another by now; ``stored_at`` the record's own version."""

    node: str
    namespace: str
    kind: str
    name: str
    uid: str
    version: str
    behind: bool = False
    stored_at: int = 0

    @property
    def key(self) -> str:
        if self.kind == DEVICE_KIND:
            return f"{_DEVICE_PREFIX}{self.name}"
        return f"{self.namespace or CLUSTER_SCOPE}/{self.kind}/{self.name}"

    @property
    def resource(self) -> Resource:
        return OBJECT_SYNCS if self.namespace else CLUSTER_OBJECT_SYNCS

    @property
    def object_name(self) -> str:
        return f"{self.node}.{self.uid}"


def entry_of(owed: Owed, node: str) -> Entry | None:
    """What an acknowledged ``owed`` records; None for what cannot be recorded (no uid, lists)."""
    if not owed.uid:
        return None
    if owed.key.startswith(_DEVICE_PREFIX):
        name = owed.key.removeprefix(_DEVICE_PREFIX)
        return Entry(node, _namespace_of_device(owed), DEVICE_KIND, name, owed.uid, owed.version)
    try:
        path = parse_resource(owed.key)
    except MalformedResource:
        return None
    if not path.name:
        return None
    namespace = "" if path.namespace == CLUSTER_SCOPE else path.namespace
    return Entry(node, namespace, path.type, path.name, owed.uid, owed.version)


def _namespace_of_device(owed: Owed) -> str:
    content = owed.message.content if isinstance(owed.message.content, dict) else {}
    for device in content.get("added_devices") or content.get("removed_devices") or ():
        return str(device.get("namespace") or "")
    return ""


def entry_from(obj: JsonObject) -> Entry | None:
    """An ObjectSync of the API; None where its name is not ``<node>.<uid>`` (a node's name may have dots, a uid has none)."""
    namespace, full_name = identity(obj)
    node, _, uid = full_name.rpartition(".")
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    kind, name = str(spec.get("objectKind") or "").lower(), str(spec.get("objectName") or "")
    if not (node and uid and kind and name):
        return None
    version = str(status.get("objectResourceVersion") or "")
    return Entry(node, namespace, kind, name, uid, version, status.get("behind") is True, as_number(version_of(obj)))


def object_of(entry: Entry) -> JsonObject:
    """What to create; the status is written after it."""
    metadata = {"name": entry.object_name} | ({"namespace": entry.namespace} if entry.namespace else {})
    spec = {
        "nodeName": entry.node,
        "objectAPIVersion": _API_VERSIONS.get(entry.kind, "v1"),
        "objectKind": entry.kind,
        "objectName": entry.name,
    }
    return {"apiVersion": entry.resource.api_version, "kind": entry.resource.kind, "metadata": metadata, "spec": spec}


def slim(obj: JsonObject) -> JsonObject:
    """What is kept of a stored record: enough to read it and to write its status. A big site has hundreds of thousands of them."""
    metadata = obj.get("metadata") or {}
    kept = {key: metadata[key] for key in ("namespace", "name", "resourceVersion") if key in metadata}
    spec = {sys.intern(key): sys.intern(value) if isinstance(value, str) else value for key, value in (obj.get("spec") or {}).items()}
    status = {sys.intern(key): value for key, value in (obj.get("status") or {}).items()}
    return {"metadata": kept, "spec": spec, "status": status}


def status_of(entry: Entry, current: JsonObject) -> JsonObject | None:
    """The status to write over that of the stored record ``current``; None where it is so already, or says more: another CloudCore may
    have written it."""
    status = current.get("status") or {}
    stored, version = as_number(str(status.get("objectResourceVersion") or "")), as_number(entry.version)
    if stored > version or (stored == version and status.get("behind") is entry.behind):
        return None
    return status | {"objectResourceVersion": entry.version, "behind": entry.behind}
