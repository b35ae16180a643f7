"""Who hears of committed changes: one bounded queue for each watcher, filled after the commit."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable

from cloudstub.store.records import Change

QUEUE_LIMIT = 10_000


class Subscription:
    """One watcher's queue of encoded lines. A watcher that does not read is cut off; it never delays another."""

    def __init__(self, resource: str, render: Callable[[Change], bytes | None]) -> None:
        self.resource = resource
        self._render = render
        self._lines: list[bytes] = []
        self._wake = asyncio.Event()
        self.ended = False
        self.overrun = False

    def offer(self, change: Change) -> None:
        """Queue the change if it concerns this watcher."""
        line = self._render(change)
        if line is None or self.ended:
            return
        if len(self._lines) >= QUEUE_LIMIT:
            self.overrun = True
            self.end()
            return
        self._lines.append(line)
        self._wake.set()

    def end(self) -> None:
        """No more lines will come."""
        self.ended = True
        self._wake.set()

    async def take(self, *, timeout: float) -> bytes:
        """What has gathered, as one piece; empty after ``timeout`` seconds without news, or at the end."""
        if not self._lines and not self.ended:
            try:
                async with asyncio.timeout(timeout):
                    await self._wake.wait()
            except TimeoutError:
                return b""
        lines, self._lines = self._lines, []
        if not self.ended:
            self._wake.clear()
        return b"".join(lines)


class Broadcast:
    """All subscriptions, by resource."""

    def __init__(self) -> None:
        self._subscriptions: defaultdict[str, set[Subscription]] = defaultdict(set)

    def __len__(self) -> int:
        return sum(len(group) for group in self._subscriptions.values())

    def add(self, subscription: Subscription) -> None:
        self._subscriptions[subscription.resource].add(subscription)

    def discard(self, subscription: Subscription) -> None:
        self._subscriptions[subscription.resource].discard(subscription)

    def tell(self, changes: Iterable[Change]) -> None:
        for change in changes:
            for subscription in self._subscriptions.get(change.key.resource, ()):
                subscription.offer(change)

    def end(self, resource: str) -> None:
        """End the watches of a resource that is served no more."""
        for subscription in self._subscriptions.get(resource, ()):
            subscription.end()

    def end_all(self) -> None:
        for resource in list(self._subscriptions):
            self.end(resource)
