"""The door to SQLite (through peewee): one file, one writer with group commit, one connection for reading.

WAL with synchronous=FULL: a power cut at any instant leaves a database that opens, with everything acknowledged in it (promise S1).
"""

from __future__ import annotations

import logging
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar, cast

from peewee import PeeweeException, SqliteDatabase

from edgecore.errors import StoreError
from edgecore.metrics.exposition import Times
from edgecore.store import history, outbox
from edgecore.store.ceiling import Caps, Ceiling
from edgecore.store.history import OwedSegment
from edgecore.store.outbox import OwedRow, Rank
from edgecore.store.schema import MIGRATIONS
from edgecore.store.transaction import Transaction
from edgecore.store.writer import Done, Work, Writer, store_error

logger = logging.getLogger(__name__)

T = TypeVar("T")

_WRITER_PRAGMAS: dict[str, str | int] = {
    "journal_mode": "wal",
    "synchronous": "full",
    "wal_autocheckpoint": 256,
    "foreign_keys": 1,
    "cache_size": -1024,
    "temp_store": "memory",
}
_READER_PRAGMAS: dict[str, str | int] = {"query_only": 1, "cache_size": -256}
_ROOM_BYTES = 512 * 1024
_SIDE_FILES = ("", "-wal", "-shm")


