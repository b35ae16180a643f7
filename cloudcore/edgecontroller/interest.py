"""Which node needs which ConfigMap, Secret and claim: what its pods name (contract 4.1; bug C21 left out). Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from cloudcore.objects import identity
from cloudcore.ports import JsonObject
from viaduct.vocabulary import ResourceType

Place = tuple[str, str]
"""(namespace, name) of a pod."""


class Ref(NamedTuple):
    """``type`` is the wire's word: configmap, secret, persistentvolumeclaim."""

    type: str
    namespace: str
    name: str


@dataclass(frozen=True, slots=True)
class Shift:
    """What a node needs now and did not before, and the other way round."""

    node: str = ""
    gained: frozenset[Ref] = frozenset()
    lost: frozenset[Ref] = frozenset()


class Interest:
    """The index over all pods that are bound to a node."""

    def __init__(self) -> None:
        self._pods: dict[Place, tuple[str, frozenset[Ref]]] = {}
        self._places: defaultdict[str, dict[Place, None]] = defaultdict(dict)
        self._needs: defaultdict[str, Counter[Ref]] = defaultdict(Counter)
        self._nodes: defaultdict[Ref, set[str]] = defaultdict(set)
        self._standing: set[Ref] = set()

    def place(self, pod: JsonObject) -> list[Shift]:
        """Take the pod as it is now: one shift, or two where it moved to another node."""
        place, node = identity(pod), node_of(pod)
        before = self._pods.get(place, ("", frozenset[Ref]()))
        after = (node, references(pod) if node else frozenset[Ref]())
        if before == after:
            return []
        if after[0]:
            self._pods[place] = after
            self._places[node][place] = None
        else:
            self._pods.pop(place, None)
        if before[0] == after[0]:
            return [self._shift(node, after[1] - before[1], before[1] - after[1])]
        if before[0]:
            self._leave(before[0], place)
        shifts = [self._shift(before[0], frozenset(), before[1]), self._shift(node, after[1], frozenset())]
        return [shift for shift in shifts if shift.node]

    def remove(self, pod: JsonObject) -> Shift:
        node, references_before = self._pods.pop(identity(pod), ("", frozenset[Ref]()))
        if node:
            self._leave(node, identity(pod))
        return self._shift(node, frozenset(), references_before)

    def stand(self, node: str, ref: Ref) -> Shift:
        """``node`` needs ``ref`` as long as it exists, whatever its pods name: the profile of its mappers."""
        if ref in self._standing:
            return Shift()
        self._standing.add(ref)
        return self._shift(node, frozenset((ref,)), frozenset())

    def fall(self, node: str, ref: Ref) -> Shift:
        """``ref`` is gone."""
        if ref not in self._standing:
            return Shift()
        self._standing.remove(ref)
        return self._shift(node, frozenset(), frozenset((ref,)))

    def pods_of(self, node: str) -> list[Place]:
        return list(self._places.get(node, ()))

    def needs_of(self, node: str) -> frozenset[Ref]:
        return frozenset(self._needs.get(node, ()))

    def nodes_of(self, ref: Ref) -> frozenset[str]:
        return frozenset(self._nodes.get(ref, ()))

    def needs(self, node: str, ref: Ref) -> bool:
        return node in self._nodes.get(ref, ())

    def _leave(self, node: str, place: Place) -> None:
        self._places[node].pop(place, None)
        if not self._places[node]:
            del self._places[node]

    def _shift(self, node: str, gained: frozenset[Ref], lost: frozenset[Ref]) -> Shift:
        if not node:
            return Shift()
        counts = self._needs[node]
        fresh = frozenset(ref for ref in gained if not counts[ref])
        counts.update(gained)
        counts.subtract(lost)
        gone = frozenset(ref for ref in lost if counts[ref] <= 0)
        for ref in gone:
            del counts[ref]
            self._nodes[ref].discard(node)
            if not self._nodes[ref]:
                del self._nodes[ref]
        for ref in fresh:
            self._nodes[ref].add(node)
        if not counts:
            del self._needs[node]
        return Shift(node, fresh, gone)


def node_of(pod: JsonObject) -> str:
    return str((pod.get("spec") or {}).get("nodeName") or "")


def references(pod: JsonObject) -> frozenset[Ref]:
    """Everything of its namespace that the pod names: volumes, projected sources, env, envFrom (of init and ephemeral containers too),
    pull secrets, claims."""
    namespace = identity(pod)[0]
    return frozenset(Ref(kind, namespace, name) for kind, name in _named(pod.get("spec") or {}) if name)


def _named(spec: JsonObject) -> Iterator[tuple[str, str]]:
    for pull_secret in _list(spec, "imagePullSecrets"):
        yield ResourceType.SECRET, _text(pull_secret, "name")
    for volume in _list(spec, "volumes"):
        yield from _of_volume(volume)
    for field in ("initContainers", "containers", "ephemeralContainers"):
        for container in _list(spec, field):
            yield from _of_container(container)


def _of_volume(volume: JsonObject) -> Iterator[tuple[str, str]]:
    yield ResourceType.CONFIGMAP, _text(_part(volume, "configMap"), "name")
    yield ResourceType.SECRET, _text(_part(volume, "secret"), "secretName")
    yield ResourceType.PERSISTENTVOLUMECLAIM, _text(_part(volume, "persistentVolumeClaim"), "claimName")
    for source in _list(_part(volume, "projected"), "sources"):
        yield ResourceType.CONFIGMAP, _text(_part(source, "configMap"), "name")
        yield ResourceType.SECRET, _text(_part(source, "secret"), "name")


def _of_container(container: JsonObject) -> Iterator[tuple[str, str]]:
    for source in _list(container, "envFrom"):
        yield ResourceType.CONFIGMAP, _text(_part(source, "configMapRef"), "name")
        yield ResourceType.SECRET, _text(_part(source, "secretRef"), "name")
    for variable in _list(container, "env"):
        source = _part(variable, "valueFrom")
        yield ResourceType.CONFIGMAP, _text(_part(source, "configMapKeyRef"), "name")
        yield ResourceType.SECRET, _text(_part(source, "secretKeyRef"), "name")


def _part(value: JsonObject, key: str) -> JsonObject:
    part = value.get(key)
    return part if isinstance(part, dict) else {}


def _list(value: JsonObject, key: str) -> list[JsonObject]:
    part: Any = value.get(key)
    return [item for item in part if isinstance(item, dict)] if isinstance(part, list) else []


def _text(value: JsonObject, key: str) -> str:
    text = value.get(key)
    return text if isinstance(text, str) else ""
