"""The ``retained`` table: below which MQTT topics this node may have left something at a broker. Only EventBus opens it.

A prefix is a row from before the first message is retained there until nothing is left, so that a setting which is switched off, or
another name for the node, leaves nothing behind.
"""

from __future__ import annotations

from collections.abc import Iterable

from edgecore.store.transaction import Transaction


def add(tx: Transaction, prefixes: Iterable[str]) -> None:
    for prefix in prefixes:
        tx.execute("INSERT OR IGNORE INTO retained (prefix) VALUES (?)", (prefix,))


def remove(tx: Transaction, prefixes: Iterable[str]) -> None:
    for prefix in prefixes:
        tx.execute("DELETE FROM retained WHERE prefix = ?", (prefix,))


def load_all(tx: Transaction) -> list[str]:
    return [prefix for (prefix,) in tx.execute("SELECT prefix FROM retained ORDER BY prefix").fetchall()]
