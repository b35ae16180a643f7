"""Which device of which namespace is served by which node. On the wire a device is its name alone, so a node serves one of a name. Pure."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

Place = tuple[str, str]
"""(namespace, name) of a Device: two namespaces may use one name (bug C23)."""


@dataclass(frozen=True, slots=True)
class Handover:
    """``node`` served ``before`` under a name and serves ``after`` now; None: nobody."""

    node: str
    before: Place | None
    after: Place | None


class Bindings:
    """Of several devices of one name on one node the oldest is served, in doubt that of the namespace that sorts first."""

    def __init__(self) -> None:
        self._nodes: dict[Place, str] = {}
        self._candidates: defaultdict[tuple[str, str], dict[Place, str]] = defaultdict(dict)
        self._names: defaultdict[str, dict[str, Place]] = defaultdict(dict)

    def place(self, place: Place, node: str, created: str) -> list[Handover]:
        """``place`` belongs to ``node`` ("": to none). ``created``: RFC 3339 time of its creation. What changes for nodes, arrivals first:
        a node gets a device before the other one loses it (contract 5.3)."""
        before = self._nodes.get(place, "")
        if before == node:
            return []
        handovers = [*self._arrive(place, node, created), *self._leave(place, before)]
        if node:
            self._nodes[place] = node
        else:
            self._nodes.pop(place, None)
        return handovers

    def node_of(self, place: Place) -> str:
        return self._nodes.get(place, "")

    def serves(self, node: str, place: Place) -> bool:
        return self._names.get(node, {}).get(place[1]) == place

    def served_by(self, node: str) -> list[Place]:
        return list(self._names.get(node, {}).values())

    def named(self, node: str, name: str) -> Place | None:
        return self._names.get(node, {}).get(name)

    def _arrive(self, place: Place, node: str, created: str) -> list[Handover]:
        if not node:
            return []
        self._candidates[node, place[1]][place] = created
        return self._choose(node, place[1])

    def _leave(self, place: Place, node: str) -> list[Handover]:
        if not node:
            return []
        self._candidates[node, place[1]].pop(place, None)
        return self._choose(node, place[1])

    def _choose(self, node: str, name: str) -> list[Handover]:
        candidates = self._candidates[node, name]
        before = self._names[node].get(name)
        after = min(candidates, key=lambda place: (candidates[place], place), default=None)
        if after is not None:
            self._names[node][name] = after
        else:
            self._names[node].pop(name, None)
            del self._candidates[node, name]
            if not self._names[node]:
                del self._names[node]
        return [] if before == after else [Handover(node, before, after)]
