"""Owners and what they own: dependents of an owner that is gone go too; ``orphan`` and ``foregroundDeletion`` are carried out."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any, NamedTuple

from cloudstub.controllers.objects import (
    Object,
    is_deleting,
    meta,
    name_of,
    namespace_of,
    owners_of,
    spec_of,
    uid_of,
    with_meta,
)
from cloudstub.controllers.ports import EVERY_KIND, Snapshot
from cloudstub.controllers.writes import Delete, Update, Write
from cloudstub.kinds.builtin import BUILTIN

READS = (EVERY_KIND,)
# They change all the time and own nothing; what they hang from wakes this by its own change.
SLEEPS_THROUGH = frozenset({"events", "leases.coordination.k8s.io"})
_DEFINITIONS = "customresourcedefinitions.apiextensions.k8s.io"
_ORPHAN, _FOREGROUND = "orphan", "foregroundDeletion"


class _Held(NamedTuple):
    resource: str
    object: Object


def decide(snapshot: Snapshot, now: datetime) -> list[Write]:
    dependents = [_Held(resource, obj) for resource, obj in _each(snapshot) if owners_of(obj)]
    owners = {uid_of(obj): obj for _, obj in _each(snapshot)} if dependents else {}
    known = _known_kinds(snapshot) if dependents else set()
    writes: list[Write] = []
    owned: dict[str, list[_Held]] = {}
    for held in dependents:
        for reference in owners_of(held.object):
            owned.setdefault(str(reference.get("uid")), []).append(held)
        if not is_deleting(held.object):
            writes += _dependent(held, owners, known)
    for resource, obj in _each(snapshot):
        if is_deleting(obj) and meta(obj).get("finalizers"):
            writes += _owner(_Held(resource, obj), owned.get(uid_of(obj), []))
    return _one_per_object(writes)


def _each(snapshot: Snapshot) -> Iterator[tuple[str, Object]]:
    return ((resource, obj) for resource, objects in snapshot.items() for obj in objects)


def _dependent(held: _Held, owners: dict[str, Object], known: set[tuple[str, str]]) -> list[Write]:
    """A dependent without a lasting owner goes; one that has another keeps only those that last."""
    references = owners_of(held.object)
    lasting = [one for one in references if _lasts(one, held.object, owners, known)]
    if not lasting:
        obj = held.object
        return [Delete(held.resource, namespace_of(obj), name_of(obj), uid_of(obj))]
    if len(lasting) < len(references):
        return [Update(held.resource, with_meta(held.object, ownerReferences=lasting))]
    return []


def _lasts(reference: dict[str, Any], obj: Object, owners: dict[str, Object], known: set[tuple[str, str]]) -> bool:
    owner = owners.get(str(reference.get("uid")))
    if owner is None:
        # Of a kind that is not served here nobody can say that it is gone.
        return not reference.get("uid") or _kind_of(reference) not in known
    is_elsewhere = bool(namespace_of(owner)) and namespace_of(owner) != namespace_of(obj)
    return not is_elsewhere and not (is_deleting(owner) and _FOREGROUND in (meta(owner).get("finalizers") or ()))


def _owner(held: _Held, owned: list[_Held]) -> list[Write]:
    finalizers = meta(held.object)["finalizers"]
    uid = uid_of(held.object)
    if _ORPHAN in finalizers:
        if not owned:
            return [_without_finalizer(held, _ORPHAN)]
        return [Update(one.resource, _released(one.object, uid)) for one in owned]
    if _FOREGROUND in finalizers and not any(_blocks(one.object, uid) for one in owned):
        return [_without_finalizer(held, _FOREGROUND)]
    return []


def _without_finalizer(held: _Held, name: str) -> Update:
    rest = [one for one in meta(held.object)["finalizers"] if one != name]
    return Update(held.resource, with_meta(held.object, finalizers=rest or None))


def _released(obj: Object, uid: str) -> Object:
    rest = [one for one in owners_of(obj) if one.get("uid") != uid]
    return with_meta(obj, ownerReferences=rest or None)


def _blocks(obj: Object, uid: str) -> bool:
    return any(one.get("uid") == uid and one.get("blockOwnerDeletion") for one in owners_of(obj))


def _kind_of(reference: dict[str, Any]) -> tuple[str, str]:
    group, slash, _ = str(reference.get("apiVersion", "")).partition("/")
    return (group if slash else "", str(reference.get("kind", "")))


def _known_kinds(snapshot: Snapshot) -> set[tuple[str, str]]:
    custom = (spec_of(one) for one in snapshot.get(_DEFINITIONS, []))
    defined = {(str(spec.get("group")), str((spec.get("names") or {}).get("kind"))) for spec in custom}
    return defined | {(kind.group, kind.kind) for kind in BUILTIN}


def _one_per_object(writes: list[Write]) -> list[Write]:
    """The first write of each object: a second one would only meet a conflict, and comes at the next look."""
    first: dict[tuple[str, str, str], Write] = {}
    for write in writes:
        if isinstance(write, Update):
            first.setdefault((write.resource, namespace_of(write.object), name_of(write.object)), write)
        elif isinstance(write, Delete):
            first.setdefault((write.resource, write.namespace, write.name), write)
    return list(first.values())
