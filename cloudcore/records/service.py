"""Keeps what boards upload (P5.9): each record is acknowledged when the commit that took it has returned (D1).

    Records(path, Caps(max_bytes=…, max_age=…))

What comes within a few milliseconds shares a commit. SQLite blocks the event loop while it writes, so a slow disk is given longer pauses:
commits take at most a fifth of the loop's time, whatever the boards send (D8).
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from cloudcore.errors import RecordsError
from cloudcore.keeper import keep
from cloudcore.readings import Durations, Reading, Timing, count, counts, gauge
from cloudcore.records.record import Caps, Record, record_of
from cloudcore.records.store import RecordStore
from viaduct.message import Message

logger = logging.getLogger(__name__)

_GATHER = 0.005
_SHARE = 4
"""Pause after a commit, in times of what it took."""

_TRY_AGAIN = 5.0
_LOOK = 600.0
"""Seconds between two looks for what has become too old."""


def wall_clock_ms() -> int:
    return int(time.time() * 1000)


class Records:
    """``take`` is what CloudHub asks of a taker. ``await start()``, ``await stop()``."""

    def __init__(self, path: Path, caps: Caps, *, now_ms: Callable[[], int] = wall_clock_ms) -> None:
        self._path = path
        self._caps = caps
        self._now_ms = now_ms
        self._store: RecordStore | None = None
        self._tried_at: float | None = None
        self._staged: list[Record] = []
        self._done: asyncio.Future[None] | None = None
        self._free_at = 0.0
        self._house: asyncio.Task[None] | None = None
        self._stored = self._repeated = self._failed = 0
        self._commits = Durations()

    async def start(self) -> None:
        """A site whose records cannot be kept serves its nodes all the same; they keep what they owe."""
        try:
            self._open()
        except RecordsError as exc:
            logger.error("modules.records: nothing that nodes upload can be kept now, they keep it: %s", exc)
        self._house = keep(self._keep_house, "old records")

    async def stop(self) -> None:
        if self._house is not None:
            self._house.cancel()
            await asyncio.gather(self._house, return_exceptions=True)
        if self._done is not None:
            self._commit()
        if self._store is not None:
            self._store.close()
            self._store = None

    async def take(self, node: str, message: Message) -> None:
        """Returns when the upload is on the disk.

        Raises:
            Refused: it is no upload, ever. RecordsError: it could not be kept now.
        """
        record = record_of(node, message, self._now_ms())
        self._open()
        if self._done is None:
            loop = asyncio.get_running_loop()
            self._done = loop.create_future()
            loop.call_at(max(loop.time() + _GATHER, self._free_at), self._commit)
        self._staged.append(record)
        await asyncio.shield(self._done)

    def readings(self) -> Iterator[Reading | Timing]:
        yield count("records_stored", "Uploads of nodes that were kept", self._stored)
        yield count("records_repeated", "Uploads that were there already", self._repeated)
        yield count("records_commits_failed", "Commits that the disk refused; the nodes say it again", self._failed)
        yield Timing("records_commit_seconds", "Time that commits of uploads took", {(): self._commits})
        if self._store is not None:
            held, oldest = self._store.holding, self._store.oldest_ms()
            yield counts("records_dropped", "Uploads that the caps dropped, since the file was made", "reason", held.dropped)
            yield gauge("records_held", "Uploads in the file", held.number.total())
            yield gauge("records_bytes", "Their bytes", held.bytes.total())
            yield gauge("records_oldest_seconds", "Age of the oldest", 0 if oldest is None else max(0, self._now_ms() - oldest) / 1000)

    def _open(self) -> RecordStore:
        now = time.monotonic()
        if self._store is None:
            if self._tried_at is not None and now - self._tried_at < _TRY_AGAIN:
                raise RecordsError("the file of records could not be opened a moment ago")
            self._tried_at = now
            self._store = RecordStore(self._path, self._caps)
            logger.info("uploads of nodes are kept in %s", self._path)
        return self._store

    def _commit(self) -> None:
        done, self._done = self._done, None
        staged, self._staged = self._staged, []
        if done is None:  # ``stop`` was first
            return
        try:
            self._write(staged)
        except Exception as exc:
            # Whatever it was: nothing of it is on the disk, and those who wait must be told.
            logger.error("%d uploads were not kept: %s", len(staged), exc)
            done.set_exception(exc)
            # Those who waited may have gone; the future must not complain about an error nobody fetched.
            done.exception()
            return
        done.set_result(None)

    def _write(self, records: list[Record]) -> None:
        began = time.monotonic()
        try:
            kept = self._open().write(records, now_ms=self._now_ms())
        except RecordsError:
            self._failed += 1
            raise
        finally:
            took = time.monotonic() - began
            self._commits.add(took)
            self._free_at = asyncio.get_running_loop().time() + _SHARE * took
        self._stored += kept
        self._repeated += len(records) - kept

    async def _keep_house(self) -> None:
        while True:
            await asyncio.sleep(_LOOK)
            try:
                self._write([])
            except RecordsError as exc:
                logger.warning("old records cannot be looked for: %s", exc)
