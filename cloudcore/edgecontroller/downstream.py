"""Pods, ConfigMaps, Secrets, Services and DeviceRules down: what changed in the API becomes owed to those nodes that it concerns
(contract 4.1)."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator

from cloudcore.cluster import Clock, Informer
from cloudcore.edgecontroller import translate
from cloudcore.edgecontroller.interest import Interest, Place, Ref, Shift, node_of
from cloudcore.edgecontroller.rules import Rules
from cloudcore.edgecontroller.services import Services
from cloudcore.objects import epoch_ms, identity, uid_of, version_of
from cloudcore.ports import Downlink, Holding, JsonObject, Notice, Owed
from viaduct import profile
from viaduct.errors import MalformedResource
from viaduct.resource import parse_resource
from viaduct.vocabulary import SERVED, ResourceType

logger = logging.getLogger(__name__)


class Downstream:
    """Follows the informers; answers what a node should hold from their caches.

    A pod is owed at the version at which it last changed for its node, not at its newest: else every status that the node itself
    reports would count as something that it lacks.
    """

    def __init__(
        self,
        *,
        pods: Informer,
        configmaps: Informer,
        secrets: Informer,
        services: Informer,
        endpoints: Informer,
        rules: Informer,
        downlink: Downlink,
        now: Clock,
        noticed: Notice,
    ) -> None:
        self.interest = Interest()
        self._services = Services(services=services, endpoints=endpoints, offer=self._offer, now_ms=self._now_ms)
        self.rules = Rules(rules=rules, offer=self._offer, now_ms=self._now_ms)
        self._pods = pods
        self._caches: dict[str, Informer] = {ResourceType.CONFIGMAP: configmaps, ResourceType.SECRET: secrets}
        self._downlink = downlink
        self._now = now
        self._noticed = noticed
        self._pod_versions: dict[Place, str] = {}

    def follow(self) -> None:
        self._pods.follow(self._pod_event)
        self._services.follow()
        self.rules.follow()
        for kind, informer in self._caches.items():
            informer.follow(self._follower_of(kind))

    def holdings(self, node: str) -> Iterator[Holding]:
        """(key, uid, version) of everything that ``node`` should hold; cheap."""
        for kind, obj, version in self._objects_of(node):
            yield translate.wire_key(kind, obj), uid_of(obj), version

    def holding(self, node: str, key: str) -> Holding | None:
        """The one under ``key``; cheap."""
        found = self._object(node, key)
        return (key, uid_of(found[1]), found[2]) if found is not None else None

    def owed_one(self, node: str, key: str) -> Owed | None:
        """What is owed under ``key``, or None where ``node`` should not hold it."""
        found = self._object(node, key)
        if found is None:
            return None
        kind, obj, version = found
        return translate.holding(kind, obj, version=version, now_ms=self._now_ms())

    def removal(self, key: str, uid: str) -> Owed | None:
        """None where ``key`` is not of this controller's kinds; of a rule also while nobody knows which there are."""
        try:
            path = parse_resource(key)
        except MalformedResource:
            return None
        if not path.name or key.startswith("device/") or path.type == ResourceType.NODEUPGRADEJOB:
            return None
        if path.type == ResourceType.DEVICERULE and not self.rules.is_listed:
            return None
        return translate.removed_by_name(path, uid, now_ms=self._now_ms())

    def _objects_of(self, node: str) -> Iterator[tuple[str, JsonObject, str]]:
        """Configuration before the pods that wait for it. Who asks may rest in between: each is looked at when it is its turn."""
        for ref in sorted(self.interest.needs_of(node)):
            obj = self._configuration(ref) if self.interest.needs(node, ref) else None
            if obj is not None:
                yield ref.type, obj, version_of(obj)
        yield from self._services.objects_of(node)
        yield from self.rules.objects_of(node)
        for place in self.interest.pods_of(node):
            pod = self._pods.get(*place)
            if pod is not None and node_of(pod) == node:
                yield ResourceType.POD, pod, self._pod_versions.get(place, version_of(pod))

    def _object(self, node: str, key: str) -> tuple[str, JsonObject, str] | None:
        """(type, object, version as of which ``node`` has to know it), or None where it should not hold any."""
        try:
            path = parse_resource(key)
        except MalformedResource:
            return None
        if path.type == ResourceType.POD:
            pod = self._pods.get(path.namespace, path.name)
            if pod is None or node_of(pod) != node:
                return None
            return path.type, pod, self._pod_versions.get(identity(pod), version_of(pod))
        if path.type in SERVED:
            return self._services.object(node, path.type, path.namespace, path.name)
        if path.type == ResourceType.DEVICERULE:
            return self.rules.object(node, path.namespace, path.name)
        if path.type not in self._caches or not self.interest.needs(node, Ref(path.type, path.namespace, path.name)):
            return None
        obj = self._caches[path.type].get(path.namespace, path.name)
        return (path.type, obj, version_of(obj)) if obj is not None else None

    def _configuration(self, ref: Ref) -> JsonObject | None:
        cache = self._caches.get(ref.type)
        return cache.get(ref.namespace, ref.name) if cache is not None else None

    def _pod_event(self, old: JsonObject | None, new: JsonObject | None) -> None:
        if new is None:
            self._pod_gone(old or {})
            return
        if old is not None and not translate.pod_changed(old, new):
            return
        version = version_of(new)
        self._pod_versions[identity(new)] = version
        shifts = self.interest.place(new)
        self._bring(shifts)
        node = node_of(new)
        self._services.place(identity(new), node)
        if node and old is not None and node_of(old) == node:
            self._offer(node, translate.changed(ResourceType.POD, new, version=version, now_ms=self._now_ms()))
        elif node:
            self._offer(node, translate.holding(ResourceType.POD, new, version=version, now_ms=self._now_ms()))
        self._take_away(shifts)

    def _pod_gone(self, pod: JsonObject) -> None:
        self._pod_versions.pop(identity(pod), None)
        shift = self.interest.remove(pod)
        node = node_of(pod)
        if node:
            self._offer(node, translate.removed(ResourceType.POD, pod, now_ms=self._now_ms()))
        self._take_away([shift])
        self._services.place(identity(pod), "")

    def _bring(self, shifts: list[Shift]) -> None:
        for shift in shifts:
            for ref in sorted(shift.gained):
                obj = self._configuration(ref)
                if obj is not None:
                    self._offer(shift.node, translate.holding(ref.type, obj, version=version_of(obj), now_ms=self._now_ms()))

    def _take_away(self, shifts: list[Shift]) -> None:
        """A node keeps no Secret that none of its pods names any more (X2)."""
        for shift in shifts:
            for ref in sorted(shift.lost):
                obj = self._configuration(ref)
                if obj is not None:
                    self._offer(shift.node, translate.removed(ref.type, obj, now_ms=self._now_ms()))

    def _follower_of(self, kind: str) -> Callable[[JsonObject | None, JsonObject | None], None]:
        def configuration_event(old: JsonObject | None, new: JsonObject | None) -> None:
            obj = new if new is not None else old or {}
            ref = Ref(kind, *identity(obj))
            profiled = profile.node_of(ref.name) if kind == ResourceType.CONFIGMAP else ""
            if profiled and new is not None:
                self.interest.stand(profiled, ref)
            nodes = self.interest.nodes_of(ref)
            if profiled and new is None:
                self.interest.fall(profiled, ref)
            if not nodes:
                return
            if new is None:
                owed = translate.removed(kind, obj, now_ms=self._now_ms())
            elif old is None:
                owed = translate.holding(kind, new, version=version_of(new), now_ms=self._now_ms())
            else:
                owed = translate.changed(kind, new, version=version_of(new), now_ms=self._now_ms())
            for node in nodes:
                self._offer(node, owed)

        return configuration_event

    def _offer(self, node: str, owed: Owed) -> None:
        self._noticed(node, owed.key)
        if self._downlink.offer(node, owed):
            logger.debug("%s down to %s: %s version %s", owed.message.route.operation, node, owed.key, owed.version)

    def _now_ms(self) -> int:
        return epoch_ms(self._now())
