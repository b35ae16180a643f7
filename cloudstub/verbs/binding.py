"""A pod gets its node, once."""

from __future__ import annotations

from typing import Any

from cloudstub.errors import BadRequest, Conflict
from cloudstub.verbs.storing import store_object
from cloudstub.verbs.update import existing
from cloudstub.verbs.world import PLAIN, Target, World, WriteOptions, details


def bind(world: World, target: Target, sent: Any, options: WriteOptions = PLAIN) -> None:
    """Stage the assignment of a pod to the node that a Binding names.

    Raises:
        BadRequest: the body names no node.
        Conflict: the pod has a node, is going away, or is another pod of that name.
    """
    node = sent.get("target", {}).get("name") if isinstance(sent, dict) and isinstance(sent.get("target"), dict) else None
    if not isinstance(node, str) or not node:
        raise BadRequest("target.name: a Binding must name a node")
    metadata = sent.get("metadata") if isinstance(sent.get("metadata"), dict) else {}
    record = existing(world, target)
    obj = record.fresh()
    if metadata.get("uid") and metadata["uid"] != record.uid:
        raise _conflict(target, f"UID in precondition: {metadata['uid']}, UID in object meta: {record.uid}")
    if obj["spec"].get("nodeName"):
        raise _conflict(target, f'pod {target.name} is already assigned to node "{obj["spec"]["nodeName"]}"')
    if obj["metadata"].get("deletionTimestamp"):
        raise _conflict(target, f"pod {target.name} is being deleted, cannot be assigned to a host")
    obj["spec"]["nodeName"] = node
    status = obj.setdefault("status", {})
    others = [c for c in status.get("conditions") or () if c.get("type") != "PodScheduled"]
    scheduled = {"type": "PodScheduled", "status": "True", "lastProbeTime": None, "lastTransitionTime": world.now()}
    status["conditions"] = [*others, scheduled]
    store_object(world, target.key, obj, dry_run=options.dry_run)


def _conflict(target: Target, why: str) -> Conflict:
    return Conflict(f'Operation cannot be fulfilled on pods/binding "{target.name}": {why}', details=details(target))
