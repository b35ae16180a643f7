"""What state a pod is in, as controllers see it, and how a pod is made from a template."""

from __future__ import annotations

import copy
from datetime import datetime, timedelta
from typing import Any

from cloudstub.controllers import conditions
from cloudstub.controllers.objects import (
    Object,
    annotations_of,
    is_deleting,
    labels_of,
    meta,
    name_of,
    namespace_of,
    safe_hash,
    spec_of,
    status_of,
    time_of,
    uid_of,
)


def node_of(pod: Object) -> str:
    return str(spec_of(pod).get("nodeName") or "")


def phase_of(pod: Object) -> str:
    return str(status_of(pod).get("phase") or "Pending")


def is_finished(pod: Object) -> bool:
    return phase_of(pod) in ("Succeeded", "Failed")


def is_active(pod: Object) -> bool:
    """Counts as a replica: neither finished nor on its way out."""
    return not is_finished(pod) and not is_deleting(pod)


def is_ready(pod: Object) -> bool:
    return conditions.is_true(status_of(pod), "Ready")


def ready_since(pod: Object) -> datetime | None:
    found = conditions.find(status_of(pod), "Ready")
    if found is None or found.get("status") != "True":
        return None
    return time_of(found.get("lastTransitionTime"))


def available_at(pod: Object, min_ready_seconds: int) -> datetime | None:
    """When ``pod`` counts as available, if it stays ready; None while it is not ready."""
    since = ready_since(pod)
    return None if since is None else since + timedelta(seconds=min_ready_seconds)


def is_available(pod: Object, min_ready_seconds: int, now: datetime) -> bool:
    if not is_ready(pod):
        return False
    moment = available_at(pod, min_ready_seconds)
    return min_ready_seconds == 0 or (moment is not None and moment <= now)


def restarts_of(pod: Object) -> int:
    return sum(int(one.get("restartCount") or 0) for one in status_of(pod).get("containerStatuses") or ())


def from_template(
    owner: Object, template: dict[str, Any], *, reference: dict[str, Any], name: str, labels: dict[str, str] | None = None
) -> Object:
    """A pod of ``owner`` as its template says, with ``labels`` besides the template's own."""
    metadata: dict[str, Any] = {
        "name": name,
        "generateName": name_prefix(owner),
        "namespace": namespace_of(owner),
        "labels": {**labels_of(template), **(labels or {})},
        "ownerReferences": [reference],
    }
    if annotations_of(template):
        metadata["annotations"] = dict(annotations_of(template))
    if meta(template).get("finalizers"):
        metadata["finalizers"] = list(meta(template)["finalizers"])
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": copy.deepcopy(spec_of(template))}


def name_prefix(owner: Object) -> str:
    # A pod's name is at most 253 characters, and its host name the first 63 of them.
    return name_of(owner)[:247] + "-"


def fresh_names(owner: Object, count: int, now: datetime) -> list[str]:
    """Names for pods of ``owner`` that nobody had before, as ``generateName`` would find them."""
    seed = [uid_of(owner), meta(owner).get("resourceVersion"), now.isoformat()]
    return [name_prefix(owner) + safe_hash([*seed, index], 5) for index in range(count)]
