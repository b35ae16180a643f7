"""Gives claims their volumes, as a provisioner of node-local storage does: when the first pod that needs one has been placed, on its node.

What lies on a node is that node's: here only the record of it is kept. A claim that is in use is not let go, a volume outlives its claim
(``Retain``), and a claim that is made again under the same name gets the volume that its predecessor left, where its data still lies.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from cloudstub.controllers import claims, events
from cloudstub.controllers.claims import CLAIMS, CLASSES, PROVISIONER, SELECTED_NODE, VOLUMES, Places, holder_of
from cloudstub.controllers.objects import (
    Object,
    annotations_of,
    is_deleting,
    meta,
    name_of,
    namespace_of,
    spec_of,
    status_of,
    uid_of,
    with_meta,
    with_spec,
    with_status,
)
from cloudstub.controllers.ports import Snapshot
from cloudstub.controllers.writes import Create, Delete, Update, UpdateStatus, Write

READS = (*claims.READS, "pods", "nodes")
_CLAIM_GUARD, _VOLUME_GUARD = "kubernetes.io/pvc-protection", "kubernetes.io/pv-protection"
_PROVISIONED_BY = "pv.kubernetes.io/provisioned-by"
_COMPONENT = "persistentvolume-controller"


def decide(snapshot: Snapshot, now: datetime) -> list[Write]:
    if not snapshot.get(CLAIMS) and not snapshot.get(VOLUMES):
        return []
    look = _Look(snapshot, now)
    return [
        *(write for claim in snapshot.get(CLAIMS, ()) for write in look.claim(claim)),
        *(write for volume in snapshot.get(VOLUMES, ()) for write in look.volume(volume)),
    ]


class _Look:
    """At most one write for each object: what more there is to do, the next look does on what is stored then."""

    def __init__(self, snapshot: Snapshot, now: datetime) -> None:
        self._now = now
        self._places = Places(snapshot)
        self._classes = {name_of(one): one for one in snapshot.get(CLASSES, ())}
        self._nodes = {name_of(one): one for one in snapshot.get("nodes", ())}
        self._claims = {uid_of(one): one for one in snapshot.get(CLAIMS, ())}
        self._volumes = snapshot.get(VOLUMES, [])
        self._used = claims.users(snapshot.get("pods", []))
        self._waited_for = claims.waiting(snapshot.get("pods", []))

    def claim(self, claim: Object) -> Iterator[Write]:
        if is_deleting(claim):
            if _CLAIM_GUARD in _finalizers(claim) and (namespace_of(claim), name_of(claim)) not in self._used:
                yield Update(CLAIMS, _without_guard(claim, _CLAIM_GUARD))
            return
        volume = self._places.volume_of(claim)
        wanted = self._as_it_should_be(claim, volume)
        if wanted != claim:
            yield Update(CLAIMS, wanted)
            return
        status = self._status(claim, volume)
        if status != status_of(claim):
            yield UpdateStatus(CLAIMS, with_status(claim, status))
        elif volume is None and not spec_of(claim).get("volumeName"):
            yield from self._provide(claim)

    def volume(self, volume: Object) -> Iterator[Write]:
        namespace, name, uid = holder_of(volume)
        claim = self._claims.get(uid)
        if claim is None and (heir := self._heir(volume, namespace, name)) is not None:
            yield Update(VOLUMES, with_spec(volume, claimRef=_reference(heir)))
        elif is_deleting(volume):
            if _VOLUME_GUARD in _finalizers(volume) and claim is None:
                yield Update(VOLUMES, _without_guard(volume, _VOLUME_GUARD))
        elif _VOLUME_GUARD not in _finalizers(volume):
            yield Update(VOLUMES, with_meta(volume, finalizers=[*_finalizers(volume), _VOLUME_GUARD]))
        elif claim is None and name and spec_of(volume).get("persistentVolumeReclaimPolicy") == "Delete" and _is_ours(volume):
            yield Delete(VOLUMES, "", name_of(volume), uid_of(volume))
        else:
            phase = "Bound" if claim is not None else "Released" if name else "Available"
            if status_of(volume).get("phase") != phase:
                yield UpdateStatus(VOLUMES, with_status(volume, {**status_of(volume), "phase": phase}))

    def _as_it_should_be(self, claim: Object, volume: Object | None) -> Object:
        finalizers = _finalizers(claim)
        wanted = claim if _CLAIM_GUARD in finalizers else with_meta(claim, finalizers=[*finalizers, _CLAIM_GUARD])
        class_name = self._places.class_of(claim)
        if spec_of(claim).get("storageClassName") is None and class_name:
            wanted = with_spec(wanted, storageClassName=class_name)
        if volume is None or spec_of(claim).get("volumeName") or holder_of(volume)[2] != uid_of(claim):
            return wanted
        bound = {"pv.kubernetes.io/bind-completed": "yes", "pv.kubernetes.io/bound-by-controller": "yes"}
        bound["volume.kubernetes.io/storage-provisioner"] = PROVISIONER
        node = annotations_of(volume).get(SELECTED_NODE)
        told = {**annotations_of(claim), **bound, **({SELECTED_NODE: node} if node else {})}
        return with_spec(with_meta(wanted, annotations=told), volumeName=name_of(volume))

    def _status(self, claim: Object, volume: Object | None) -> dict[str, Any]:
        status = status_of(claim)
        if not spec_of(claim).get("volumeName"):
            return {**status, "phase": "Pending"}
        if volume is None:
            return {**status, "phase": "Lost"} if status.get("phase") == "Bound" else status
        if holder_of(volume)[2] != uid_of(claim):
            return status
        held = spec_of(volume)
        return {"phase": "Bound", "accessModes": held.get("accessModes") or [], "capacity": held.get("capacity") or {}}

    def _provide(self, claim: Object) -> Iterator[Write]:
        node = self._places.node_of(claim)
        class_name = self._places.class_of(claim)
        if class_name not in self._classes:
            if class_name:
                yield self._say(claim, "ProvisioningFailed", f'storageclass.storage.k8s.io "{class_name}" not found', is_warning=True)
        elif not self._places.is_ours(claim):
            foreign = self._classes[class_name].get("provisioner")
            yield self._say(claim, "ExternalProvisioning", f"waiting for a volume to be created by the external provisioner '{foreign}'")
        elif node:
            if self._left_by_predecessor(claim) is None:
                yield Create(VOLUMES, "", self._made_for(claim, node, self._classes[class_name]))
                yield self._say(claim, "ProvisioningSucceeded", f"Successfully provisioned volume {_volume_name(claim)} on {node}")
        elif (namespace_of(claim), name_of(claim)) not in self._waited_for:
            yield self._say(claim, "WaitForFirstConsumer", "waiting for first consumer to be created before binding")

    def _left_by_predecessor(self, claim: Object) -> Object | None:
        mine = (namespace_of(claim), name_of(claim))
        return next((one for one in self._volumes if holder_of(one)[:2] == mine and self._is_free(one)), None)

    def _is_free(self, volume: Object) -> bool:
        return holder_of(volume)[2] not in self._claims and not is_deleting(volume) and _is_ours(volume)

    def _heir(self, volume: Object, namespace: str, name: str) -> Object | None:
        """The claim that has the name of the one which a released volume was kept for, and has no volume yet."""
        if not name or not self._is_free(volume):
            return None
        for claim in self._claims.values():
            if (namespace_of(claim), name_of(claim)) == (namespace, name) and not is_deleting(claim):
                return claim if self._places.volume_of(claim) is None and self._places.is_ours(claim) else None
        return None

    def _made_for(self, claim: Object, node: str, storage_class: Object) -> Object:
        requests = (spec_of(claim).get("resources") or {}).get("requests") or {}
        return {
            "apiVersion": "v1",
            "kind": "PersistentVolume",
            "metadata": {
                "name": _volume_name(claim),
                "annotations": {_PROVISIONED_BY: PROVISIONER, SELECTED_NODE: node},
                "finalizers": [_VOLUME_GUARD],
            },
            "spec": {
                "capacity": {"storage": requests.get("storage", "0")},
                "accessModes": spec_of(claim).get("accessModes") or [],
                "volumeMode": spec_of(claim).get("volumeMode", "Filesystem"),
                "persistentVolumeReclaimPolicy": storage_class.get("reclaimPolicy", "Retain"),
                "storageClassName": name_of(storage_class),
                "claimRef": _reference(claim),
                "csi": {"driver": PROVISIONER, "volumeHandle": f"{namespace_of(claim)}_{name_of(claim)}"},
                "nodeAffinity": claims.affinity(self._nodes.get(node), node),
            },
        }

    def _say(self, claim: Object, reason: str, message: str, *, is_warning: bool = False) -> Create:
        return events.about(
            claim,
            kind="PersistentVolumeClaim",
            api_version="v1",
            reason=reason,
            message=message,
            component=_COMPONENT,
            now=self._now,
            is_warning=is_warning,
        )


def _volume_name(claim: Object) -> str:
    return f"pvc-{uid_of(claim)}"


def _reference(claim: Object) -> dict[str, Any]:
    named = {"namespace": namespace_of(claim), "name": name_of(claim), "uid": uid_of(claim)}
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", **named}


def _is_ours(volume: Object) -> bool:
    return annotations_of(volume).get(_PROVISIONED_BY) == PROVISIONER


def _finalizers(obj: Object) -> list[str]:
    return list(meta(obj).get("finalizers") or ())


def _without_guard(obj: Object, guard: str) -> Object:
    return with_meta(obj, finalizers=[one for one in _finalizers(obj) if one != guard] or None)
