"""The ``sub_topics`` table: MQTT topics that the cloud asked this node to listen to. Only EventBus opens it."""

from __future__ import annotations

from edgecore.store.transaction import Transaction


def add(tx: Transaction, topic: str) -> None:
    tx.execute("INSERT OR IGNORE INTO sub_topics (topic) VALUES (?)", (topic,))


def remove(tx: Transaction, topic: str) -> None:
    tx.execute("DELETE FROM sub_topics WHERE topic = ?", (topic,))


def load_all(tx: Transaction) -> list[str]:
    return [topic for (topic,) in tx.execute("SELECT topic FROM sub_topics ORDER BY topic").fetchall()]
