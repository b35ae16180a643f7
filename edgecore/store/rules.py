"""The ``rule_state`` table: what a rule has done, so that it does not do it again after a restart. Only Rules opens it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import astuple, dataclass

from edgecore.store.transaction import Transaction

FILE_PREFIX = "file/"
"""With it begin the keys of rules that come from files; others are those of MetaManager."""

_SAVE = (
    "INSERT INTO rule_state (key, digest, fired, fired_ms, times) VALUES (?, ?, ?, ?, ?) ON CONFLICT (key) DO UPDATE SET"
    " digest = excluded.digest, fired = excluded.fired, fired_ms = excluded.fired_ms, times = excluded.times"
)


@dataclass(frozen=True, slots=True)
class RuleRow:
    """``digest``: of what the rule said. ``fired``: it has, and its condition was not false since. ``fired_ms``: when it did last, by the
    clock; ``times``: how often. Both are 0 before the first."""

    key: str
    digest: str
    fired: bool = False
    fired_ms: int = 0
    times: int = 0


def load_all(tx: Transaction) -> dict[str, RuleRow]:
    rows = tx.execute("SELECT key, digest, fired, fired_ms, times FROM rule_state").fetchall()
    return {row[0]: RuleRow(row[0], row[1], bool(row[2]), row[3], row[4]) for row in rows}


def save(tx: Transaction, row: RuleRow) -> None:
    tx.keep_last(_SAVE, row.key, astuple(row))


def delete(tx: Transaction, keys: Iterable[str]) -> None:
    tx.executemany("DELETE FROM rule_state WHERE key = ?", [(key,) for key in keys])
