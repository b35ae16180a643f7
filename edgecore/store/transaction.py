"""What a piece of work may do with the database: run statements, or owe one row whose last value counts."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any

Parameters = Sequence[Any]


class Transaction:
    """A handle on the open transaction. Valid only inside the work (or read) that received it.

    ``stamp``: seconds that this node has run, over all its starts. Unlike the clock it never jumps. ``owes_more``: set by who added events
    to the outbox, so that its caps are looked at before the commit; ``keeps_more`` likewise by who added samples to the history.
    """

    def __init__(self, connection: sqlite3.Connection, stamp: int = 0) -> None:
        self.stamp = stamp
        self.owes_more = False
        self.keeps_more = False
        self._cursor = connection.cursor()
        self._kept: dict[str, dict[Any, Parameters]] = {}

    def execute(self, sql: str, parameters: Parameters = ()) -> sqlite3.Cursor:
        """Run one statement now; its cursor gives ``fetchall()`` and ``rowcount`` and is used again by the next statement."""
        if self._kept:
            self.flush()
        return self._cursor.execute(sql, parameters)

    def executemany(self, sql: str, rows: Iterable[Parameters]) -> None:
        if self._kept:
            self.flush()
        self._cursor.executemany(sql, rows)

    def keep_last(self, sql: str, key: Any, parameters: Parameters) -> None:
        """Run ``sql`` before the commit, but only with the last ``parameters`` given for ``key``.

        For upserts of one row, whose earlier values within one commit nobody can see. This is what makes thousands of updates a
        second cheap. Any ``execute`` runs what is kept first, so the order of effects is the order of calls for one row.
        """
        rows = self._kept.get(sql)
        if rows is None:
            rows = self._kept[sql] = {}
        elif key in rows:
            del rows[key]
        rows[key] = parameters

    def flush(self) -> None:
        """Run what ``keep_last`` gathered."""
        kept, self._kept = self._kept, {}
        for sql, rows in kept.items():
            self._cursor.executemany(sql, rows.values())
