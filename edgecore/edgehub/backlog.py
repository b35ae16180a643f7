"""Events that wait for their turn: their order within a lane, a pace, and room on the link for what is fresher (P4.8). No I/O, no clock.

After a long outage there may be a hundred thousand of them. Few are on their way at a time, so that whatever is said meanwhile finds the
link almost empty, and no more go in a second than a cloud can bear to which many boards come back at once.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar


class Event(Protocol):
    @property
    def lane(self) -> str: ...
    @property
    def text(self) -> str: ...


E = TypeVar("E", bound=Event)


@dataclass(frozen=True, slots=True)
class Pace:
    """``per_second`` in the long run, ``burst`` at once. Under way: up to ``in_flight``, and none beyond ``bytes_in_flight``."""

    per_second: float = 100.0
    burst: int = 50
    in_flight: int = 16
    bytes_in_flight: int = 32 * 1024


class Backlog(Generic[E]):
    """Ranks are taken in their order, lanes of a rank by turns; of a lane one event is on its way."""

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self._ranks: dict[int, OrderedDict[str, deque[E]]] = {}
        self._flying: dict[str, int] = {}
        self._patient: set[str] = set()
        self._allowance = float(pace.burst)
        self._counted_at: float | None = None
        self._ready_at: float | None = None

    def waiting(self, rank: int) -> int:
        return sum(len(events) for events in self._ranks.get(rank, {}).values())

    def add(self, rank: int, event: E) -> None:
        self._ranks.setdefault(rank, OrderedDict()).setdefault(event.lane, deque()).append(event)

    def take(self, now: float) -> list[E]:
        """What may go now (``now``: monotonic seconds)."""
        self._count(now)
        self._ready_at = None
        taken: list[E] = []
        while self._has_room() and (found := self._next()) is not None:
            if self._allowance < 1:
                self._ready_at = now + (1 - self._allowance) / self._pace.per_second
                break
            self._allowance -= 1
            taken.append(self._launch(*found))
        return taken

    def settled(self, lane: str) -> None:
        """The cloud has answered: the next of ``lane`` may go."""
        self._flying.pop(lane, None)
        self._patient.discard(lane)

    def put_off(self, lane: str) -> None:
        """The cloud wants to be asked later: ``lane`` waits, and takes no room from others."""
        if lane in self._flying:
            self._patient.add(lane)

    def next_time(self) -> float | None:
        """When the pace allows more (monotonic seconds); None where it is not the pace that holds."""
        return self._ready_at

    def _count(self, now: float) -> None:
        if self._counted_at is not None:
            self._allowance = min(self._allowance + (now - self._counted_at) * self._pace.per_second, float(self._pace.burst))
        self._counted_at = now

    def _has_room(self) -> bool:
        sizes = [size for lane, size in self._flying.items() if lane not in self._patient]
        return not sizes or (len(sizes) < self._pace.in_flight and sum(sizes) < self._pace.bytes_in_flight)

    def _next(self) -> tuple[int, str] | None:
        return next(((rank, lane) for rank, lane in self._lanes() if lane not in self._flying), None)

    def _lanes(self) -> Iterator[tuple[int, str]]:
        for rank in sorted(self._ranks):
            for lane in self._ranks[rank]:
                yield rank, lane

    def _launch(self, rank: int, lane: str) -> E:
        lanes = self._ranks[rank]
        event = lanes[lane].popleft()
        if lanes[lane]:
            lanes.move_to_end(lane)
        else:
            del lanes[lane]
        self._flying[lane] = len(event.text)
        return event