class Database:
    """Every thread may call every method."""

    def __init__(
        self, path: Path | str, *, caps: Caps | None = None, history_caps: history.Caps | None = None, capacity: int = 8192
    ) -> None:
        """Open or make the file at ``path`` (mode 0600). A corrupt one is put aside as ``<path>.corrupt`` and a fresh one made.
        ``caps``: how much may wait for the cloud; ``history_caps``: how many samples are kept.

        Raises:
            StoreError: the file can be neither opened nor made; StoreFull where the disk is full or read-only.
        """
        self._path = Path(path)
        self._writing = self._open_sound()
        self._reading = _connect(self._path, _READER_PRAGMAS)
        self._read_lock = threading.Lock()
        self._ceiling = Ceiling(caps or Caps(), history_caps)
        first_stamp = outbox.newest_stamp(Transaction(_raw(self._reading)))
        self._writer = Writer(_raw(self._writing), self._ceiling, has_room=self._has_room, first_stamp=first_stamp, capacity=capacity)

    @property
    def path(self) -> Path:
        return self._path

    @property
    def trouble(self) -> str:
        """Why nothing can be written now (disk full, read-only); empty when all is well."""
        return self._writer.trouble

    @property
    def commit_times(self) -> Times:
        return self._writer.times

    @property
    def commits_failed(self) -> int:
        return self._writer.failed

    def write(self, work: Work, done: Done | None = None) -> None:
        """Queue ``work``; works take effect in the order of the calls. ``done`` is called once in the writer's thread: with None
        after the COMMIT, or with the error when nothing of this work took effect. It must be short and must not wait.

        ``work`` may be run again when a neighbour in its batch failed, so it touches nothing but its transaction.

        Raises:
            StoreError: closed, or the disk has been behind for 30 s.
        """
        self._writer.put(work, done)

    def write_and_wait(self, work: Work, timeout: float = 10.0) -> None:
        """For rim threads and start-up. Raises StoreError (StoreFull) when nothing took effect, or when the result is not known
        within ``timeout`` seconds."""
        finished = threading.Event()
        outcome: list[StoreError | None] = []

        def done(error: StoreError | None) -> None:
            outcome.append(error)
            finished.set()

        self._writer.put(work, done, timeout)
        if not finished.wait(timeout):
            raise StoreError(f"the disk did not take a write within {timeout:g} s")
        if outcome[0] is not None:
            raise outcome[0]

    def read(self, work: Callable[[Transaction], T]) -> T:
        """What ``work`` makes of one consistent view of everything committed so far."""
        with self._read_lock:
            connection = _raw(self._reading)
            try:
                connection.execute("BEGIN")
                return work(Transaction(connection, self._writer.stamp))
            except sqlite3.Error as exc:
                raise store_error(exc) from exc
            finally:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")

    def hand_out(self, rank: Rank, after_id: int, limit: int) -> Sequence[OwedRow | OwedSegment]:
        """What is owed of ``rank`` beyond ``after_id``, to be sent: from now on the caps leave it alone. Raises StoreError."""
        if rank is Rank.SAMPLES:
            return self._hand_out_samples(after_id, limit)
        if rank not in outbox.EVENT_RANKS:
            return self.read(lambda tx: outbox.pending(tx, rank, after_id, limit))
        with self._ceiling.lock:
            rows = self.read(lambda tx: outbox.pending(tx, rank, after_id, limit))
            if rows:
                self._ceiling.hand_out(rank, rows[-1].id)
            return rows

    def _hand_out_samples(self, after_id: int, limit: int) -> list[OwedSegment]:
        with self._ceiling.lock:
            segments = self.read(lambda tx: history.pending(tx, after_id, limit, now_ms=time.time_ns() // 1_000_000))
            if segments:
                self._ceiling.hand_out(Rank.SAMPLES, -segments[-1].id)
            return segments

    def close(self, timeout: float = 10.0) -> None:
        """Write what is queued, then close."""
        if not self._writer.close(timeout):
            logger.error("the database did not finish writing within %g s", timeout)
            return
        with self._read_lock:
            self._reading.close()
        self._writing.close()

    def _has_room(self) -> bool:
        try:
            facts = os.statvfs(self._path.parent)
        except OSError:
            return False
        return facts.f_bavail * facts.f_frsize >= _ROOM_BYTES and not facts.f_flag & os.ST_RDONLY

    def _open_sound(self) -> SqliteDatabase:
        try:
            return _open(self._path)
        except _Corrupt as exc:
            aside = self._path.with_name(self._path.name + ".corrupt")
            logger.error("%s is corrupt (%s): put aside as %s, starting with an empty database", self._path, exc, aside.name)
            for side in _SIDE_FILES:
                damaged = Path(f"{self._path}{side}")
                if damaged.exists():
                    damaged.replace(f"{aside}{side}")
            return _open(self._path)


class _Corrupt(StoreError):
    pass


def _open(path: Path) -> SqliteDatabase:
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        os.chmod(path, 0o600)
    except OSError as exc:
        raise StoreError(f"cannot open {path}: {exc.strerror}") from exc
    database: SqliteDatabase | None = None
    try:
        database = _connect(path, _WRITER_PRAGMAS)
        connection = _raw(database)
        verdict = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        if verdict != "ok":
            raise _Corrupt(verdict)
        _migrate(connection, path)
        return database
    except (sqlite3.Error, PeeweeException, StoreError) as exc:
        if database is not None:
            database.close()
        raise _opening_error(path, exc) from exc


def _opening_error(path: Path, exc: Exception) -> StoreError:
    if isinstance(exc, StoreError):
        return exc
    cause = exc if isinstance(exc, sqlite3.Error) else exc.__cause__ or exc.__context__ or exc
    code = getattr(cause, "sqlite_errorcode", 0) & 0xFF
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return _Corrupt(str(cause))
    error = store_error(cause if isinstance(cause, Exception) else exc)
    return type(error)(f"cannot open {path}: {error}")


def _connect(path: Path, pragmas: Mapping[str, str | int]) -> SqliteDatabase:
    database = SqliteDatabase(str(path), pragmas=dict(pragmas), autoconnect=False, thread_safe=False, check_same_thread=False, timeout=5)
    database.connect()
    return database


def _raw(database: SqliteDatabase) -> sqlite3.Connection:
    """The standard library's connection: statements on the hot path do without peewee's share of the cost."""
    return cast(sqlite3.Connection, database.connection())  # type: ignore[no-untyped-call]


def _migrate(connection: sqlite3.Connection, path: Path) -> None:
    have = connection.execute("PRAGMA user_version").fetchone()[0]
    if have > len(MIGRATIONS):
        raise StoreError(f"{path} was written by a later Bramble (schema {have}, this one knows {len(MIGRATIONS)})")
    for version, statements in enumerate(MIGRATIONS[have:], start=have + 1):
        connection.execute("BEGIN IMMEDIATE")
        for statement in statements:
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {version}")
        connection.execute("COMMIT")
