"""When the board says that it lives, and when it takes the link for dead (P2.5). No I/O, no clock.

An idle link costs one ping an interval. Who waits for an answer does not wait that long: where nothing came for a while it asks at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

DOUBT = 10.0
"""Seconds for which one who waits for an answer may hear nothing before he asks whether the other is there."""

PATIENCE = 20.0
"""Seconds that the answer to a ping may take; what comes meanwhile is an answer too. Slow links need some."""

_LOOK_AGAIN = 1.0


class Sign(Enum):
    NOTHING = auto()
    PING = auto()
    DEAD = auto()


@dataclass(frozen=True, slots=True)
class Signs:
    """Monotonic seconds at which the last frame was written, the last ping was written (0: none), the last byte came."""

    written: float
    pinged: float
    heard: float


class Pulse:
    """``interval``: the seconds between two signs of life that were agreed in the upgrade."""

    def __init__(self, interval: float, now: float) -> None:
        self._interval = interval
        self._asked_at: float | None = None
        self._waits_since: float | None = None
        self._next = now

    def look(self, now: float, signs: Signs, *, waits: bool) -> Sign:
        """What is to be done. ``waits``: somebody here waits for an answer of the cloud. A PING that was asked for is being written."""
        asked, self._asked_at = self._asked_at, None
        outstanding = signs.pinged > signs.heard
        self._waits_since = max(self._waits_since or now, signs.heard) if waits else None
        if outstanding and now >= signs.pinged + PATIENCE:
            self._next = now + _LOOK_AGAIN
            return Sign.DEAD
        if outstanding:
            self._next = signs.pinged + PATIENCE
        elif asked is not None and signs.pinged < asked:
            self._asked_at = asked
            self._next = now + _LOOK_AGAIN
        elif now >= self._due(signs):
            self._asked_at = now
            self._next = now + _LOOK_AGAIN
            return Sign.PING
        else:
            self._next = self._due(signs)
        return Sign.NOTHING

    def next_time(self) -> float:
        """When to look again, if nobody begins to wait before."""
        return self._next

    def _due(self, signs: Signs) -> float:
        idle = signs.written + self._interval
        return idle if self._waits_since is None else min(idle, self._waits_since + DOUBT)
