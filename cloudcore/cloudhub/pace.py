"""How fast one node may speak: its share of a process that serves all of them (D8). A decision without a clock."""

from __future__ import annotations


class Pace:
    """``rate`` messages a second in the long run, ``burst`` at once."""

    __slots__ = ("_burst", "_free_at", "_rate")

    def __init__(self, rate: float = 500.0, burst: float = 500.0) -> None:
        self._rate = rate
        self._burst = burst
        self._free_at = float("-inf")
        """When all that was said so far would have been said at ``rate``."""

    def wait_s(self, now: float) -> float:
        """Seconds until the next message may be read, one having been read at ``now``."""
        self._free_at = max(self._free_at, now) + 1 / self._rate
        return max(0.0, self._free_at - now - self._burst / self._rate)
