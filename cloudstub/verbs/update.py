"""PUT: another version of an object, of its status, or of a namespace's finalizers."""

from __future__ import annotations

from typing import Any

from cloudstub.errors import Conflict
from cloudstub.kinds import shapes
from cloudstub.kinds.custom import DEFINITIONS
from cloudstub.kinds.faults import forbidden, invalid, wrong_type
from cloudstub.kinds.names import metadata_errors
from cloudstub.store.records import Object, Record
from cloudstub.verbs import node_ports, prepare
from cloudstub.verbs.create import give_address, give_node_ports
from cloudstub.verbs.storing import is_finished_with, remove_object, store_object
from cloudstub.verbs.world import PLAIN, Target, World, WriteOptions, Written, details, not_found

# The server's own; what a client sends here is not looked at.
_KEPT_METADATA = ("uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "generation", "resourceVersion")


def update(world: World, target: Target, sent: Any, options: WriteOptions = PLAIN) -> Written:
    """Stage a new version of the object, status untouched where the kind has a status subresource."""
    record = existing(world, target)
    obj = prepare.claimed(sent, target)
    require_unchanged(target, obj, record)
    old = record.fresh()
    _carry_over(obj, old)
    if target.kind.serves_status(target.version):
        _keep(obj, old, "status")
    if target.kind.resource == "namespaces":
        # A namespace has nothing else in its spec.
        _keep(obj, old, "spec")
    if target.kind.resource == "services":
        _keep_address(obj, old)
        node_ports.keep(obj, old)
    obj, warnings = prepare.finished(world, target, obj, old, options)
    if target.kind.resource == "services" and not (obj["spec"].get("clusterIP")):
        give_address(world, target.kind, obj)
    if target.kind.resource == "services":
        give_node_ports(world, target.kind, obj)
    _count_generation(target, obj, old)
    return Written(_put(world, target, obj, record, options), warnings=tuple(warnings))


def update_status(world: World, target: Target, sent: Any, options: WriteOptions = PLAIN) -> Written:
    """Stage a new status; the spec stays."""
    record = existing(world, target)
    claimed = prepare.claimed(sent, target)
    require_unchanged(target, claimed, record)
    obj = record.fresh()
    status = claimed.get("status")
    if status is not None:
        obj["status"] = status
    else:
        obj.pop("status", None)
    if target.kind.custom:
        obj, warnings = prepare.finished(world, target, {**obj, "apiVersion": target.api_version}, record.value, options)
        return Written(_put(world, target, obj, record, options), warnings=tuple(warnings))
    for field in ("labels", "annotations"):
        _keep(obj["metadata"], claimed["metadata"], field)
    faults = shapes.shape_errors(target.kind.resource, {"status": status})
    prepare.refuse(target.kind, obj, [*faults, *metadata_errors(target.kind.resource, obj["metadata"])])
    if target.kind.resource == DEFINITIONS:
        obj, _ = prepare.finished(world, target, obj, record.value, options)
    return Written(_put(world, target, obj, record, options))


def finalize(world: World, target: Target, sent: Any, options: WriteOptions = PLAIN) -> Written:
    """Take the server's finalizers off a namespace; it goes when it was deleted and none is left."""
    record = existing(world, target)
    claimed = prepare.claimed(sent, target)
    require_unchanged(target, claimed, record)
    spec = claimed.get("spec") or {}
    finalizers = (spec.get("finalizers") or []) if isinstance(spec, dict) else None
    if not isinstance(finalizers, list) or not all(isinstance(f, str) for f in finalizers):
        prepare.refuse(target.kind, claimed, [wrong_type("spec.finalizers", finalizers, "a list of strings")])
    obj = record.fresh()
    obj["spec"] = {**(obj.get("spec") or {}), "finalizers": finalizers}
    return Written(_put(world, target, obj, record, options))


def existing(world: World, target: Target) -> Record:
    """The current record, writes of this turn included.

    Raises:
        NotFound: there is none.
    """
    record = world.store.peek(target.key)
    if record is None:
        raise not_found(target)
    return record


def require_unchanged(target: Target, obj: Object, record: Record) -> None:
    """Optimistic concurrency: the version and the uid that the client knows must be the current ones.

    Raises:
        Conflict: they are not.
        Invalid: a custom object without a resourceVersion.
    """
    metadata = obj["metadata"]
    version = metadata.get("resourceVersion")
    if target.kind.custom and not version:
        fault = invalid("metadata.resourceVersion", 0, "must be specified for an update")
        prepare.refuse(target.kind, obj, [fault])
    reason = ""
    if version and version != str(record.revision):
        reason = "the object has been modified; please apply your changes to the latest version and try again"
    if metadata.get("uid") and metadata["uid"] != record.uid:
        reason = f"Precondition failed: UID in precondition: {metadata['uid']}, UID in object meta: {record.uid}"
    if reason:
        resource = target.kind.resource
        raise Conflict(f'Operation cannot be fulfilled on {resource} "{target.name}": {reason}', details=details(target))


def _carry_over(obj: Object, old: Object) -> None:
    metadata, before = obj["metadata"], old["metadata"]
    metadata.pop("selfLink", None)
    metadata.pop("managedFields", None)
    metadata["name"] = before["name"]
    for field in _KEPT_METADATA:
        _keep(metadata, before, field)


def _keep(new: Object, old: Object, field: str) -> None:
    if field in old:
        new[field] = old[field]
    else:
        new.pop(field, None)


def _keep_address(obj: Object, old: Object) -> None:
    spec, before = obj.get("spec"), old.get("spec") or {}
    if isinstance(spec, dict) and not spec.get("clusterIP") and spec.get("type") != "ExternalName":
        for field in ("clusterIP", "clusterIPs"):
            _keep(spec, before, field)


def _count_generation(target: Target, obj: Object, old: Object) -> None:
    if not target.kind.counts_generations:
        return
    ignored = {"metadata", "apiVersion"} | ({"status"} if target.kind.serves_status(target.version) else set())
    changed = {k: v for k, v in obj.items() if k not in ignored} != {k: v for k, v in old.items() if k not in ignored}
    obj["metadata"]["generation"] = int(old["metadata"].get("generation") or 0) + (1 if changed else 0)


def _put(world: World, target: Target, obj: Object, record: Record, options: WriteOptions) -> bytes:
    """Stage the version if it differs; if it was the last thing that held a deleted object, the object goes."""
    old = record.value
    if old["metadata"].get("deletionTimestamp"):
        added = set(obj["metadata"].get("finalizers") or ()) - set(old["metadata"].get("finalizers") or ())
        if added:
            why = f"no new finalizers can be added if the object is being deleted, found new finalizers {sorted(added)}"
            prepare.refuse(target.kind, obj, [forbidden("metadata.finalizers", why)])
    if obj == old:
        return record.body
    body = store_object(world, target.key, obj, dry_run=options.dry_run)
    if is_finished_with(obj) and not options.dry_run:
        remove_object(world, target.key, dry_run=False)
    return body
