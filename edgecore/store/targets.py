"""The ``target_urls`` table: URLs in the cloud that applications on this node may ask. Only ServiceBus opens it."""

from __future__ import annotations

from edgecore.store.transaction import Transaction


def add(tx: Transaction, url: str) -> None:
    tx.execute("INSERT OR IGNORE INTO target_urls (url) VALUES (?)", (url,))


def remove(tx: Transaction, url: str) -> None:
    tx.execute("DELETE FROM target_urls WHERE url = ?", (url,))


def load_all(tx: Transaction) -> list[str]:
    return [url for (url,) in tx.execute("SELECT url FROM target_urls ORDER BY url").fetchall()]
