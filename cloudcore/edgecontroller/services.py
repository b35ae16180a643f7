"""Which Services and Endpoints a node gets (P5.10): those of the namespaces in which it has pods.

Of a Service that selects pods the node sees the backends itself, readiness included, and goes on seeing them without the cloud. So only the
Endpoints of Services without a selector go down, which somebody wrote by hand.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator

from cloudcore.cluster import Informer
from cloudcore.edgecontroller import translate
from cloudcore.edgecontroller.interest import Place
from cloudcore.objects import identity, version_of
from cloudcore.ports import JsonObject, Owed
from viaduct.vocabulary import ResourceType

Offer = Callable[[str, Owed], None]


class Services:
    """Follows both informers. ``offer(node, owed)``: owe it; ``now_ms``: for the headers."""

    def __init__(self, *, services: Informer, endpoints: Informer, offer: Offer, now_ms: Callable[[], int]) -> None:
        self._services = services
        self._endpoints = endpoints
        self._offer = offer
        self._now_ms = now_ms
        self._pods: dict[Place, str] = {}
        self._nodes: defaultdict[str, Counter[str]] = defaultdict(Counter)

    def follow(self) -> None:
        self._services.follow(self._service_event)
        self._endpoints.follow(self._endpoints_event)

    def place(self, pod: Place, node: str) -> None:
        """The pod is bound to ``node`` now; empty: to none, or it is gone."""
        before = self._pods.pop(pod, "")
        if node:
            self._pods[pod] = node
        if before == node:
            return
        if node:
            self._enter(node, pod[0])
        if before:
            self._leave(before, pod[0])

    def objects_of(self, node: str) -> Iterator[tuple[str, JsonObject, str]]:
        """(type, object, version) of all that ``node`` should hold."""
        namespaces = [namespace for namespace, nodes in self._nodes.items() if node in nodes]
        for namespace in sorted(namespaces):
            yield from self._objects_in(namespace)

    def object(self, node: str, kind: str, namespace: str, name: str) -> tuple[str, JsonObject, str] | None:
        if node not in self._nodes.get(namespace, ()):
            return None
        found = self._services.get(namespace, name)
        if kind == ResourceType.ENDPOINTS:
            found = self._endpoints.get(namespace, name) if _is_written_by_hand(found) else None
        return (kind, found, version_of(found)) if found is not None else None

    def _objects_in(self, namespace: str) -> Iterator[tuple[str, JsonObject, str]]:
        for service in list(self._services.values()):
            if identity(service)[0] != namespace:
                continue
            yield ResourceType.SERVICE, service, version_of(service)
            endpoints = self._endpoints.get(*identity(service)) if _is_written_by_hand(service) else None
            if endpoints is not None:
                yield ResourceType.ENDPOINTS, endpoints, version_of(endpoints)

    def _enter(self, node: str, namespace: str) -> None:
        self._nodes[namespace][node] += 1
        if self._nodes[namespace][node] == 1:
            for kind, obj, version in self._objects_in(namespace):
                self._offer(node, translate.holding(kind, obj, version=version, now_ms=self._now_ms()))

    def _leave(self, node: str, namespace: str) -> None:
        self._nodes[namespace][node] -= 1
        if self._nodes[namespace][node] > 0:
            return
        del self._nodes[namespace][node]
        if not self._nodes[namespace]:
            del self._nodes[namespace]
        for kind, obj, _ in self._objects_in(namespace):
            self._offer(node, translate.removed(kind, obj, now_ms=self._now_ms()))

    def _service_event(self, old: JsonObject | None, new: JsonObject | None) -> None:
        self._say(ResourceType.SERVICE, old, new)
        endpoints = self._endpoints.get(*identity(new if new is not None else old or {}))
        if endpoints is None or _is_written_by_hand(old) == _is_written_by_hand(new):
            return
        if _is_written_by_hand(new):
            self._say(ResourceType.ENDPOINTS, None, endpoints)
        else:
            self._say(ResourceType.ENDPOINTS, endpoints, None)

    def _endpoints_event(self, old: JsonObject | None, new: JsonObject | None) -> None:
        if _is_written_by_hand(self._services.get(*identity(new if new is not None else old or {}))):
            self._say(ResourceType.ENDPOINTS, old, new)

    def _say(self, kind: str, old: JsonObject | None, new: JsonObject | None) -> None:
        nodes = self._nodes.get(identity(new if new is not None else old or {})[0])
        if not nodes:
            return
        if new is None:
            owed = translate.removed(kind, old or {}, now_ms=self._now_ms())
        elif old is None:
            owed = translate.holding(kind, new, version=version_of(new), now_ms=self._now_ms())
        else:
            owed = translate.changed(kind, new, version=version_of(new), now_ms=self._now_ms())
        for node in list(nodes):
            self._offer(node, owed)


def _is_written_by_hand(service: JsonObject | None) -> bool:
    """Whether its Endpoints are: no selector says which pods stand behind it, and no other name does."""
    spec = (service or {}).get("spec") or {}
    return service is not None and not spec.get("selector") and spec.get("type") != "ExternalName"
