"""POST: a new object."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from cloudstub.errors import AlreadyExists, BadRequest, Conflict, Forbidden, NotFound
from cloudstub.kinds.custom import DEFINITIONS
from cloudstub.kinds.faults import required
from cloudstub.kinds.kind import Kind
from cloudstub.store.records import Key, Object
from cloudstub.verbs import node_ports, prepare
from cloudstub.verbs.addresses import address_errors, cluster_ip
from cloudstub.verbs.pod_status import initial_pod_status
from cloudstub.verbs.storing import store_object
from cloudstub.verbs.world import PLAIN, Target, World, WriteOptions, Written, details

GENERATED_BASE = 58
TRIES = 8
# A kubelet reports its first status with the registration.
_STATUS_ON_CREATE = {"nodes"}


def create(world: World, target: Target, sent: Any, options: WriteOptions = PLAIN) -> Written:
    """Stage a new object; the caller awaits the commit.

    Raises:
        ApiError: what the client did wrong.
    """
    obj = prepare.claimed(sent, target)
    if obj["metadata"].get("resourceVersion"):
        raise BadRequest("resourceVersion should not be set on objects to be created")
    target = _named(world, target, obj)
    if target.kind.namespaced:
        require_namespace(world, target)
    if world.store.peek(target.key) is not None:
        raise AlreadyExists(f'{target.kind.resource} "{target.name}" already exists', details=details(target))
    _stamp(world, target, obj)
    obj, warnings = prepare.finished(world, target, obj, None, options)
    _settle_kind(world, target, obj)
    body = store_object(world, target.key, obj, dry_run=options.dry_run)
    return Written(body, created=True, warnings=tuple(warnings))


def _named(world: World, target: Target, obj: Object) -> Target:
    """The target with the name that the object gets; it is written into the object as well."""
    metadata = obj["metadata"]
    if not metadata.get("name"):
        if not metadata.get("generateName"):
            prepare.refuse(target.kind, obj, [required("metadata.name", "name or generateName is required")])
        metadata["name"] = _generated(world, target, metadata["generateName"])
    return Target(target.kind, target.version, target.namespace, metadata["name"])


def _generated(world: World, target: Target, base: str) -> str:
    for _ in range(TRIES):
        name = f"{base[:GENERATED_BASE]}{world.new_suffix()}"
        if world.store.peek(Key(target.kind.resource, target.namespace or "", name)) is None:
            return name
    raise AlreadyExists(f"{target.kind.resource}: no free name was found for generateName {base!r}; try again")


def require_namespace(world: World, target: Target) -> None:
    """A namespace that is there and not on its way out.

    Raises:
        NotFound, Forbidden: it is not.
    """
    namespace = target.namespace or ""
    record = world.store.peek(Key("namespaces", "", namespace))
    if record is None:
        raise NotFound(f'namespaces "{namespace}" not found', details={"name": namespace, "kind": "namespaces"})
    if record.value["metadata"].get("deletionTimestamp"):
        message = f"unable to create new content in namespace {namespace} because it is being terminated"
        raise Forbidden(f'{target.kind.resource} "{target.name}" is forbidden: {message}', details=details(target))


def _stamp(world: World, target: Target, obj: Object) -> None:
    metadata = obj["metadata"]
    for field in ("deletionTimestamp", "deletionGracePeriodSeconds", "selfLink", "managedFields", "generation"):
        metadata.pop(field, None)
    metadata["uid"] = world.new_uid()
    metadata["creationTimestamp"] = world.now()
    if target.kind.counts_generations:
        metadata["generation"] = 1
    if target.kind.serves_status(target.version) and target.kind.resource not in _STATUS_ON_CREATE:
        obj.pop("status", None)


def _settle_kind(world: World, target: Target, obj: Object) -> None:
    """What the server itself sets in a new object of some kinds."""
    resource = target.kind.resource
    if resource == "pods":
        obj["status"] = initial_pod_status(obj["spec"])
    elif resource == "namespaces":
        obj["spec"] = {"finalizers": ["kubernetes"]}
        obj["status"] = {"phase": "Active"}
    elif resource == "services":
        give_address(world, target.kind, obj)
        give_node_ports(world, target.kind, obj)
        obj["status"] = {"loadBalancer": {}}
    elif resource in ("persistentvolumes", "persistentvolumeclaims"):
        obj["status"] = {"phase": "Available" if resource == "persistentvolumes" else "Pending"}
    elif resource == "nodes":
        obj.setdefault("status", {})
    elif resource == DEFINITIONS:
        _refuse_taken_names(world, obj)
        obj["metadata"]["finalizers"] = sorted({*obj["metadata"].get("finalizers", ()), prepare.CLEANUP})


def give_address(world: World, kind: Kind, obj: Object) -> None:
    """A cluster address for a service that wants one."""
    spec = obj["spec"]
    if spec["type"] == "ExternalName":
        return
    taken = {cluster_ip(service) for service in _services(world, kind)}
    if not spec.get("clusterIP"):
        spec["clusterIP"] = world.addresses.allocate(taken)
    else:
        prepare.refuse(kind, obj, address_errors(spec["clusterIP"], taken))
    spec["clusterIPs"] = [spec["clusterIP"]]


def give_node_ports(world: World, kind: Kind, obj: Object) -> None:
    """A port on every node for each port of a service that is open to nodes."""
    mine = (obj["metadata"].get("namespace"), obj["metadata"]["name"])
    others = (one for one in _services(world, kind) if (one["metadata"].get("namespace"), one["metadata"]["name"]) != mine)
    prepare.refuse(kind, obj, node_ports.settle(obj["spec"], node_ports.taken_by(others)))


def _services(world: World, kind: Kind) -> Iterator[Object]:
    return (record.value for record in world.store.peek_all(kind.resource))


def _refuse_taken_names(world: World, definition: Object) -> None:
    """A definition may not hide a kind that is built in."""
    spec = definition["spec"]
    for kind in world.catalog:
        if kind.custom or kind.group != spec["group"]:
            continue
        if kind.plural == spec["names"]["plural"] or kind.kind == spec["names"]["kind"]:
            raise Conflict(f"spec.names: {kind.kind} of group {kind.group} is built in")
