"""What a node should hold against what it has acknowledged (contract 3.7). Pure.

By key and uid, versions as numbers (bugs C1 and C13): an object made anew under its old name is another object.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import Enum, auto

from cloudcore.objects import as_number
from cloudcore.ports import Holding, Owed
from viaduct.vocabulary import OURS, Operation

DEVICE_PREFIX = "device/"


class Action(Enum):
    SEND = auto()
    """The node lacks the object."""
    RENEW = auto()
    """The node has an older version of it, or another object under its name."""
    REMOVE = auto()
    """The node has something that nobody owes it."""
    FORGET = auto()
    """Only the record is wrong: the node holds a newer object under this key."""


@dataclass(frozen=True, slots=True)
class Repair:
    action: Action
    key: str
    uid: str
    version: str


def is_brambles_alone(key: str) -> bool:
    """Whether KubeEdge's edge never acknowledges what lies under ``key``, or never hears of it."""
    return key.startswith(DEVICE_PREFIX) or key.partition("/")[2].partition("/")[0] in OURS


def compare(owed: Iterable[Holding], known: Iterable[Holding], *, acknowledges_devices: bool) -> list[Repair]:
    """What to do so that ``known`` becomes ``owed``. Both may be all that concerns a node, or what concerns one key.

    A device or Service without a record is only missed on a node that has acknowledged devices before: KubeEdge's edge never does.
    """
    recorded = {(key, uid): version for key, uid, version in known}
    keys = {key for key, _ in recorded}
    repairs: list[Repair] = []
    wanted: dict[str, str] = {}
    for key, uid, version in owed:
        wanted[key] = uid
        have = recorded.get((key, uid))
        if have is not None and as_number(have) >= as_number(version):
            continue
        if key in keys:
            repairs.append(Repair(Action.RENEW, key, uid, version))
        elif acknowledges_devices or not is_brambles_alone(key):
            repairs.append(Repair(Action.SEND, key, uid, version))
    for (key, uid), version in recorded.items():
        if key not in wanted:
            repairs.append(Repair(Action.REMOVE, key, uid, version))
        elif wanted[key] != uid and (key, wanted[key]) in recorded:
            repairs.append(Repair(Action.FORGET, key, uid, version))
    return repairs


def as_update(owed: Owed) -> Owed:
    """The same, said as ``update``: KubeEdge's edge ignores an ``insert`` of what it has (bug E7)."""
    message = owed.message
    if message.route.operation != Operation.INSERT:
        return owed
    return replace(owed, message=replace(message, route=replace(message.route, operation=Operation.UPDATE)))


@dataclass(frozen=True, slots=True)
class _Try:
    due: float
    delay: float


class Patience:
    """When to repair: not at first sight, because most differences are messages under way; then less and less often (seconds)."""

    def __init__(self, *, first: float = 5.0, most: float = 300.0) -> None:
        self._first = first
        self._most = most
        self._tries: dict[str, dict[str, dict[Repair, _Try]]] = {}

    def due(self, node: str, key: str, repairs: list[Repair], now: float) -> list[Repair]:
        """Those of ``repairs``, all that ``key`` needs, whose time has come. What is not among them any more is forgotten."""
        before = self._tries.get(node, {}).get(key, {})
        tries: dict[Repair, _Try] = {}
        ready: list[Repair] = []
        for repair in repairs:
            known = before.get(repair)
            if known is None:
                tries[repair] = _Try(now + self._first * 0.9, self._first)
            elif known.due <= now:
                ready.append(repair)
                tries[repair] = _Try(now + known.delay, min(known.delay * 2, self._most))
            else:
                tries[repair] = known
        if tries:
            self._tries.setdefault(node, {})[key] = tries
        else:
            self.forget(node, key)
        return ready

    def forget(self, node: str, key: str | None = None) -> None:
        """One key of ``node``, or all."""
        of_node = self._tries.get(node, {})
        if key is not None:
            of_node.pop(key, None)
        if key is None or not of_node:
            self._tries.pop(node, None)
