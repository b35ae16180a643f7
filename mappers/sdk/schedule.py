"""When things are due. Pure: the caller passes ``now`` in monotonic seconds."""

from __future__ import annotations

from dataclasses import dataclass, field

NEVER = float("inf")


@dataclass(slots=True)
class Backoff:
    """Each failure waits twice as long as the one before, from ``first`` to ``limit`` seconds."""

    first: float
    limit: float
    _delay: float = field(default=0.0)

    def after_failure(self, now: float) -> float:
        """When to try again."""
        self._delay = min(self.limit, self._delay * 2 or self.first)
        return now + self._delay

    def reset(self) -> None:
        self._delay = 0.0


def next_tick(due: float, now: float, interval: float) -> float:
    """The next due time on the beat of ``due``; beats that were missed are skipped, not made up for."""
    missed = max(0, int((now - due) // interval))
    return due + (missed + 1) * interval


def wait_until(due: float, now: float, longest: float) -> float:
    """Seconds to wait, 0 to ``longest``."""
    return min(max(0.0, due - now), longest)
