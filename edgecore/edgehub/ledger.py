"""The outbox as EdgeHub works with it: read page by page, settled in batches.

Rows that the cloud has taken leave the table together: one write to flash instead of one for each. A write that fails is tried again.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Sequence

from edgecore.errors import StoreError
from edgecore.store import outbox
from edgecore.store.database import Database
from edgecore.store.history import OwedSegment
from edgecore.store.outbox import OwedRow, Rank
from edgecore.store.transaction import Transaction

logger = logging.getLogger(__name__)

_PAGE = 256
_PAGE_OF_SAMPLES = 2
"""Segments are large, and wait in the table as well as here."""
_READ_PAUSE = 0.01
_SETTLE_PAUSE = 0.5
_SETTLE_ENOUGH = 256
_FAILED_PAUSE = 5.0
_CAPS_PAUSE = 3600.0


class Ledger:
    """Used by EdgeHub's loop alone; the store's thread only says how a write went."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._ranks = frozenset(Rank)
        self._last: dict[Rank, int] = {}
        self._unread: set[Rank] = set()
        self._read_at = 0.0
        self._taken: list[int] = []
        self._refused: list[int] = []
        self._flush_at: float | None = None
        self._not_before = 0.0
        self._failed: deque[tuple[list[int], list[int]]] = deque()
        self._caps_at = 0.0

    def begin(self, *, ledger: bool = True) -> None:
        """A connection began: everything is owed on it; to KubeEdge, in plain mode, no samples (P5.12)."""
        self._ranks = frozenset(rank for rank in Rank if ledger or rank is not Rank.SAMPLES)
        self._last = dict.fromkeys(Rank, 0)
        self._read_at = 0.0
        self.changed()

    def changed(self) -> None:
        """There may be more to read."""
        self._unread = set(self._ranks)

    def read(self, now: float, has_room: Callable[[Rank], bool]) -> list[tuple[Rank, OwedRow | OwedSegment]]:
        """What is to be offered for sending: a page of each rank that has more and that ``has_room`` for it."""
        ranks = [rank for rank in Rank if rank in self._unread and has_room(rank)]
        if not ranks or now < self._read_at + _READ_PAUSE:
            return []
        self._read_at = now
        done = {*self._taken, *self._refused}
        found: list[tuple[Rank, OwedRow | OwedSegment]] = []
        for rank in ranks:
            found += [(rank, row) for row in self._page(rank) if row.id not in done]
        return found

    def next_read(self, has_room: Callable[[Rank], bool]) -> float | None:
        return self._read_at + _READ_PAUSE if any(has_room(rank) for rank in self._unread) else None

    def settle(self, ids: list[int], *, refused: bool = False) -> None:
        """The cloud has taken these rows, or refused them for good."""
        (self._refused if refused else self._taken).extend(ids)
        if ids and self._flush_at is None:
            self._flush_at = time.monotonic() + _SETTLE_PAUSE

    def work(self, now: float) -> None:
        """Write what is due."""
        while self._failed:
            taken, refused = self._failed.popleft()
            self._taken += taken
            self._refused += refused
            self._flush_at = self._not_before = now + _FAILED_PAUSE
        if self._flush_at is not None and (now >= self._flush_at or self._has_enough(now)):
            self.flush()
        if now >= self._caps_at:
            self._caps_at = now + _CAPS_PAUSE
            self._write(outbox.look_at_caps, lambda error: None)

    def next_time(self) -> float:
        return self._caps_at if self._flush_at is None else min(self._flush_at, self._caps_at)

    def flush(self) -> None:
        taken, self._taken = self._taken, []
        refused, self._refused = self._refused, []
        self._flush_at = None
        if not taken and not refused:
            return

        def work(tx: Transaction) -> None:
            outbox.settled(tx, taken)
            outbox.refused(tx, refused)

        def done(error: StoreError | None) -> None:
            if error is not None:
                logger.warning("%d reports that the cloud has answered are still in the outbox: %s", len(taken) + len(refused), error)
                self._failed.append((taken, refused))

        self._write(work, done)

    def _has_enough(self, now: float) -> bool:
        return len(self._taken) >= _SETTLE_ENOUGH and now >= self._not_before

    def _page(self, rank: Rank) -> Sequence[OwedRow | OwedSegment]:
        size = _PAGE_OF_SAMPLES if rank is Rank.SAMPLES else _PAGE
        try:
            rows = self._database.hand_out(rank, self._last.get(rank, 0), size)
        except StoreError as exc:
            logger.error("the outbox cannot be read: %s", exc)
            rows = []
        if rows:
            self._last[rank] = rows[-1].id
        if len(rows) < size:
            self._unread.discard(rank)
        return rows

    def _write(self, work: Callable[[Transaction], None], done: Callable[[StoreError | None], None]) -> None:
        try:
            self._database.write(work, done)
        except StoreError as exc:
            done(exc)
