"""What a controller may ask for. A decision answers with these; the runner hands them to the cluster, one by one or side by side.

``resource`` is the plural name, with the group where it is not core: ``pods``, ``replicasets.apps``. ``object`` is a whole object;
its ``metadata.resourceVersion`` (where present) is the version that the decision saw, so that a stale decision ends in a Conflict.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Create:
    resource: str
    namespace: str
    object: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Update:
    resource: str
    object: dict[str, Any]


@dataclass(frozen=True, slots=True)
class UpdateStatus:
    resource: str
    object: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Delete:
    """``uid`` is a precondition; ``grace_seconds`` None leaves the grace to the object."""

    resource: str
    namespace: str
    name: str
    uid: str
    grace_seconds: int | None = None


@dataclass(frozen=True, slots=True)
class Bind:
    namespace: str
    pod: str
    uid: str
    node: str


Write = Create | Update | UpdateStatus | Delete | Bind


def subject_of(write: Write) -> tuple[str, str, str, str]:
    """(verb, resource, namespace, name) of what a write is about; for an object to be made, the uid of who wants it."""
    verb = type(write).__name__
    match write:
        case Create():
            metadata = write.object.get("metadata") or {}
            owners = metadata.get("ownerReferences") or [{}]
            return verb, write.resource, write.namespace, str(owners[0].get("uid") or metadata.get("name") or "")
        case Update() | UpdateStatus():
            metadata = write.object.get("metadata") or {}
            return verb, write.resource, str(metadata.get("namespace", "")), str(metadata.get("name", ""))
        case Delete():
            return verb, write.resource, write.namespace, write.name
        case Bind():
            return verb, "pods", write.namespace, write.pod
