"""The way to one sink: a queue with an end, and a task that sends. A sink that is slow or away costs itself only (D8).

What does not fit, and what the sink will never take, is dropped and counted by reason (D7).
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter, deque
from collections.abc import Sequence
from typing import Protocol

from cloudcore.history.sample import Batch
from cloudcore.keeper import keep

logger = logging.getLogger(__name__)

_AT_ONCE = 5000
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 60.0
_SEND_SECONDS = 30.0
_LAST_SECONDS = 3.0
"""For what still waits when CloudCore ends."""

FULL, REFUSED, UNFIT, STOPPED = "queue_full", "refused", "unfit", "stopped"
"""Reasons: there was no room; the sink said never; it takes no such values; CloudCore ended first."""


class SinkAway(Exception):
    """Not now: it is tried again."""


class SinkRefused(Exception):
    """Never: trying again would not help."""


class Sink(Protocol):
    async def send(self, batches: Sequence[Batch]) -> int:
        """Hand them over. Returns how many samples were left out, because the sink takes no such values.

        Raises:
            SinkAway, SinkRefused.
        """

    async def close(self) -> None: ...


class Outlet:
    """``offer`` never waits. ``start()``, ``await stop()``."""

    def __init__(self, name: str, sink: Sink, *, most: int, first_pause: float = _FIRST_PAUSE) -> None:
        self.name = name
        self.sent = 0
        self.dropped: Counter[str] = Counter()
        self.waiting = 0
        self._sink = sink
        self._most = most
        self._first_pause = first_pause
        self._queue: deque[Batch] = deque()
        self._filled = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._is_away = False

    def start(self) -> None:
        self._task = keep(self._send_all, f"history to {self.name}")

    async def stop(self) -> None:
        """What still waits gets one moment."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self._queue and not self._is_away:
            await self._try(list(self._queue), _LAST_SECONDS)
        if self.waiting:
            self.dropped[STOPPED] += self.waiting
        await self._sink.close()

    def offer(self, batch: Batch) -> None:
        self._queue.append(batch)
        self.waiting += batch.number
        while self.waiting > self._most and self._queue:
            oldest = self._queue.popleft()
            self.waiting -= oldest.number
            self.dropped[FULL] += oldest.number
        self._filled.set()

    async def _send_all(self) -> None:
        pause = self._first_pause
        while True:
            await self._filled.wait()
            if not self._queue:
                self._filled.clear()
            elif await self._try(self._next()):
                pause = self._first_pause
            else:
                await asyncio.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)

    def _next(self) -> list[Batch]:
        """They stay in the queue until they are sent: there the queue's end counts them too."""
        taken: list[Batch] = []
        number = 0
        for batch in self._queue:
            if taken and number + batch.number > _AT_ONCE:
                break
            taken.append(batch)
            number += batch.number
        return taken

    async def _try(self, batches: list[Batch], limit: float = _SEND_SECONDS) -> bool:
        """False: again later."""
        try:
            async with asyncio.timeout(limit):
                unfit = await self._sink.send(batches)
        except SinkRefused as exc:
            logger.warning("history to %s: %d samples are refused for good: %s", self.name, _number(batches), exc)
            self._done(batches, REFUSED, _number(batches))
            return True
        except (SinkAway, TimeoutError) as exc:
            if not self._is_away:
                logger.warning("history to %s: not now: %s; trying again", self.name, str(exc) or "no answer in time")
            self._is_away = True
            return False
        if self._is_away:
            logger.info("history to %s: it takes samples again", self.name)
        self._is_away = False
        self._done(batches, UNFIT, unfit)
        return True

    def _done(self, batches: list[Batch], reason: str, lost: int) -> None:
        """What the queue's end took in the meantime was counted there, though it may have arrived all the same."""
        gone = 0
        for batch in batches:
            if self._queue and self._queue[0] is batch:
                self._queue.popleft()
                gone += batch.number
        lost = min(lost, gone)
        self.waiting -= gone
        self.sent += gone - lost
        if lost:
            self.dropped[reason] += lost


def _number(batches: Sequence[Batch]) -> int:
    return sum(batch.number for batch in batches)
