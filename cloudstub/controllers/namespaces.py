"""A namespace that is deleted takes its content along, and goes when that is gone."""

from __future__ import annotations

from datetime import datetime

from cloudstub.controllers.objects import Object, is_deleting, meta, name_of, namespace_of, spec_of, uid_of
from cloudstub.controllers.ports import EVERY_KIND, Snapshot
from cloudstub.controllers.writes import Delete, Update, Write

READS = (EVERY_KIND,)
FINALIZER = "kubernetes"
MOST_AT_ONCE = 500


def decide(snapshot: Snapshot, now: datetime) -> list[Write]:
    leaving = {name_of(one): one for one in snapshot.get("namespaces", []) if is_deleting(one)}
    if not leaving:
        return []
    occupied: set[str] = set()
    writes: list[Write] = []
    for resource, objects in snapshot.items():
        for obj in objects:
            if namespace_of(obj) in leaving:
                occupied.add(namespace_of(obj))
                if not is_deleting(obj) and len(writes) < MOST_AT_ONCE:
                    writes.append(Delete(resource, namespace_of(obj), name_of(obj), uid_of(obj)))
    writes += [_finalised(one) for name, one in leaving.items() if name not in occupied and _is_held(one)]
    return writes


def _is_held(namespace: Object) -> bool:
    return FINALIZER in (spec_of(namespace).get("finalizers") or ())


def _finalised(namespace: Object) -> Update:
    rest = [one for one in spec_of(namespace)["finalizers"] if one != FINALIZER]
    return Update("namespaces", {**namespace, "metadata": meta(namespace), "spec": {**spec_of(namespace), "finalizers": rest}})
