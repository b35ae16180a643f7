"""The arithmetic of a rollout: how many replicas the sets of one deployment may have next. Numbers in, numbers out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Set:
    """One ReplicaSet of the deployment: asked for (``replicas``) and available."""

    name: str
    replicas: int
    available: int


def fraction(value: Any, of: int, *, round_up: bool) -> int:
    """An int-or-percent (``1``, ``"25%"``) as a number of ``of`` pods."""
    if isinstance(value, str) and value.endswith("%"):
        try:
            share = int(value[:-1]) * of
        except ValueError:
            return 0
        return -(-share // 100) if round_up else share // 100
    return int(value or 0)


def limits(replicas: int, rolling: dict[str, Any]) -> tuple[int, int]:
    """(max surge, max unavailable) in pods; both 0 would stand still, so then one may be missing."""
    surge = fraction(rolling.get("maxSurge", "25%"), replicas, round_up=True)
    unavailable = fraction(rolling.get("maxUnavailable", "25%"), replicas, round_up=False)
    if surge == 0 and unavailable == 0:
        unavailable = 1
    return surge, min(unavailable, replicas)


def grown(newest: Set, others: Sequence[Set], *, replicas: int, surge: int) -> int:
    """How many replicas the newest set may have now."""
    if newest.replicas >= replicas:
        return replicas
    room = replicas + surge - newest.replicas - sum(one.replicas for one in others)
    return newest.replicas + max(0, min(room, replicas - newest.replicas))


def shrunk(newest: Set, others: Sequence[Set], *, replicas: int, unavailable: int) -> dict[str, int]:
    """How many replicas the older sets (oldest first) keep; only those that change are named.

    Pods that do not serve go first: that costs nothing. Pods that serve go while enough are left.
    """
    least = replicas - unavailable
    total = newest.replicas + sum(one.replicas for one in others)
    spare = total - least - (newest.replicas - min(newest.available, newest.replicas))
    kept = {one.name: one.replicas for one in others}
    for one in others:
        idle = min(spare, one.replicas - min(one.available, one.replicas))
        if idle > 0:
            kept[one.name] -= idle
            spare -= idle
    serving = sum(min(one.available, one.replicas) for one in (newest, *others))
    spare = min(spare, serving - least)
    for one in others:
        going = min(spare, kept[one.name])
        if going > 0:
            kept[one.name] -= going
            spare -= going
    return {one.name: kept[one.name] for one in others if kept[one.name] != one.replicas}
