"""What a part of CloudCore can say of itself in numbers. Pure: who asks, and in which format, is not the part's business."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

Labels = tuple[str, ...]


class Kind(Enum):
    COUNT = "counter"
    """Only grows, from 0 at the start of the process."""
    GAUGE = "gauge"


@dataclass(frozen=True, slots=True)
class Reading:
    """``values`` by the values of ``labels``; without labels the one key is ``()``. Counts are named without ``_total``."""

    name: str
    help: str
    kind: Kind
    values: Mapping[Labels, float]
    labels: Labels = ()


@dataclass(frozen=True, slots=True)
class Timing:
    """How long something took, by the values of ``labels``."""

    name: str
    help: str
    values: Mapping[Labels, Durations]
    labels: Labels = ()


BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds of the buckets, in seconds."""


@dataclass(slots=True)
class Durations:
    """Seconds, counted in buckets. ``counts`` has one more than there are bounds: what took longer than the last one."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS) + 1))
    total: float = 0.0

    def add(self, seconds: float) -> None:
        self.counts[bisect_left(BOUNDS, seconds)] += 1
        self.total += seconds

    def cumulative(self) -> list[tuple[float, int]]:
        """(bound, how many took at most that long), the last bound being infinity."""
        summed, so_far = [], 0
        for bound, count in zip((*BOUNDS, float("inf")), self.counts, strict=True):
            so_far += count
            summed.append((bound, so_far))
        return summed


def gauge(name: str, help: str, value: float) -> Reading:
    return Reading(name, help, Kind.GAUGE, {(): value})


def count(name: str, help: str, value: float) -> Reading:
    return Reading(name, help, Kind.COUNT, {(): value})


def counts(name: str, help: str, label: str, values: Mapping[str, float]) -> Reading:
    """By the values of one label."""
    return Reading(name, help, Kind.COUNT, {(key,): value for key, value in values.items()}, (label,))
