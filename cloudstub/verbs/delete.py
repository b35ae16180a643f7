"""DELETE: at once where nothing holds the object, else by a deletionTimestamp that others act on."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from cloudstub.errors import BadRequest, Conflict, Forbidden
from cloudstub.kinds.ages import timestamp
from cloudstub.kinds.custom import DEFINITIONS
from cloudstub.store.records import Object, Record
from cloudstub.verbs.storing import finish_definition, is_finished_with, remove_object, store_object
from cloudstub.verbs.update import existing
from cloudstub.verbs.world import Target, World, details

POLICIES = {"Orphan": "orphan", "Foreground": "foregroundDeletion", "Background": None}
DEFAULT_GRACE = 30
PERMANENT = ("default", "kube-system", "kube-public")


@dataclass(frozen=True, slots=True)
class DeleteOptions:
    """``grace_seconds`` None leaves it to the object."""

    grace_seconds: int | None = None
    uid: str = ""
    resource_version: str = ""
    propagation: str = ""
    dry_run: bool = False


PLAIN_DELETE = DeleteOptions()


@dataclass(frozen=True, slots=True)
class Deleted:
    """``body`` is the object's last state, or its state while it waits for those who hold it."""

    body: bytes
    uid: str
    is_gone: bool


def parse_options(sent: Any, query: dict[str, str]) -> DeleteOptions:
    """DeleteOptions from a body (may be None) and the query; the query wins.

    Raises:
        BadRequest: a field of the wrong type or value.
    """
    body = {} if sent is None else sent
    if not isinstance(body, dict):
        raise BadRequest("the body of a delete must be DeleteOptions")
    preconditions = body.get("preconditions") or {}
    if not isinstance(preconditions, dict):
        raise BadRequest("preconditions: must be an object")
    grace = _grace(query.get("gracePeriodSeconds", body.get("gracePeriodSeconds")))
    orphan = query.get("orphanDependents", body.get("orphanDependents"))
    legacy = "" if orphan is None else "Orphan" if orphan in (True, "true") else "Background"
    propagation = query.get("propagationPolicy") or body.get("propagationPolicy") or legacy
    if propagation and propagation not in tuple(POLICIES):
        raise BadRequest(f"propagationPolicy: {propagation!r:.60} is none of {', '.join(sorted(POLICIES))}")
    dry_run = "dryRun" in query or bool(body.get("dryRun"))
    uid, version = preconditions.get("uid") or "", preconditions.get("resourceVersion") or ""
    return DeleteOptions(grace, str(uid), str(version), propagation, dry_run)


def _grace(value: Any) -> int | None:
    if value is None:
        return None
    try:
        seconds = int(value) if not isinstance(value, bool | float) else -1
    except (TypeError, ValueError):
        seconds = -1
    if not 0 <= seconds < 2**31:
        raise BadRequest(f"gracePeriodSeconds: must be an integer of 0 or more, not {value!r:.60}")
    return seconds


def delete(world: World, target: Target, options: DeleteOptions = PLAIN_DELETE) -> Deleted:
    """Stage the deletion of one object.

    Raises:
        NotFound: it is not there.
        Forbidden: it is a namespace that always is.
        Conflict: it is not the one that the preconditions describe.
    """
    record = existing(world, target)
    if target.kind.resource == "namespaces" and target.name in PERMANENT:
        raise Forbidden(f'namespaces "{target.name}" is forbidden: this namespace may not be deleted', details=details(target))
    _check_preconditions(target, record, options)
    old = record.value
    obj = record.fresh()
    grace = _grace_of(target, old, options)
    _mark(world, obj, grace, options)
    if target.kind.resource == "namespaces":
        obj["status"] = {**(obj.get("status") or {}), "phase": "Terminating"}
    if is_finished_with(obj):
        return Deleted(remove_object(world, target.key, dry_run=options.dry_run), record.uid, is_gone=True)
    if obj == old:
        return Deleted(record.body, record.uid, is_gone=False)
    body = store_object(world, target.key, obj, dry_run=options.dry_run)
    if target.kind.resource == DEFINITIONS and not options.dry_run:
        return _delete_definition(world, target, record, body)
    return Deleted(body, record.uid, is_gone=False)


def _check_preconditions(target: Target, record: Record, options: DeleteOptions) -> None:
    reason = ""
    if options.uid and options.uid != record.uid:
        reason = f"Precondition failed: UID in precondition: {options.uid}, UID in object meta: {record.uid}"
    elif options.resource_version and options.resource_version != str(record.revision):
        wanted = options.resource_version
        reason = f"Precondition failed: ResourceVersion in precondition: {wanted}, ResourceVersion in object meta: {record.revision}"
    if reason:
        resource = target.kind.resource
        raise Conflict(f'Operation cannot be fulfilled on {resource} "{target.name}": {reason}', details=details(target))


def _grace_of(target: Target, obj: Object, options: DeleteOptions) -> int:
    """Only a pod that a node may be running is given time: the node's final delete comes with 0."""
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    if target.kind.resource != "pods" or not spec.get("nodeName") or status.get("phase") in ("Succeeded", "Failed"):
        return 0
    asked = options.grace_seconds
    grace = asked if asked is not None else int(spec.get("terminationGracePeriodSeconds", DEFAULT_GRACE))
    earlier = obj["metadata"].get("deletionGracePeriodSeconds")
    # A second delete may shorten the time, never lengthen it.
    return min(grace, earlier) if obj["metadata"].get("deletionTimestamp") and earlier is not None else grace


def _mark(world: World, obj: Object, grace: int, options: DeleteOptions) -> None:
    metadata = obj["metadata"]
    if not metadata.get("deletionTimestamp") or grace < metadata.get("deletionGracePeriodSeconds", 0):
        metadata["deletionTimestamp"] = timestamp(world.clock() + timedelta(seconds=grace))
        metadata["deletionGracePeriodSeconds"] = grace
        if "generation" in metadata:
            metadata["generation"] += 1
    finalizer = POLICIES.get(options.propagation)
    if finalizer:
        kept = [f for f in metadata.get("finalizers") or () if f not in ("orphan", "foregroundDeletion")]
        metadata["finalizers"] = [*kept, finalizer]


def _delete_definition(world: World, target: Target, record: Record, body: bytes) -> Deleted:
    """Take the objects along; the definition goes with the last of them."""
    kind = world.catalog.by_resource(target.name)
    for custom in world.store.peek_all(target.name) if kind else ():
        assert kind is not None
        if not custom.value["metadata"].get("deletionTimestamp"):
            delete(world, Target(kind, kind.storage, custom.key.namespace, custom.key.name))
    finish_definition(world, target.key)
    return Deleted(body, record.uid, is_gone=world.store.peek(target.key) is None)
