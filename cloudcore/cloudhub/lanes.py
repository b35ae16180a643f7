"""Work in order within a lane, side by side across lanes, so that one slow API write does not hold a node's other reports (I1, D3)."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar, cast

Item = TypeVar("Item")


class Lanes(Generic[Item]):
    """At most ``width`` lanes work at once; ``put`` waits while ``room`` items are held. ``work`` must not raise."""

    def __init__(self, work: Callable[[Item], Awaitable[None]], *, width: int = 64, room: int = 256) -> None:
        self._work = work
        self._width = width
        self._room = room
        self._held = 0
        self._has_room = asyncio.Event()
        self._lanes: dict[str, deque[Item]] = {}
        self._ready: deque[str] = deque()
        self._workers: set[asyncio.Task[None]] = set()

    @property
    def idle(self) -> bool:
        return not self._held

    async def put(self, lane: str, item: Item) -> None:
        while self._held >= self._room:
            self._has_room.clear()
            await self._has_room.wait()
        self._held += 1
        if lane in self._lanes:
            self._lanes[lane].append(item)
            return
        self._lanes[lane] = deque([item])
        self._ready.append(lane)
        if len(self._workers) < self._width:
            self._workers.add(asyncio.create_task(self._run()))

    async def stop(self) -> None:
        workers = list(self._workers)
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)

    async def _run(self) -> None:
        try:
            while self._ready:
                await self._next()
        finally:
            # Here and not in a callback: a lane that comes in the same turn must see the free place.
            self._workers.discard(cast("asyncio.Task[None]", asyncio.current_task()))

    async def _next(self) -> None:
        lane = self._ready.popleft()
        queue = self._lanes[lane]
        await self._work(queue.popleft())
        self._held -= 1
        self._has_room.set()
        if queue:
            self._ready.append(lane)
        else:
            del self._lanes[lane]
