"""How much of a node is taken, and whether one more pod fits. Counts in thousandths, as ``quantity`` gives them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from cloudstub.controllers import pods, quantity
from cloudstub.controllers.objects import Object, controller_uid, spec_of, status_of

# A node that does not say how much of these it has is taken to have enough: boards often report only part of them.
_MAY_BE_UNSAID = frozenset({"cpu", "memory", "ephemeral-storage", "pods"})

Port = tuple[str, str, int]


@dataclass(frozen=True, slots=True)
class Demand:
    """What one pod wants of a node: resources in thousandths, ports of the host, and whose kind it is of."""

    requests: Mapping[str, int]
    ports: frozenset[Port]
    owner: str | None


class Room:
    """One node's resources, host ports and pods; ``take`` counts a pod in."""

    def __init__(self, node: Object) -> None:
        allocatable = status_of(node).get("allocatable") or status_of(node).get("capacity") or {}
        self._has = {name: quantity.milli(value) for name, value in allocatable.items()}
        self._used: Counter[str] = Counter()
        self._ports: set[Port] = set()
        self._owners: Counter[str] = Counter()
        self.pods = 0

    def take(self, demand: Demand) -> None:
        for name, wanted in demand.requests.items():
            self._used[name] += wanted
        self._ports |= demand.ports
        if demand.owner:
            self._owners[demand.owner] += 1
        self.pods += 1

    def lacks(self, demand: Demand) -> list[str]:
        """Why a pod does not fit, in Kubernetes' words; empty where it does."""
        reasons = []
        if "pods" in self._has and (self.pods + 1) * 1000 > self._has["pods"]:
            reasons.append("Too many pods")
        for name, wanted in demand.requests.items():
            if not self._can_give(name, wanted):
                reasons.append(f"Insufficient {name}")
        if any(_clash(mine, taken) for mine in demand.ports for taken in self._ports):
            reasons.append("node(s) didn't have free ports for the requested pod ports")
        return reasons

    def crowd(self, demand: Demand) -> int:
        """How many pods of the same owner are here already."""
        return self._owners[demand.owner] if demand.owner else 0

    def load(self, demand: Demand) -> float:
        """The share of cpu and memory that would be taken then: the fuller of the two, as far as the node says."""
        wanted = demand.requests
        shares = ((self._used[name] + wanted.get(name, 0)) / self._has[name] for name in ("cpu", "memory") if self._has.get(name))
        return max(shares, default=0.0)

    def _can_give(self, name: str, wanted: int) -> bool:
        if wanted == 0 or (name in _MAY_BE_UNSAID and name not in self._has):
            return True
        return self._used[name] + wanted <= self._has.get(name, 0)


def rooms(nodes: Iterable[Object], all_pods: Iterable[Object]) -> dict[str, Room]:
    """Every node's room, by name, with the pods that are bound to it and not finished."""
    found = {str((node.get("metadata") or {}).get("name")): Room(node) for node in nodes}
    for pod in all_pods:
        room = found.get(pods.node_of(pod))
        if room is not None and not pods.is_finished(pod):
            room.take(demand_of(pod))
    return found


def demand_of(pod: Object) -> Demand:
    return Demand(requests(pod), host_ports(pod), controller_uid(pod))


def requests(pod: Object) -> dict[str, int]:
    """What ``pod`` asks for: all containers together, or the hungriest init container, and the overhead."""
    spec = spec_of(pod)
    total: Counter[str] = Counter()
    for container in spec.get("containers") or ():
        total.update(_asked(container))
    for container in spec.get("initContainers") or ():
        for name, wanted in _asked(container).items():
            total[name] = max(total[name], wanted)
    total.update({name: quantity.milli(value) for name, value in (spec.get("overhead") or {}).items()})
    return dict(total)


def host_ports(pod: Object) -> frozenset[Port]:
    """(protocol, address, port) of every port of the host that ``pod`` wants."""
    spec = spec_of(pod)
    found = set()
    for container in spec.get("containers") or ():
        for port in container.get("ports") or ():
            number = port.get("hostPort") or (port.get("containerPort") if spec.get("hostNetwork") else None)
            if number:
                found.add((port.get("protocol", "TCP"), port.get("hostIP") or "0.0.0.0", int(number)))
    return frozenset(found)


def _asked(container: dict[str, Any]) -> dict[str, int]:
    resources = container.get("resources") or {}
    asked = {**(resources.get("limits") or {}), **(resources.get("requests") or {})}
    return {name: quantity.milli(value) for name, value in asked.items()}


def _clash(one: Port, other: Port) -> bool:
    if one[0] != other[0] or one[2] != other[2]:
        return False
    return one[1] == other[1] or "0.0.0.0" in (one[1], other[1])
