"""The file of records: statements in, values out, SQLite's errors turned into ours."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from pathlib import Path

from cloudcore.datafile import DataFile
from cloudcore.errors import RecordsError
from cloudcore.records.record import Caps, Query, Record, greediest

# Rows keep the order in which they came, which is the board's order within a topic. ``held`` spares a walk through all of them.
_FILE = DataFile(
    "records",
    RecordsError,
    """
CREATE TABLE IF NOT EXISTS records (
    id INTEGER PRIMARY KEY AUTOINCREMENT, node TEXT NOT NULL, topic TEXT NOT NULL, msg_id TEXT NOT NULL,
    sent_ms INTEGER NOT NULL, stored_ms INTEGER NOT NULL, size INTEGER NOT NULL, content TEXT NOT NULL
);
CREATE UNIQUE INDEX IF NOT EXISTS records_once ON records (node, msg_id);
CREATE INDEX IF NOT EXISTS records_of_node ON records (node, id);
CREATE TABLE IF NOT EXISTS held (node TEXT PRIMARY KEY, number INTEGER NOT NULL, bytes INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS dropped (reason TEXT PRIMARY KEY, count INTEGER NOT NULL) WITHOUT ROWID;
""",
)
_INSERT = "INSERT OR IGNORE INTO records (node, topic, msg_id, sent_ms, stored_ms, size, content) VALUES (?, ?, ?, ?, ?, ?, ?)"
_HOLD = (
    "INSERT INTO held VALUES (?, ?, ?) ON CONFLICT (node) DO UPDATE SET number = number + excluded.number, bytes = bytes + excluded.bytes"
)
_COUNT = "INSERT INTO dropped VALUES (?, ?) ON CONFLICT (reason) DO UPDATE SET count = count + excluded.count"
_OLDEST = "SELECT id, node, size, stored_ms FROM records ORDER BY id LIMIT ?"
_DROPPED_AT_ONCE = 500


@dataclass(slots=True)
class Holding:
    """What the file holds, or how a commit changes it: by node the number of records and their bytes; how many were dropped by reason."""

    number: Counter[str] = field(default_factory=Counter)
    bytes: Counter[str] = field(default_factory=Counter)
    dropped: Counter[str] = field(default_factory=Counter)

    def add(self, node: str, number: int, size: int) -> None:
        self.number[node] += number
        self.bytes[node] += size

    def take_over(self, change: Holding) -> None:
        # ``update`` adds; ``+`` would lose what is not positive.
        self.number.update(change.number)
        self.bytes.update(change.bytes)
        self.dropped.update(change.dropped)


class RecordStore:
    """One connection of one process. Every method may block for as long as the disk does."""

    def __init__(self, path: Path, caps: Caps) -> None:
        """Open or make the file, mode 0600.

        Raises:
            RecordsError: it is not ours, or cannot be read or made.
        """
        self._caps = caps
        self._connection = _FILE.open(path)
        try:
            self.holding = _holding(self._connection)
            self._bytes = self.holding.bytes.total()
        except sqlite3.Error as exc:
            self._connection.close()
            raise RecordsError(f"{path}: {exc}") from exc

    def close(self) -> None:
        self._connection.close()

    def write(self, records: Iterable[Record], *, now_ms: int) -> int:
        """Keep the records, all or none, durable before it returns, and drop what the caps ask for, which is counted in the same commit.
        One that is there already, by node and id of its message, is left as it is. Returns how many were not there.

        Raises:
            RecordsError: the disk refused; nothing was changed.
        """
        change = Holding()
        with _FILE.transaction(self._connection) as connection:
            kept = sum(_keep(connection, record, change) for record in records)
            _drop_old(connection, now_ms - self._caps.max_age * 1000, change)
            self._make_room(connection, change)
            connection.executemany(_HOLD, [(node, change.number[node], change.bytes[node]) for node in change.bytes])
            connection.executemany(_COUNT, list(change.dropped.items()))
        self.holding.take_over(change)
        self._bytes += change.bytes.total()
        return kept

    def oldest_ms(self) -> int | None:
        """When the oldest record was stored."""
        row = self._connection.execute("SELECT stored_ms FROM records ORDER BY id LIMIT 1").fetchone()
        return int(row[0]) if row else None

    def _make_room(self, connection: sqlite3.Connection, change: Holding) -> None:
        while (excess := self._bytes + change.bytes.total() - self._caps.max_bytes) > 0:
            node = greediest({node: self.holding.bytes[node] + change.bytes[node] for node in {*self.holding.bytes, *change.bytes}})
            rows = connection.execute("SELECT id, node, size FROM records WHERE node = ? ORDER BY id LIMIT ?", (node, _DROPPED_AT_ONCE))
            going = []
            for row in rows.fetchall():
                going.append(row)
                excess -= row[2]
                if excess <= 0:
                    break
            _drop(connection, going, "size", change)


def read(path: Path, query: Query) -> list[Record]:
    """From the file of a CloudCore that may be running: it is neither held up nor changed.

    Raises:
        RecordsError: there is no such file, or it is not one of records.
    """
    conditions, values = ["stored_ms >= ?"], [query.since_ms]
    wanted: Sequence[tuple[str, str]] = (("node", query.node), ("topic", query.topic))
    chosen = [(column, value) for column, value in wanted if value]
    where = " AND ".join([*conditions, *(f"{column} = ?" for column, _ in chosen)])
    with _FILE.reading(path) as connection:
        rows = connection.execute(
            f"SELECT node, topic, msg_id, sent_ms, stored_ms, content FROM records WHERE {where} ORDER BY id DESC LIMIT ?",
            (*values, *(value for _, value in chosen), query.limit),
        ).fetchall()
    return [Record(*row) for row in reversed(rows)]


def _holding(connection: sqlite3.Connection) -> Holding:
    found = Holding()
    for node, number, size in connection.execute("SELECT node, number, bytes FROM held"):
        found.number[node], found.bytes[node] = number, size
    found.dropped.update(dict(connection.execute("SELECT reason, count FROM dropped").fetchall()))
    return found


def _keep(connection: sqlite3.Connection, record: Record, change: Holding) -> int:
    row = (record.node, record.topic, record.msg_id, record.sent_ms, record.stored_ms, record.size, record.content)
    kept = connection.execute(_INSERT, row).rowcount
    if kept:
        change.add(record.node, 1, record.size)
    return kept


def _drop_old(connection: sqlite3.Connection, before_ms: int, change: Holding) -> None:
    """Those at the front that are too old. After a clock was set back, later ones wait for those before them."""
    while _is_old(connection.execute(_OLDEST, (1,)).fetchall(), before_ms):
        rows = connection.execute(_OLDEST, (_DROPPED_AT_ONCE,)).fetchall()
        _drop(connection, [row[:3] for row in takewhile(lambda row: row[3] < before_ms, rows)], "age", change)


def _is_old(rows: list[tuple[int, str, int, int]], before_ms: int) -> bool:
    return bool(rows) and rows[0][3] < before_ms


def _drop(connection: sqlite3.Connection, rows: list[tuple[int, str, int]], reason: str, change: Holding) -> None:
    connection.executemany("DELETE FROM records WHERE id = ?", [(id_,) for id_, _, _ in rows])
    for _, node, size in rows:
        change.add(node, -1, -size)
    change.dropped[reason] += len(rows)
