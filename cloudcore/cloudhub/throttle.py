"""Who has failed too often of late: a decision without a clock."""

from __future__ import annotations

from collections import OrderedDict, deque


class Throttle:
    """At most ``limit`` failures within ``period_s`` per address; remembers ``addresses`` of them, the most recent ones."""

    def __init__(self, limit: int = 20, period_s: float = 60.0, addresses: int = 4096) -> None:
        self._limit = limit
        self._period_s = period_s
        self._addresses = addresses
        self._failures: OrderedDict[str, deque[float]] = OrderedDict()

    def wait_s(self, address: str, now: float) -> float:
        """Seconds until ``address`` may ask again; 0 when it may now."""
        failures = self._failures.get(address)
        if failures is None or len(failures) < self._limit:
            return 0.0
        return max(0.0, failures[0] + self._period_s - now)

    def failed(self, address: str, now: float) -> None:
        failures = self._failures.setdefault(address, deque(maxlen=self._limit))
        failures.append(now)
        self._failures.move_to_end(address)
        if len(self._failures) > self._addresses:
            self._failures.popitem(last=False)
