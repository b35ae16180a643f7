"""Claims and the volumes that hold to them: which node a claim is tied to, and whether a pod that needs it may go somewhere. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from cloudstub.controllers import pods
from cloudstub.controllers.objects import Object, annotations_of, is_deleting, labels_of, name_of, namespace_of, spec_of, uid_of
from cloudstub.controllers.ports import Snapshot
from cloudstub.kinds import label_selector

PROVISIONER = "bramble.io/node-local"
"""Of storage classes whose volumes lie on the node that the first pod goes to, and stay there."""

CLASSES, CLAIMS, VOLUMES = "storageclasses.storage.k8s.io", "persistentvolumeclaims", "persistentvolumes"
READS = (CLASSES, CLAIMS, VOLUMES)
SELECTED_NODE = "volume.kubernetes.io/selected-node"
HOSTNAME = "kubernetes.io/hostname"
_DEFAULT = "storageclass.kubernetes.io/is-default-class"
_CONFLICT = "node(s) had volume node affinity conflict"
Key = tuple[str, str]
"""(namespace, name) of a claim."""


def claims_of(pod: Object) -> list[str]:
    """Names of the claims that ``pod`` needs."""
    sources = ((volume.get("persistentVolumeClaim") or {}) for volume in spec_of(pod).get("volumes") or ())
    return [str(source["claimName"]) for source in sources if source.get("claimName")]


def holder_of(volume: Object) -> tuple[str, str, str]:
    """(namespace, name, uid) of the claim that a volume is kept for; empty where it is free."""
    reference = spec_of(volume).get("claimRef") or {}
    return str(reference.get("namespace", "")), str(reference.get("name", "")), str(reference.get("uid", ""))


def default_class(classes: list[Object]) -> str:
    """The name of the class for claims that name none; empty where no class is the default."""
    return next((name_of(one) for one in sorted(classes, key=name_of) if annotations_of(one).get(_DEFAULT) == "true"), "")


class Places:
    """Where claims are, as the snapshot says; ``hold`` adds what is decided in this look."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._claims: dict[Key, Object] = {(namespace_of(one), name_of(one)): one for one in snapshot.get(CLAIMS, ())}
        self._by_holder = {holder_of(one)[2]: one for one in snapshot.get(VOLUMES, ()) if holder_of(one)[2]}
        self._ours = {name_of(one) for one in snapshot.get(CLASSES, ()) if one.get("provisioner") == PROVISIONER}
        self._default = default_class(snapshot.get(CLASSES, []))
        self._used = {key: pods.node_of(pod) for pod in snapshot.get("pods", ()) for key in _keys(pod) if _is_placed(pod)}

    def class_of(self, claim: Object) -> str:
        name = spec_of(claim).get("storageClassName")
        return self._default if name is None else str(name)

    def is_ours(self, claim: Object) -> bool:
        return self.class_of(claim) in self._ours

    def volume_of(self, claim: Object) -> Object | None:
        """The volume that is kept for ``claim``, bound to it already or not."""
        return self._by_holder.get(uid_of(claim))

    def node_of(self, claim: Object) -> str:
        """The node on which an unbound claim's volume is to lie; empty while no pod has been placed."""
        chosen = annotations_of(claim).get(SELECTED_NODE) or self._used.get((namespace_of(claim), name_of(claim)))
        return str(chosen or "")

    def problem(self, pod: Object) -> str:
        """Why ``pod`` can go nowhere, in Kubernetes' words; empty where it can."""
        for key in _keys(pod):
            claim = self._claims.get(key)
            if claim is None:
                return f'persistentvolumeclaim "{key[1]}" not found'
            if is_deleting(claim):
                return f'persistentvolumeclaim "{key[1]}" is being deleted'
            if self.volume_of(claim) is None and not self.is_ours(claim):
                return "pod has unbound immediate PersistentVolumeClaims"
        return ""

    def refusal(self, pod: Object, node: Object) -> str | None:
        """Why ``node`` is not for ``pod``: what it needs lies elsewhere. None where it is."""
        for key in _keys(pod):
            claim = self._claims[key]
            volume = self.volume_of(claim)
            if volume is None:
                tied = self.node_of(claim)
                if tied and tied != name_of(node):
                    return _CONFLICT
            elif not _reaches(volume, node):
                return _CONFLICT
        return None

    def hold(self, pod: Object, node: str) -> None:
        """``pod`` goes to ``node``, and its claims with it."""
        for key in _keys(pod):
            self._used.setdefault(key, node)


def affinity(node: Object | None, name: str) -> dict[str, Any]:
    """That a volume can be used on one node only."""
    value = labels_of(node).get(HOSTNAME, name) if node is not None else name
    return {"required": {"nodeSelectorTerms": [{"matchExpressions": [{"key": HOSTNAME, "operator": "In", "values": [value]}]}]}}


def _reaches(volume: Object, node: Object) -> bool:
    required = (spec_of(volume).get("nodeAffinity") or {}).get("required")
    if not required:
        return True
    labels = {HOSTNAME: name_of(node), **labels_of(node)}
    terms = required.get("nodeSelectorTerms") or ()
    return any(all(label_selector.holds(one, labels) for one in term.get("matchExpressions") or ()) for term in terms)


def _keys(pod: Object) -> Iterator[Key]:
    return ((namespace_of(pod), name) for name in claims_of(pod))


def _is_placed(pod: Object) -> bool:
    return bool(pods.node_of(pod)) and not pods.is_finished(pod)


def users(all_pods: list[Object]) -> set[Key]:
    """Claims that a pod on a node may be writing to now."""
    return {key for pod in all_pods if _is_placed(pod) for key in _keys(pod)}


def waiting(all_pods: list[Object]) -> set[Key]:
    """Claims that any pod which has not ended names."""
    return {key for pod in all_pods if not pods.is_finished(pod) for key in _keys(pod)}
