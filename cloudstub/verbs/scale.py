"""The scale subresource: the number of replicas and nothing else, as autoscaling/v1."""

from __future__ import annotations

from typing import Any

from cloudstub.errors import BadRequest
from cloudstub.kinds.cells import NONE, selector_text
from cloudstub.kinds.faults import invalid
from cloudstub.store.records import Object, encode
from cloudstub.verbs import prepare
from cloudstub.verbs.update import existing, update
from cloudstub.verbs.world import PLAIN, Target, World, WriteOptions, Written

API_VERSION = "autoscaling/v1"


def read(world: World, target: Target) -> Object:
    """The Scale of a workload."""
    return _scale_of(existing(world, target).value)


def write(world: World, target: Target, sent: Any, options: WriteOptions = PLAIN) -> Written:
    """Stage another number of replicas; answers with the new Scale."""
    if not isinstance(sent, dict) or not isinstance(sent.get("spec") or {}, dict) or not isinstance(sent.get("metadata") or {}, dict):
        raise BadRequest("the body must be a Scale of autoscaling/v1 with spec.replicas")
    obj = existing(world, target).fresh()
    replicas = (sent.get("spec") or {}).get("replicas", 0)
    if isinstance(replicas, bool) or not isinstance(replicas, int) or replicas < 0:
        prepare.refuse(target.kind, obj, [invalid("spec.replicas", replicas, "must be an integer of 0 or more")])
    obj["spec"]["replicas"] = replicas
    obj["metadata"]["resourceVersion"] = (sent.get("metadata") or {}).get("resourceVersion")
    update(world, target, obj, options)
    return Written(encode(read(world, target)))


def _scale_of(obj: Object) -> Object:
    metadata = obj["metadata"]
    kept = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
    selector = selector_text((obj.get("spec") or {}).get("selector"))
    return {
        "apiVersion": API_VERSION,
        "kind": "Scale",
        "metadata": {field: metadata[field] for field in kept if field in metadata},
        "spec": {"replicas": (obj.get("spec") or {}).get("replicas", 0)},
        "status": {
            "replicas": (obj.get("status") or {}).get("replicas", 0),
            "selector": "" if selector == NONE else selector,
        },
    }
