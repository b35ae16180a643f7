"""Which DeviceRules a node gets (P8.3): those that name it.

A rule is owed at the version at which what it says changed last: the status that its own nodes report does not go down again.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator

from cloudcore.cluster import Informer
from cloudcore.edgecontroller import translate
from cloudcore.edgecontroller.interest import Place
from cloudcore.objects import identity, version_of
from cloudcore.ports import JsonObject, Owed
from viaduct.rules.rule import nodes_of
from viaduct.vocabulary import ResourceType

Offer = Callable[[str, Owed], None]
_KIND = ResourceType.DEVICERULE


class Rules:
    """Follows the informer. ``offer(node, owed)``: owe it; ``now_ms``: for the headers."""

    def __init__(self, *, rules: Informer, offer: Offer, now_ms: Callable[[], int]) -> None:
        self._rules = rules
        self._offer = offer
        self._now_ms = now_ms
        self._versions: dict[Place, str] = {}
        self._places: defaultdict[str, dict[Place, None]] = defaultdict(dict)

    @property
    def is_listed(self) -> bool:
        return self._rules.synced.is_set()

    def follow(self) -> None:
        self._rules.follow(self._event)

    def objects_of(self, node: str) -> Iterator[tuple[str, JsonObject, str]]:
        """(type, object, version) of all that ``node`` should hold."""
        for place in list(self._places.get(node, ())):
            found = self.object(node, *place)
            if found is not None:
                yield found

    def object(self, node: str, namespace: str, name: str) -> tuple[str, JsonObject, str] | None:
        rule = self.rule(namespace, name)
        if rule is None or node not in nodes_of(rule):
            return None
        return _KIND, _told(rule), self._versions.get((namespace, name), version_of(rule))

    def rule(self, namespace: str, name: str) -> JsonObject | None:
        return self._rules.get(namespace, name)

    def _event(self, old: JsonObject | None, new: JsonObject | None) -> None:
        place = identity(new if new is not None else old or {})
        before, after = set(nodes_of(old)), set(nodes_of(new))
        is_changed = old is None or new is None or old.get("spec") != new.get("spec")
        if not is_changed:
            return
        if new is None:
            self._versions.pop(place, None)
        else:
            self._versions[place] = version_of(new)
        for node in sorted(before - after):
            self._places[node].pop(place, None)
            self._offer(node, translate.removed(_KIND, _told(old or {}), now_ms=self._now_ms()))
        for node in sorted(after) if new is not None else ():
            self._places[node][place] = None
            say = translate.changed if node in before else translate.holding
            self._offer(node, say(_KIND, _told(new or {}), version=version_of(new or {}), now_ms=self._now_ms()))


def _told(rule: JsonObject) -> JsonObject:
    return {key: value for key, value in rule.items() if key != "status"}
