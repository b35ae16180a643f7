"""Which ReplicaSet is which revision of a deployment: the hash of the template, the revision number, the history."""

from __future__ import annotations

import copy
from typing import Any

from cloudstub.controllers.objects import (
    Object,
    annotations_of,
    created_at,
    labels_of,
    meta,
    name_of,
    namespace_of,
    owner_reference,
    safe_hash,
    spec_of,
    with_meta,
)

HASH = "pod-template-hash"
REVISION = "deployment.kubernetes.io/revision"
HISTORY = "deployment.kubernetes.io/revision-history"
DESIRED = "deployment.kubernetes.io/desired-replicas"
MAXIMUM = "deployment.kubernetes.io/max-replicas"
_OWN = frozenset({REVISION, HISTORY, DESIRED, MAXIMUM, "kubectl.kubernetes.io/last-applied-configuration"})


def template_hash(deployment: Object) -> str:
    return safe_hash(spec_of(deployment).get("template") or {})


def newest_of(deployment: Object, replicasets: list[Object]) -> Object | None:
    """The set that carries the deployment's template now; the oldest, should there be two."""
    template = spec_of(deployment).get("template") or {}
    hashed = template_hash(deployment)
    same = [one for one in replicasets if labels_of(one).get(HASH) == hashed or _plain_template(one) == template]
    return min(same, key=created_at, default=None)


def revision_of(obj: Object) -> int:
    text = annotations_of(obj).get(REVISION, "0")
    return int(text) if text.isascii() and text.isdigit() else 0


def next_revision(newest: Object | None, replicasets: list[Object]) -> int:
    """The number that the newest set has or gets: above all others."""
    others = [revision_of(one) for one in replicasets if one is not newest]
    highest = max(others, default=0)
    own = revision_of(newest) if newest is not None else 0
    return own if own > highest else highest + 1


def annotated(replicaset: Object, deployment: Object, *, revision: int, replicas: int, maximum: int, is_newest: bool) -> Object:
    """``replicaset`` with the annotations that it should carry; the same one where nothing differs."""
    before = annotations_of(replicaset)
    after = {**before, DESIRED: str(replicas), MAXIMUM: str(maximum)}
    if is_newest:
        after |= {key: value for key, value in annotations_of(deployment).items() if key not in _OWN}
        after[REVISION] = str(revision)
        gone = revision_of(replicaset)
        if gone and gone != revision:
            after[HISTORY] = ",".join([*filter(None, [before.get(HISTORY)]), str(gone)])
    return replicaset if after == before else with_meta(replicaset, annotations=after)


def first_set(deployment: Object, *, replicas: int) -> Object:
    """A ReplicaSet for the deployment's template."""
    hashed = template_hash(deployment)
    template = copy.deepcopy(spec_of(deployment).get("template") or {})
    selector = spec_of(deployment).get("selector") or {}
    spec: dict[str, Any] = {
        "replicas": replicas,
        "selector": {**selector, "matchLabels": {**(selector.get("matchLabels") or {}), HASH: hashed}},
        "template": {**template, "metadata": {**meta(template), "labels": {**labels_of(template), HASH: hashed}}},
    }
    if spec_of(deployment).get("minReadySeconds"):
        spec["minReadySeconds"] = spec_of(deployment)["minReadySeconds"]
    return {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {
            "name": f"{name_of(deployment)[:242]}-{hashed}",
            "namespace": namespace_of(deployment),
            "labels": {**labels_of(template), HASH: hashed},
            "ownerReferences": [owner_reference(deployment, "apps/v1", "Deployment")],
        },
        "spec": spec,
    }


def surplus(old: list[Object], limit: int) -> list[Object]:
    """Old sets that history need not keep: empty ones beyond ``limit``, the oldest revisions first."""
    empty = [one for one in old if not spec_of(one).get("replicas") and not (one.get("status") or {}).get("replicas")]
    excess = len(empty) - limit
    return sorted(empty, key=revision_of)[: max(0, excess)]


def _plain_template(replicaset: Object) -> dict[str, Any]:
    template = spec_of(replicaset).get("template") or {}
    labels = {key: value for key, value in labels_of(template).items() if key != HASH}
    return {**template, "metadata": {**meta(template), "labels": labels}}
