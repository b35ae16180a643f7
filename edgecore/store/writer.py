"""Group commit: one thread writes what has gathered in one transaction; results go out after the COMMIT (promises D1, S1).

A work that fails must not undo its neighbours: the transaction is rolled back and its works are run again in halves, until the one at fault
stands alone. So a work may run more than once and touches nothing but its transaction.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from edgecore.errors import StoreError, StoreFull
from edgecore.metrics.exposition import Times
from edgecore.store.ceiling import Ceiling
from edgecore.store.transaction import Transaction

logger = logging.getLogger(__name__)

Work = Callable[[Transaction], None]
Done = Callable[[StoreError | None], None]

BATCH = 500
CAPACITY = 8192
ROOM_TIMEOUT = 30.0

PROBE_PAUSE = 5.0
"""Seconds between two attempts of our own while nothing can be written; nobody else may have anything to write."""

_PROBE = "UPDATE probe SET tries = tries + 1"
_FULL_CODES = frozenset({sqlite3.SQLITE_FULL, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN})


@dataclass(frozen=True, slots=True)
class _Queued:
    work: Work
    done: Done | None


class Writer:
    """Owns the writing connection and its thread."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        ceiling: Ceiling,
        *,
        has_room: Callable[[], bool] = lambda: True,
        first_stamp: int = 0,
        capacity: int = CAPACITY,
    ) -> None:
        """``has_room``: whether the disk could take more than a little. ``first_stamp``: what ``Transaction.stamp`` was last."""
        self._has_room = has_room
        self._connection = connection
        self._ceiling = ceiling
        self._born = time.monotonic() - first_stamp
        self._capacity = capacity
        self._queue: deque[_Queued] = deque()
        self._lock = threading.Lock()
        self._filled = threading.Condition(self._lock)
        self._emptied = threading.Condition(self._lock)
        self._closed = False
        self._trouble = ""
        self.times = Times()
        self.failed = 0
        self._thread = threading.Thread(target=self._run, name="store", daemon=True)
        self._thread.start()

    @property
    def trouble(self) -> str:
        """Why the last commit failed; empty when it did not. For the node's conditions (promise S3)."""
        return self._trouble

    @property
    def stamp(self) -> int:
        """Seconds that this node has run, over all its starts that left a trace."""
        return int(time.monotonic() - self._born)

    def put(self, work: Work, done: Done | None, timeout: float = ROOM_TIMEOUT) -> None:
        """Queue ``work``. Waits for room when the disk falls behind: the disk's pace is the only thing a loop ever waits for.

        The writer's own thread (a ``done`` that writes again) never waits.

        Raises:
            StoreError: closed, or no room within ``timeout`` seconds.
        """
        with self._lock:
            if len(self._queue) >= self._capacity and threading.current_thread() is not self._thread:
                deadline = time.monotonic() + timeout
                while len(self._queue) >= self._capacity and not self._closed:
                    if not self._emptied.wait(deadline - time.monotonic()):
                        raise StoreError(f"the disk does not keep up: {len(self._queue)} writes are waiting")
            if self._closed:
                raise StoreError("the store is closed")
            self._queue.append(_Queued(work, done))
            if len(self._queue) == 1:
                self._filled.notify()

    def close(self, timeout: float) -> bool:
        """Write what is queued and end. False: the thread still runs after ``timeout`` seconds."""
        with self._lock:
            self._closed = True
            self._filled.notify_all()
            self._emptied.notify_all()
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while True:
            batch = self._next_batch()
            if batch is None:
                self._commit([_Queued(_probe, lambda error: None)])
            elif not batch:
                return
            else:
                self._commit(batch)

    def _next_batch(self) -> list[_Queued] | None:
        """None: it is time to look whether the trouble is over."""
        with self._lock:
            while not self._queue and not self._closed:
                if not self._filled.wait(PROBE_PAUSE if self._trouble else None):
                    return None
            size = min(len(self._queue), BATCH)
            batch = [self._queue.popleft() for _ in range(size)]
            self._emptied.notify_all()
            return batch

    def _commit(self, batch: list[_Queued]) -> None:
        began = time.monotonic()
        try:
            self._transact(batch)
        except Exception as exc:
            self._roll_back()
            self.failed += 1
            error = store_error(exc)
            if len(batch) > 1 and not isinstance(error, StoreFull):
                half = len(batch) // 2
                self._commit(batch[:half])
                self._commit(batch[half:])
                return
            self._note(error)
            self._tell(batch, error)
        else:
            self.times.add(time.monotonic() - began)
            self._note(None)
            self._tell(batch, None)

    def _transact(self, batch: list[_Queued]) -> None:
        self._connection.execute("BEGIN IMMEDIATE")
        tx = Transaction(self._connection, self.stamp)
        for queued in batch:
            queued.work(tx)
        tx.flush()
        if not (tx.owes_more or tx.keeps_more):
            self._connection.execute("COMMIT")
            return
        with self._ceiling.lock:
            self._ceiling.keep(tx)
            self._connection.execute("COMMIT")

    def _roll_back(self) -> None:
        try:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
        except sqlite3.Error:
            logger.exception("rolling back failed")

    def _note(self, error: StoreError | None) -> None:
        if error is None and self._trouble and not self._has_room():
            return  # a little goes into what the file has already; the next large write would fail again
        text = str(error) if isinstance(error, StoreFull) else ""
        if text and not self._trouble:
            logger.error("the database cannot be written: %s; what is owed is kept in memory until it can", text)
        elif self._trouble and not text and error is None:
            logger.info("the database can be written again")
        if text or error is None:
            self._trouble = text

    @staticmethod
    def _tell(batch: list[_Queued], error: StoreError | None) -> None:
        for queued in batch:
            if queued.done is None:
                if error is not None:
                    logger.error("a write was lost: %s", error)
                continue
            try:
                queued.done(error)
            except Exception:
                logger.exception("the receiver of a write's result failed")


def _probe(tx: Transaction) -> None:
    tx.execute(_PROBE)


def store_error(exc: Exception) -> StoreError:
    """Our error for whatever a work or SQLite raised; a full or read-only disk is told apart."""
    if isinstance(exc, StoreError):
        return exc
    code = getattr(exc, "sqlite_errorcode", 0) & 0xFF
    if isinstance(exc, sqlite3.Error) and code in _FULL_CODES:
        return StoreFull(str(exc))
    if isinstance(exc, sqlite3.Error) and code == sqlite3.SQLITE_IOERR:
        return StoreFull(f"{exc} (is the disk full or failing?)")
    if not isinstance(exc, sqlite3.Error):
        logger.error("a write failed", exc_info=exc)
    return StoreError(f"{type(exc).__name__}: {exc}")
