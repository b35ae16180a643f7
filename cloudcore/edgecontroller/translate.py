"""A Kubernetes object to the message that carries it (contract 4.1). Pure."""

from __future__ import annotations

from cloudcore.objects import identity, uid_of, version_of
from cloudcore.ports import JsonObject, Owed
from viaduct.message import Message, new_message
from viaduct.resource import ResourcePath
from viaduct.vocabulary import Group, Operation, ResourceType, Source

CONFIGURATION = frozenset({ResourceType.CONFIGMAP, ResourceType.SECRET})
"""What a node gets because a pod of it names it."""


def content_of(obj: JsonObject) -> JsonObject:
    """The object as the edge gets it: no apiVersion and kind (as informers of KubeEdge have none), no managedFields."""
    content = {key: value for key, value in obj.items() if key not in ("apiVersion", "kind")}
    metadata = content.get("metadata")
    if isinstance(metadata, dict) and "managedFields" in metadata:
        content["metadata"] = {key: value for key, value in metadata.items() if key != "managedFields"}
    return content


def wire_key(kind: str, obj: JsonObject) -> str:
    """``default/pod/web``."""
    return str(ResourcePath(identity(obj)[0], kind, identity(obj)[1]))


def holding(kind: str, obj: JsonObject, *, version: str, now_ms: int) -> Owed:
    """What makes a node hold ``obj``. ``version``: as of which the node has to know it (for pods not always the object's own).

    A Secret and a pod on its way out are said as ``update``, anything else as ``insert``; both mean "have it so" at the edge.
    """
    leaving = bool((obj.get("metadata") or {}).get("deletionTimestamp"))
    operation = Operation.UPDATE if leaving or kind == ResourceType.SECRET else Operation.INSERT
    return _owed(kind, obj, operation, version=version, now_ms=now_ms)


def changed(kind: str, obj: JsonObject, *, version: str, now_ms: int) -> Owed:
    return _owed(kind, obj, Operation.UPDATE, version=version, now_ms=now_ms)


def removed(kind: str, obj: JsonObject, *, now_ms: int) -> Owed:
    """After which a node holds ``obj`` no more. ``obj`` is the last that is known of it."""
    return _owed(kind, obj, Operation.DELETE, version=version_of(obj), now_ms=now_ms)


def removed_by_name(path: ResourcePath, uid: str, *, now_ms: int) -> Owed:
    """The removal of something of which only name and uid are known: a stub object, no version (contract 3.7)."""
    metadata = {"name": path.name, "namespace": path.namespace} | ({"uid": uid} if uid else {})
    return removed(path.type, {"metadata": metadata}, now_ms=now_ms)


def _owed(kind: str, obj: JsonObject, operation: str, *, version: str, now_ms: int) -> Owed:
    key = wire_key(kind, obj)
    message = _message(key, operation, content_of(obj), version=version, now_ms=now_ms)
    return Owed(key, uid_of(obj), version, message, removal=operation == Operation.DELETE)


def _message(resource: str, operation: str, content: JsonObject, *, version: str, now_ms: int) -> Message:
    return new_message(
        source=Source.EDGECONTROLLER,
        group=Group.RESOURCE,
        operation=operation,
        resource=resource,
        now_ms=now_ms,
        content=content,
        resource_version=version,
    )


def pod_changed(old: JsonObject, new: JsonObject) -> bool:
    """Whether a node has to hear of it: metadata (less the bookkeeping of the API) or spec differ, not status alone (contract 4.1)."""
    return _asked(old) != _asked(new)


_BOOKKEEPING = ("resourceVersion", "generation", "managedFields")


def _asked(pod: JsonObject) -> tuple[JsonObject, JsonObject]:
    metadata = {key: value for key, value in (pod.get("metadata") or {}).items() if key not in _BOOKKEEPING}
    return metadata, pod.get("spec") or {}
