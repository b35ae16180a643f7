"""The database as somebody else's patient: opened for reading alone, beside a running EdgeCore or without one."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edgecore.errors import StoreError
from edgecore.store import metadata, outbox
from edgecore.store.outbox import Held, Rank
from edgecore.store.schema import MIGRATIONS
from edgecore.store.transaction import Transaction

KNOWN_SCHEMA = len(MIGRATIONS)
_BUSY_S = 5.0
_OUTBOX_SCHEMA = 2


@dataclass(frozen=True, slots=True)
class Inspection:
    """``flaw``: what SQLite's integrity check says, empty when all is well. ``rows`` by table, ``owed`` by rank; nothing of the contents.
    Bytes include the write-ahead log."""

    bytes: int
    schema: int
    flaw: str = ""
    rows: dict[str, int] = field(default_factory=dict)
    owed: dict[Rank, Held] = field(default_factory=dict)
    dropped: dict[str, int] = field(default_factory=dict)


def inspect(path: Path, *, deep: bool = True) -> Inspection:
    """Read it all with ``deep``, else only count.

    Raises:
        StoreError: it cannot be opened or read: not a database, no permission, damaged beyond counting.
    """
    size = sum(side.stat().st_size for side in (path, Path(f"{path}-wal")) if side.exists())
    with _reading(path) as connection:
        schema = int(connection.execute("PRAGMA user_version").fetchone()[0])
        flaw = _flaw(connection) if deep else ""
        if flaw:
            return Inspection(size, schema, flaw)
        tables = [
            name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
        ]
        rows = {name: int(connection.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0]) for name in sorted(tables)}
        transaction = Transaction(connection)
        if not _OUTBOX_SCHEMA <= schema <= KNOWN_SCHEMA:
            return Inspection(size, schema, rows=rows)
        return Inspection(size, schema, rows=rows, owed=outbox.held(transaction), dropped=outbox.dropped(transaction))


def secret_values(path: Path) -> set[str]:
    """The values of all Secrets in the database, as they stand there (base64): what must never be shown. Raises StoreError."""
    with _reading(path) as connection:
        rows = metadata.load_type(Transaction(connection), "secret")
    return {value for row in rows for value in _values(row.value)}


def token_values(path: Path) -> set[str]:
    """The tokens of service accounts in the database, as they are. Raises StoreError."""
    with _reading(path) as connection:
        rows = metadata.load_type(Transaction(connection), "serviceaccounttoken")
    return {token for row in rows if (token := _token(row.value))}


def _token(text: str) -> str:
    try:
        found: Any = json.loads(text)
    except ValueError:
        return ""
    return str(found.get("token") or "") if isinstance(found, dict) else ""


def _values(document: str) -> Iterator[str]:
    try:
        found: Any = json.loads(document)
    except ValueError:
        return
    for part in ("data", "stringData"):
        values = found.get(part) if isinstance(found, dict) else None
        if isinstance(values, dict):
            yield from (value for value in values.values() if isinstance(value, str))


def _flaw(connection: sqlite3.Connection) -> str:
    found = [str(row[0]) for row in connection.execute("PRAGMA integrity_check(3)")]
    return "" if found == ["ok"] else "; ".join(found)


@contextmanager
def _reading(path: Path) -> Iterator[sqlite3.Connection]:
    """On a disk that is read-only SQLite can have no lock: then nobody else writes either."""
    frozen = "" if os.access(path.parent, os.W_OK) else "&immutable=1"
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro{frozen}", uri=True, timeout=_BUSY_S)) as connection:
            yield connection
    except sqlite3.Error as exc:
        raise StoreError(f"{path}: {exc}") from exc
