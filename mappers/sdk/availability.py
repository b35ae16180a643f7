"""Whether a device is there. With hysteresis, so that one lost answer on a noisy line is no news. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from mappers.sdk.schedule import Backoff

ONLINE = "online"
OFFLINE = "offline"

FAILURES = 3
"""Failed visits in a row after which a device is offline; before the first answer one is enough, there is nothing to hold on to."""

SUCCESSES = 2
"""Visits in a row that succeed after which an offline device is online again; the very first answer is enough."""


@dataclass(slots=True)
class Availability:
    """``state`` is "" until the first visit."""

    backoff: Backoff
    state: str = ""
    _streak: int = 0

    def succeeded(self) -> bool:
        """Whether the state changed."""
        self.backoff.reset()
        self._streak = max(self._streak, 0) + 1
        return self._becomes(ONLINE, self.state == "" or self._streak >= SUCCESSES)

    def failed(self) -> bool:
        """Whether the state changed."""
        self._streak = min(self._streak, 0) - 1
        return self._becomes(OFFLINE, self.state == "" or -self._streak >= FAILURES)

    def next_visit(self, now: float, regular: float, again_in: float | None = None) -> float:
        """When to look again: as planned while it answers, else after ``again_in`` seconds, or where nobody knows better further and
        further apart, so that it costs others on its line little."""
        if self._streak >= 0:
            return regular
        return max(regular, self.backoff.after_failure(now) if again_in is None else now + again_in)

    def _becomes(self, state: str, settled: bool) -> bool:
        if state == self.state or not settled:
            return False
        self.state = state
        return True
