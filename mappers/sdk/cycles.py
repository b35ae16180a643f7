"""How often each property of a device is read: at the mapper's pace, or as its own cycle says (P6.13). Pure.

The caller passes ``now`` in monotonic seconds. A device is visited at its shortest cycle; what is not due yet is left out of a visit.
"""

from __future__ import annotations

from collections.abc import Iterable

from mappers.sdk.profile import Property
from mappers.sdk.schedule import next_tick

LEAST_SECONDS = 0.01
_SLACK = 0.001
"""A visit that comes a little early counts as on time, else a property would be read at every second visit."""


class Cycles:
    """``pace``: seconds between two reads of a property that has no cycle of its own."""

    def __init__(self, properties: Iterable[Property], pace: float) -> None:
        self._properties = tuple(properties)
        self._pace = pace
        self._due: dict[str, float] = {}

    @property
    def visit(self) -> float:
        """Seconds between two visits."""
        return min(map(self._cycle, self._properties), default=self._pace)

    def due(self, now: float) -> tuple[Property, ...]:
        """What to read now, until it ``was_read``."""
        return tuple(one for one in self._properties if self._due.get(one.name, now) <= now + _SLACK)

    def was_read(self, one: Property, now: float) -> None:
        """It is due again a cycle later."""
        self._due[one.name] = next_tick(self._due.get(one.name, now), now + _SLACK, self._cycle(one))

    def _cycle(self, one: Property) -> float:
        return max(one.cycle, LEAST_SECONDS) if one.cycle else self._pace
