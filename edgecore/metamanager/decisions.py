"""What a message of the cloud does to what is stored (contract 3.5, 4.1; promises D2, D6). Pure.

Versions compare as numbers and only within one uid. Another uid is another object: the stored one goes first. A tombstone remembers what
was taken away last under a key, so that a late update does not bring it back. A pod that was deleted never comes back. Everything else may:
the cloud takes a ConfigMap away when no pod of this node names it any more, and gives the same one, unchanged, to the next pod that does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from viaduct.codec import MAX_NAME
from viaduct.errors import MalformedPayload
from viaduct.message import Message
from viaduct.resource import ResourcePath, parse_resource
from viaduct.vocabulary import Operation, ResourceType


@dataclass(frozen=True, slots=True)
class Known:
    """What is stored (or was deleted) under a key. ``version`` is None where the cloud gave none."""

    uid: str
    version: int | None


@dataclass(frozen=True, slots=True)
class Save:
    """Store the content. ``replaces``: what is stored is another object; take it away first."""

    replaces: bool = False


@dataclass(frozen=True, slots=True)
class Delete:
    """Remove it; ``bury`` is what the tombstone says."""

    bury: Known


@dataclass(frozen=True, slots=True)
class Ignore:
    """Change nothing; it is acknowledged all the same, because it is superseded for good."""

    reason: str


Decision = Save | Delete | Ignore


@dataclass(frozen=True, slots=True)
class Arrival:
    """A message of the cloud, read: about which object, which version of it, and what is to be done."""

    path: ResourcePath
    uid: str
    version: int | None
    version_text: str
    removal: bool

    @property
    def key(self) -> str:
        return str(self.path)


def read_arrival(message: Message) -> Arrival:
    """Raises: MalformedResource, MalformedPayload: it can never be stored; the cloud is told so."""
    path = parse_resource(message.route.resource)
    removal = message.route.operation == Operation.DELETE
    metadata = _metadata(message.content)
    if not removal and not isinstance(message.content, dict | list):
        raise MalformedPayload("content", "expected an object")
    if not removal and path.type == ResourceType.POD and not isinstance(metadata.get("name"), str):
        raise MalformedPayload("content.metadata.name", "is missing")
    uid = metadata.get("uid")
    text = message.header.resource_version or metadata.get("resourceVersion")
    text = text if isinstance(text, str) and len(text) <= MAX_NAME and text.isascii() and text.isdigit() else ""
    return Arrival(path, uid if isinstance(uid, str) else "", int(text) if text else None, text, removal)


def decide(stored: Known | None, buried: Known | None, arrival: Arrival) -> Decision:
    return _on_removal(stored, arrival) if arrival.removal else _on_change(stored, buried, arrival)


def _on_removal(stored: Known | None, arrival: Arrival) -> Decision:
    if stored is not None and _differ(stored.uid, arrival.uid):
        return Ignore("the stored object is another one")
    uid = arrival.uid or (stored.uid if stored else "")
    return Delete(Known(uid, _newest(arrival.version, stored.version if stored else None)))


def _on_change(stored: Known | None, buried: Known | None, arrival: Arrival) -> Decision:
    if buried is not None and _is_the_buried(buried, arrival):
        return Ignore("this object was deleted")
    if stored is None:
        return Save()
    if _differ(stored.uid, arrival.uid):
        return Save(replaces=True)
    if stored.version is not None and arrival.version is not None and arrival.version <= stored.version:
        return Ignore("not newer than what is stored")
    return Save()


def _is_the_buried(buried: Known, arrival: Arrival) -> bool:
    """An update that is older than what was taken away; of a pod, any at all."""
    if buried.uid and arrival.uid:
        late = buried.version is not None and arrival.version is not None and arrival.version < buried.version
        return buried.uid == arrival.uid and (late or arrival.path.type == ResourceType.POD)
    return buried.version is not None and arrival.version is not None and arrival.version <= buried.version


def _differ(one: str, other: str) -> bool:
    return bool(one) and bool(other) and one != other


def _newest(one: int | None, other: int | None) -> int | None:
    return max((version for version in (one, other) if version is not None), default=None)


def _metadata(content: Any) -> dict[str, Any]:
    found = content.get("metadata") if isinstance(content, dict) else None
    return found if isinstance(found, dict) else {}
