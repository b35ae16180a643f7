"""One thread for everything: who is readable or writable is called, and so is whose time has come."""

from __future__ import annotations

import heapq
import itertools
import select
import time
from collections.abc import Callable

READ, WRITE = select.EPOLLIN, select.EPOLLOUT


class Timer:
    __slots__ = ("call",)

    def __init__(self, call: Callable[[], object] | None) -> None:
        self.call = call

    def cancel(self) -> None:
        self.call = None


class Loop:
    """``run`` until ``stop``. What a handler raises ends the program: handlers deal with their own errors."""

    def __init__(self) -> None:
        self._poll = select.epoll()
        self._handlers: dict[int, Callable[[int], object]] = {}
        self._timers: list[tuple[float, int, Timer]] = []
        self._order = itertools.count()
        self._stopped = False

    def watch(self, descriptor: int, events: int, handler: Callable[[int], object]) -> None:
        """Call ``handler(events)``; with no ``events`` it is left alone, errors included."""
        if not events:
            self.forget(descriptor)
        elif descriptor in self._handlers:
            self._poll.modify(descriptor, events)
            self._handlers[descriptor] = handler
        else:
            self._poll.register(descriptor, events)
            self._handlers[descriptor] = handler

    def forget(self, descriptor: int) -> None:
        """Before it is closed."""
        if self._handlers.pop(descriptor, None) is not None:
            self._poll.unregister(descriptor)

    def later(self, seconds: float, call: Callable[[], object]) -> Timer:
        timer = Timer(call)
        heapq.heappush(self._timers, (time.monotonic() + seconds, next(self._order), timer))
        return timer

    def stop(self) -> None:
        self._stopped = True

    def run(self) -> None:
        while not self._stopped:
            for descriptor, events in self._poll.poll(self._wait()):
                handler = self._handlers.get(descriptor)
                if handler is not None:
                    handler(events)
            self._call_due()

    def _wait(self) -> float | None:
        while self._timers and self._timers[0][2].call is None:
            heapq.heappop(self._timers)
        return max(0.0, self._timers[0][0] - time.monotonic()) if self._timers else None

    def _call_due(self) -> None:
        now = time.monotonic()
        while self._timers and self._timers[0][0] <= now:
            call = heapq.heappop(self._timers)[2].call
            if call is not None:
                call()
