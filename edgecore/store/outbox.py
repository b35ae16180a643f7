"""The ``outbox`` table: what this node owes the cloud, durable until the cloud has taken it (promises D3, D4, D7).

State rows have a ``key``: a newer one takes the place of the older one, with an id of its own, so settling the older one cannot remove it.
Event rows have none: they are appended and keep their order within their lane. EdgeHub alone reads and settles; whoever owes something
calls ``owe`` inside the transaction that changed its own tables, and tells EdgeHub ``OutboxChanged`` after the commit.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from edgecore.store.transaction import Transaction
from viaduct.codec import encode
from viaduct.message import Message

_STATE = "INSERT OR REPLACE INTO outbox (lane, key, msg_id, message, created_ms) VALUES (?, ?, ?, ?, ?)"
_EVENT = "INSERT INTO outbox (lane, key, msg_id, message, created_ms) VALUES (?, NULL, ?, ?, ?)"


@dataclass(frozen=True, slots=True)
class OwedRow:
    """``key`` is None for an event. ``text`` is the encoded message, ready to send. ``lane`` is what must stay in order."""

    id: int
    lane: str
    key: str | None
    msg_id: str
    text: str


def owe(tx: Transaction, message: Message, *, key: str | None = None, lane: str) -> None:
    """Owe ``message`` to the cloud: as the newest state of ``key``, or as an event of ``lane``."""
    owe_text(tx, message.id, encode(message), message.header.timestamp, key=key, lane=lane)


def owe_text(tx: Transaction, msg_id: str, text: str, now_ms: int, *, key: str | None, lane: str) -> None:
    """The same for a message that is already encoded."""
    if key is None:
        tx.execute(_EVENT, (lane, msg_id, text, now_ms))
    else:
        tx.keep_last(_STATE, key, (lane, key, msg_id, text, now_ms))


def take_back(tx: Transaction, key: str) -> None:
    """Owe the state of ``key`` no longer: what it described is gone."""
    tx.execute("DELETE FROM outbox WHERE key = ?", (key,))


def pending_states(tx: Transaction, after_id: int, limit: int) -> list[OwedRow]:
    """State rows with an id above ``after_id``, oldest first."""
    return _rows(tx, "key IS NOT NULL", after_id, limit)


def pending_events(tx: Transaction, after_id: int, limit: int) -> list[OwedRow]:
    """Event rows with an id above ``after_id``, oldest first."""
    return _rows(tx, "key IS NULL", after_id, limit)


def settled(tx: Transaction, ids: Iterable[int]) -> None:
    """The cloud has taken these rows (or refused them for good)."""
    tx.executemany("DELETE FROM outbox WHERE id = ?", [(id_,) for id_ in ids])


def count(tx: Transaction) -> int:
    found: int = tx.execute("SELECT count(*) FROM outbox").fetchone()[0]
    return found


def trim_events(tx: Transaction, keep: int) -> int:
    """Drop the oldest events beyond ``keep``. Returns how many were dropped, for the caller's count (promise D7)."""
    return tx.execute(
        "DELETE FROM outbox WHERE key IS NULL AND id <= (SELECT id FROM outbox WHERE key IS NULL ORDER BY id DESC LIMIT 1 OFFSET ?)",
        (keep,),
    ).rowcount


def _rows(tx: Transaction, which: str, after_id: int, limit: int) -> list[OwedRow]:
    rows = tx.execute(
        f"SELECT id, lane, key, msg_id, message FROM outbox WHERE {which} AND id > ? ORDER BY id LIMIT ?", (after_id, limit)
    ).fetchall()
    return [OwedRow(*row) for row in rows]
