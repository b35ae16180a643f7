"""The file of samples: statements in, values out, SQLite's errors turned into ours.

A sample is there once, by node, device, property and time, however often it comes. Samples of one property lie side by side, so that a
question about them reads few pages.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from cloudcore.datafile import DataFile
from cloudcore.errors import HistoryError
from cloudcore.history.sample import Batch, Caps, Query
from viaduct.samples import Series

_FILE = DataFile(
    "samples",
    HistoryError,
    """
CREATE TABLE IF NOT EXISTS series (
    id INTEGER PRIMARY KEY, node TEXT NOT NULL, device TEXT NOT NULL, property TEXT NOT NULL, type TEXT NOT NULL,
    number INTEGER NOT NULL DEFAULT 0,
    UNIQUE (node, device, property)
);
CREATE TABLE IF NOT EXISTS samples (
    series INTEGER NOT NULL, ms INTEGER NOT NULL, value TEXT NOT NULL, PRIMARY KEY (series, ms)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS dropped (reason TEXT PRIMARY KEY, count INTEGER NOT NULL) WITHOUT ROWID;
""",
)
_SERIES = (
    "INSERT INTO series (node, device, property, type) VALUES (?, ?, ?, ?)"
    " ON CONFLICT (node, device, property) DO UPDATE SET type = excluded.type RETURNING id"
)
_COUNT = "INSERT INTO dropped VALUES (?, ?) ON CONFLICT (reason) DO UPDATE SET count = count + excluded.count"
_DROPPED_AT_ONCE = 5000


class HistoryStore:
    """One connection of one process. Every method may block for as long as the disk does."""

    def __init__(self, path: Path, caps: Caps) -> None:
        """Open or make the file, mode 0600.

        Raises:
            HistoryError: it is not ours, or cannot be read or made.
        """
        self._caps = caps
        self.dropped: Counter[str] = Counter()
        self._connection = _FILE.open(path)
        try:
            self.dropped.update(dict(self._connection.execute("SELECT reason, count FROM dropped").fetchall()))
            self.held = int(self._connection.execute("SELECT coalesce(sum(number), 0) FROM series").fetchone()[0])
            """Samples in the file."""
        except sqlite3.Error as exc:
            self._connection.close()
            raise HistoryError(f"{path}: {exc}") from exc

    def close(self) -> None:
        self._connection.close()

    @property
    def bytes(self) -> int:
        """What the file holds, without what is free in it."""
        pages, free, size = (self._pragma(name) for name in ("page_count", "freelist_count", "page_size"))
        return (pages - free) * size

    def write(self, batches: Iterable[Batch]) -> list[int]:
        """Keep the samples, all or none, durable before it returns, and make room where the file is too large, which is counted in the same
        commit. Returns for each batch how many were not there.

        Raises:
            HistoryError: the disk refused; nothing was changed.
        """
        with _FILE.transaction(self._connection) as connection:
            kept = [sum(_keep(connection, batch.node, one) for one in batch.series) for batch in batches]
            dropped = self._make_room(connection) if self.bytes > self._caps.max_bytes else 0
            self._count("size", dropped)
        self._dropped("size", dropped)
        self.held += sum(kept)
        return kept

    def drop_old(self, now_ms: int) -> int:
        """Some of what has become too old; 0 where nothing has. In small steps, because the event loop waits.

        Raises:
            HistoryError: the disk refused.
        """
        before = now_ms - self._caps.max_age * 1000
        dropped = 0
        with _FILE.transaction(self._connection) as connection:
            for (series,) in connection.execute("SELECT id FROM series").fetchall():
                dropped += _drop(connection, series, before, _DROPPED_AT_ONCE - dropped)
                if dropped >= _DROPPED_AT_ONCE:
                    break
            self._count("age", dropped)
        self._dropped("age", dropped)
        return dropped

    def _make_room(self, connection: sqlite3.Connection) -> int:
        """The oldest of the node that has most, so that no flood takes what is another's (D8)."""
        found = connection.execute("SELECT node FROM series GROUP BY node ORDER BY sum(number) DESC LIMIT 1").fetchone()
        if found is None:
            return 0
        rows = connection.execute("SELECT id, number FROM series WHERE node = ? AND number > 0", found).fetchall()
        share = _DROPPED_AT_ONCE / sum(number for _, number in rows) if rows else 0.0
        return sum(_drop(connection, series, 2**62, max(1, round(number * share))) for series, number in rows)

    def _count(self, reason: str, number: int) -> None:
        if number:
            self._connection.execute(_COUNT, (reason, number))

    def _dropped(self, reason: str, number: int) -> None:
        """After the commit."""
        if number:
            self.dropped[reason] += number
            self.held -= number

    def _pragma(self, name: str) -> int:
        return int(self._connection.execute(f"PRAGMA {name}").fetchone()[0])


def read(path: Path, query: Query) -> list[tuple[int, str]]:
    """(time, value) from the file of a CloudCore that may be running: it is neither held up nor changed.

    Raises:
        HistoryError: there is no such file, it is not one of samples, or knows no such property; then it says which it knows.
    """
    with _FILE.reading(path) as connection:
        rows = connection.execute(
            "SELECT ms, value FROM samples WHERE series = ? AND ms BETWEEN ? AND ? ORDER BY ms DESC LIMIT ?",
            (_series_of(connection, query), query.since_ms, query.until_ms, query.limit),
        ).fetchall()
    return rows[::-1]


def _series_of(connection: sqlite3.Connection, query: Query) -> int:
    found = connection.execute(
        "SELECT id FROM series WHERE node = ? AND device = ? AND property = ?", (query.node, query.device, query.property)
    ).fetchone()
    if found:
        return int(found[0])
    known = connection.execute("SELECT property FROM series WHERE node = ? AND device = ? LIMIT 20", (query.node, query.device)).fetchall()
    if known:
        raise HistoryError(
            f"no samples of {query.property} of {query.node}/{query.device}; there are of: {', '.join(sorted(p for (p,) in known))}"
        )
    devices = connection.execute("SELECT DISTINCT node || '/' || device FROM series LIMIT 20").fetchall()
    if not devices:
        raise HistoryError("no samples yet of any device; which properties are kept, their Devices say (collectCycle)")
    raise HistoryError(f"no samples of {query.node}/{query.device}; there are of: {', '.join(sorted(d for (d,) in devices))}")


def _keep(connection: sqlite3.Connection, node: str, one: Series) -> int:
    (series,) = connection.execute(_SERIES, (node, one.device, one.property, one.type)).fetchall()[0]
    rows = [(series, time, value) for time, value in zip(one.times, one.values, strict=True)]
    kept = connection.executemany("INSERT OR IGNORE INTO samples VALUES (?, ?, ?)", rows).rowcount
    if kept:
        connection.execute("UPDATE series SET number = number + ? WHERE id = ?", (kept, series))
    return kept


def _drop(connection: sqlite3.Connection, series: int, before_ms: int, most: int) -> int:
    """The oldest samples of ``series`` that are older than ``before_ms``, at most ``most``."""
    found = connection.execute(
        "SELECT ms FROM samples WHERE series = ? AND ms < ? ORDER BY ms LIMIT ?", (series, before_ms, most)
    ).fetchall()
    if not found:
        return 0
    dropped = connection.execute("DELETE FROM samples WHERE series = ? AND ms <= ?", (series, found[-1][0])).rowcount
    connection.execute("UPDATE series SET number = number - ? WHERE id = ?", (dropped, series))
    return dropped
