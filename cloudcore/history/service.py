"""Keeps the samples that boards send (P5.12) and hands them to the sinks: acknowledged when the commit that took them has returned (D1).

SQLite blocks the event loop while it writes, so a commit takes few batches, and is followed by a pause that grows with what it took:
commits have at most a fifth of the loop's time, whatever the boards send (D8). Sinks have queues of their own and hold up nobody.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from cloudcore.errors import HistoryError
from cloudcore.history.outlet import Outlet
from cloudcore.history.sample import Batch, Caps, batch_of
from cloudcore.history.store import HistoryStore
from cloudcore.keeper import keep
from cloudcore.readings import Durations, Kind, Labels, Reading, Timing, count, counts, gauge
from viaduct.message import Message

logger = logging.getLogger(__name__)

_GATHER = 0.005
_SHARE = 4
"""Pause after a commit, in times of what it took."""

_IN_A_COMMIT = 4000
MOST_STAGED = 200_000
"""Samples that may wait for the disk; beyond that boards are asked to say it again."""

_TRY_AGAIN = 5.0
_LOOK = 600.0
"""Seconds between two looks for what has become too old."""


def wall_clock_ms() -> int:
    return int(time.time() * 1000)


class History:
    """``take`` is what CloudHub asks of a taker. ``path`` None: nothing is kept here, samples go to the sinks only."""

    def __init__(self, path: Path | None, caps: Caps, outlets: Sequence[Outlet] = (), *, now_ms: Callable[[], int] = wall_clock_ms) -> None:
        self._path = path
        self._caps = caps
        self._outlets = tuple(outlets)
        self._now_ms = now_ms
        self._store: HistoryStore | None = None
        self._tried_at: float | None = None
        self._staged: deque[tuple[Batch, asyncio.Future[None]]] = deque()
        self._waiting = 0
        self._filled = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._stored = self._repeated = self._failed = 0
        self._commits = Durations()

    async def start(self) -> None:
        """A site whose samples cannot be kept serves its nodes all the same; they keep what they owe."""
        if self._path is not None:
            try:
                self._open(self._path)
            except HistoryError as exc:
                logger.error("modules.history: samples cannot be kept now, the nodes keep them: %s", exc)
            self._tasks = [keep(self._write_all, "history"), keep(self._keep_house, "old samples")]
        for outlet in self._outlets:
            outlet.start()

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        while self._staged:
            self._write()
        if self._store is not None:
            self._store.close()
            self._store = None
        await asyncio.gather(*(outlet.stop() for outlet in self._outlets))

    async def take(self, node: str, message: Message) -> None:
        """Returns when the samples are on the disk, or, where none is kept here, in the queues of the sinks.

        Raises:
            Refused: they are none, ever. HistoryError: they could not be kept now.
        """
        batch = batch_of(node, message)
        if self._path is None:
            self._offer(batch)
            return
        if self._waiting + batch.number > MOST_STAGED:
            raise HistoryError("too many samples wait for the disk")
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._staged.append((batch, done))
        self._waiting += batch.number
        self._filled.set()
        await asyncio.shield(done)

    def readings(self) -> Iterator[Reading | Timing]:
        yield count("history_stored", "Samples of nodes that were kept", self._stored)
        yield count("history_repeated", "Samples that were there already", self._repeated)
        yield count("history_commits_failed", "Commits that the disk refused; the nodes say it again", self._failed)
        yield Timing("history_commit_seconds", "Time that commits of samples took", {(): self._commits})
        if self._store is not None:
            yield counts("history_dropped", "Samples that the caps dropped, since the file was made", "reason", self._store.dropped)
            yield gauge("history_held", "Samples in the file", self._store.held)
            yield gauge("history_bytes", "Bytes in use of the file", self._store.bytes)
        if self._outlets:
            yield from self._of_sinks()

    def _of_sinks(self) -> Iterator[Reading]:
        sent: dict[Labels, float] = {(outlet.name,): outlet.sent for outlet in self._outlets}
        waiting: dict[Labels, float] = {(outlet.name,): outlet.waiting for outlet in self._outlets}
        dropped: dict[Labels, float] = {
            (outlet.name, reason): number for outlet in self._outlets for reason, number in outlet.dropped.items()
        }
        yield Reading("history_sink_sent", "Samples that a sink has taken", Kind.COUNT, sent, ("sink",))
        yield Reading("history_sink_waiting", "Samples that wait for a sink", Kind.GAUGE, waiting, ("sink",))
        yield Reading("history_sink_dropped", "Samples that a sink will never get", Kind.COUNT, dropped, ("sink", "reason"))

    def _offer(self, batch: Batch) -> None:
        for outlet in self._outlets:
            outlet.offer(batch)

    def _open(self, path: Path) -> HistoryStore:
        now = time.monotonic()
        if self._store is None:
            if self._tried_at is not None and now - self._tried_at < _TRY_AGAIN:
                raise HistoryError("the file of samples could not be opened a moment ago")
            self._tried_at = now
            self._store = HistoryStore(path, self._caps)
            logger.info("samples of nodes are kept in %s", path)
        return self._store

    async def _write_all(self) -> None:
        while True:
            await self._filled.wait()
            if not self._staged:
                self._filled.clear()
                continue
            await asyncio.sleep(max(_GATHER, _SHARE * self._write()))

    def _write(self) -> float:
        """One commit of what came first; tells those who wait. Returns the seconds that it took."""
        part = self._next()
        began = time.monotonic()
        try:
            assert self._path is not None
            kept = self._open(self._path).write([batch for batch, _ in part])
        except Exception as exc:
            # Whatever it was: nothing of it is on the disk, and those who wait must be told.
            self._failed += 1
            logger.error("%d batches of samples were not kept: %s", len(part), exc)
            for _, done in part:
                if not done.done():
                    done.set_exception(exc)
                    done.exception()  # who waited may have gone
        else:
            for (batch, done), new in zip(part, kept, strict=True):
                self._stored += new
                self._repeated += batch.number - new
                if new:
                    self._offer(batch)
                if not done.done():
                    done.set_result(None)
        took = time.monotonic() - began
        self._commits.add(took)
        return took

    def _next(self) -> list[tuple[Batch, asyncio.Future[None]]]:
        part: list[tuple[Batch, asyncio.Future[None]]] = []
        number = 0
        while self._staged and (not part or number + self._staged[0][0].number <= _IN_A_COMMIT):
            part.append(self._staged.popleft())
            number += part[-1][0].number
        self._waiting -= number
        return part

    async def _keep_house(self) -> None:
        while True:
            await asyncio.sleep(_LOOK)
            try:
                while self._store is not None and self._store.drop_old(self._now_ms()):
                    await asyncio.sleep(0.2)
            except HistoryError as exc:
                logger.warning("old samples cannot be looked for: %s", exc)
