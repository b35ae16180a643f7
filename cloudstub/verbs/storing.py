"""The last step of every write: stage it, or only show it."""

from __future__ import annotations

from cloudstub.kinds.custom import DEFINITIONS
from cloudstub.store.records import Key, Object, encode
from cloudstub.verbs.prepare import CLEANUP
from cloudstub.verbs.world import World


def store_object(world: World, key: Key, obj: Object, *, dry_run: bool) -> bytes:
    """Stage the object and give its JSON; with ``dry_run`` only the JSON."""
    if dry_run:
        return encode(obj)
    return world.store.put(key, obj).body


def is_finished_with(obj: Object) -> bool:
    """Whether a deleted object may go: nothing holds it any more."""
    metadata = obj["metadata"]
    if not metadata.get("deletionTimestamp") or metadata.get("finalizers"):
        return False
    if obj.get("kind") == "Namespace" and obj.get("apiVersion") == "v1":
        return not (obj.get("spec") or {}).get("finalizers")
    return int(metadata.get("deletionGracePeriodSeconds") or 0) == 0


def remove_object(world: World, key: Key, *, dry_run: bool) -> bytes:
    """Stage the end of an object; gives its last state."""
    record = world.store.peek(key)
    assert record is not None
    if dry_run:
        return record.body
    body = world.store.remove(key).body
    kind = world.catalog.by_resource(key.resource)
    if kind is not None and kind.custom:
        finish_definition(world, Key(DEFINITIONS, "", key.resource))
    return body


def finish_definition(world: World, key: Key) -> None:
    """A definition on its way out goes with its last object."""
    record = world.store.peek(key)
    if record is None or not record.value["metadata"].get("deletionTimestamp") or world.store.peek_all(key.name):
        return
    obj = record.fresh()
    obj["metadata"]["finalizers"] = [f for f in obj["metadata"].get("finalizers", ()) if f != CLEANUP]
    world.store.put(key, obj)
    if is_finished_with(obj):
        world.store.remove(key)
