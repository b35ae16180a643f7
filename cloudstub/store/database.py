"""The door to SQLite: statements in, rows out, its errors turned into ours."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from cloudstub.errors import CloudstubError, StorageFull
from cloudstub.store.records import DELETED, Change, Key, Record
from cloudstub.store.schema import PRAGMAS, TABLES, VERSION


class StoreError(CloudstubError):
    """The file cannot be used as a store."""


class LoggedChange:
    """A row of the change log: what happened to which key, and the body it had before."""

    __slots__ = ("before", "key", "revision", "type")

    def __init__(self, revision: int, type_: str, key: Key, before: bytes | None) -> None:
        self.revision = revision
        self.type = type_
        self.key = key
        self.before = before


class Database:
    """One connection, owned by one process. Every method may block for as long as the disk does."""

    def __init__(self, path: Path) -> None:
        """Open or make the file.

        Raises:
            StoreError: it is not ours, not readable, or another process has it.
        """
        self._path = path
        try:
            if not path.exists():
                path.touch(mode=0o600)
            self._connection = sqlite3.connect(path, isolation_level=None)
            for pragma in PRAGMAS:
                self._connection.execute(pragma)
            self._adopt_schema()
        except (sqlite3.Error, OSError) as exc:
            raise StoreError(f"store {path}: {exc}") from exc

    def _adopt_schema(self) -> None:
        (found,) = self._connection.execute("PRAGMA user_version").fetchone()
        if found not in (0, VERSION):
            raise StoreError(f"store {self._path}: schema version {found}, this program knows {VERSION}")
        self._connection.executescript(f"BEGIN IMMEDIATE; {TABLES} PRAGMA user_version={VERSION}; COMMIT;")

    def close(self) -> None:
        self._connection.close()

    def records(self) -> Iterator[Record]:
        """Every current object."""
        for resource, namespace, name, uid, revision, body in self._connection.execute(
            "SELECT resource, namespace, name, uid, revision, body FROM objects"
        ):
            yield Record(Key(resource, namespace, name), uid, revision, body)

    def revision(self) -> int:
        """The newest revision ever given; 0 in an empty store."""
        (newest,) = self._connection.execute(
            "SELECT max(coalesce((SELECT max(revision) FROM changes), 0), coalesce((SELECT max(revision) FROM objects), 0))"
        ).fetchone()
        return int(newest)

    def compacted(self) -> int:
        """The newest revision whose change is no longer told."""
        row = self._connection.execute("SELECT value FROM meta WHERE name='compacted'").fetchone()
        return int(row[0]) if row else 0

    def changes_after(self, revision: int, resource: str) -> list[LoggedChange]:
        """The changes of one resource, oldest first."""
        rows = self._connection.execute(
            "SELECT revision, type, namespace, name, before FROM changes WHERE revision > ? AND resource = ? ORDER BY revision",
            (revision, resource),
        )
        return [LoggedChange(at, type_, Key(resource, ns, name), before) for at, type_, ns, name, before in rows]

    def write(self, changes: Iterable[Change], *, at_ms: int) -> None:
        """Make the changes, all or none, durable before it returns.

        Raises:
            StorageFull: the disk refused; nothing was changed.
        """
        rows = list(changes)
        with self._transaction() as connection:
            connection.executemany(
                "INSERT INTO changes VALUES (?,?,?,?,?,?,?)",
                [(c.revision, at_ms, c.type, *c.key, c.before.body if c.before else None) for c in rows],
            )
            # The last change of a key decides what is current.
            final = {c.key: c for c in rows}.values()
            connection.executemany(
                "INSERT OR REPLACE INTO objects VALUES (?,?,?,?,?,?)",
                [(*c.key, c.after.uid, c.revision, c.after.body) for c in final if c.type != DELETED],
            )
            connection.executemany(
                "DELETE FROM objects WHERE resource=? AND namespace=? AND name=?",
                [tuple(c.key) for c in final if c.type == DELETED],
            )

    def compact(self, *, keep_newest: int, older_than_ms: int) -> int:
        """Forget changes that are both older than ``older_than_ms`` or beyond ``keep_newest`` rows; the newest row stays.

        Returns:
            The newest forgotten revision.
        """
        newest = self.revision()
        row = self._connection.execute("SELECT max(revision) FROM changes WHERE at_ms < ?", (older_than_ms,)).fetchone()
        limit = min(max(newest - keep_newest, row[0] or 0), newest - 1)
        if limit <= self.compacted():
            return self.compacted()
        with self._transaction() as connection:
            connection.execute("DELETE FROM changes WHERE revision <= ?", (limit,))
            connection.execute("INSERT OR REPLACE INTO meta VALUES ('compacted', ?)", (limit,))
        return limit

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            yield self._connection
            self._connection.execute("COMMIT")
        except sqlite3.Error as exc:
            self._roll_back()
            raise StorageFull(f"the store refused the write: {exc}") from exc
        except BaseException:
            self._roll_back()
            raise

    def _roll_back(self) -> None:
        try:
            self._connection.execute("ROLLBACK")
        except sqlite3.Error:
            # SQLite has already rolled back by itself after a full disk.
            pass
