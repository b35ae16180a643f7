"""A file of CloudCore's own beside the API: opened, written in transactions, read beside the running process. The one door to SQLite, with
the two stores whose statements go through it.

WAL with synchronous=FULL: what a transaction returned from survives a power cut (D1). A reader sees whole commits.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from cloudcore.errors import CloudCoreError

_PRAGMAS = (
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",
    "PRAGMA wal_autocheckpoint=1000",
    # Nobody else writes; a short wait, because the event loop waits with us.
    "PRAGMA busy_timeout=200",
)


@dataclass(frozen=True, slots=True)
class DataFile:
    """A kind of file. ``of``: what it holds, as errors say it; ``error``: what every method raises; ``tables``: statements that make
    ``version``, each of which may be said again."""

    of: str
    error: type[CloudCoreError]
    tables: str
    version: int = 1

    def open(self, path: Path) -> sqlite3.Connection:
        """Open the file or make it, mode 0600; for one process and one thread.

        Raises:
            ``error``: it is not of this kind and version, or cannot be read or made.
        """
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
            connection = sqlite3.connect(path, isolation_level=None)
        except (sqlite3.Error, OSError) as exc:
            raise self.error(f"{path}: {exc}") from exc
        try:
            for pragma in _PRAGMAS:
                connection.execute(pragma)
            if _version_of(connection) == 0:
                connection.executescript(f"BEGIN IMMEDIATE; {self.tables} PRAGMA user_version={self.version}; COMMIT;")
            self._check_version(path, connection)
        except sqlite3.Error as exc:
            connection.close()
            raise self.error(f"{path}: {exc}") from exc
        except CloudCoreError:
            connection.close()
            raise
        return connection

    @contextmanager
    def transaction(self, connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
        """All that is written within, or nothing of it.

        Raises:
            ``error``: the disk refused.
        """
        try:
            connection.execute("BEGIN IMMEDIATE")
            yield connection
            connection.execute("COMMIT")
        except sqlite3.Error as exc:
            raise self.error(f"the file of {self.of} refused the write: {exc}") from exc
        finally:
            if connection.in_transaction:
                connection.execute("ROLLBACK")

    @contextmanager
    def reading(self, path: Path) -> Iterator[sqlite3.Connection]:
        """The file of a CloudCore that may be running: it is neither held up nor changed.

        Raises:
            ``error``: there is no such file, or it is not of this kind.
        """
        try:
            found = path.is_file()
        except OSError as exc:
            raise self.error(f"{str(path)[:100]}: cannot be read: {exc.strerror}") from exc
        if not found:
            raise self.error(f"{path}: no such file; name the file of {self.of} with --file (edgesite keeps it in apiServer.dataDir)")
        try:
            with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=5)) as connection:
                self._check_version(path, connection)
                yield connection
        except sqlite3.Error as exc:
            raise self.error(f"{path}: {exc}") from exc

    def _check_version(self, path: Path, connection: sqlite3.Connection) -> None:
        found = _version_of(connection)
        if found != self.version:
            raise self.error(f"{path}: schema version {found}, this program knows {self.version}")


def _version_of(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])
