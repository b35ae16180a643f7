"""The ``outbox`` table: what this node owes the cloud, durable until the cloud has taken it (promises D3, D4, D7).

State rows have a ``key``: a newer one takes the place of the older one, with an id of its own, so settling the older one cannot remove it.
Event rows have none: they are appended and keep their order within their lane. EdgeHub alone reads and settles; whoever owes something
calls ``owe`` inside the transaction that changed its own tables, and tells EdgeHub ``OutboxChanged`` after the commit.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import IntEnum

from edgecore.store import history
from edgecore.store.transaction import Transaction
from viaduct.codec import encode
from viaduct.message import Message

_COLUMNS = "(lane, key, msg_id, message, created_ms, rank, size, stamp)"
_STATE = f"INSERT OR REPLACE INTO outbox {_COLUMNS} VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
_EVENT = f"INSERT INTO outbox {_COLUMNS} VALUES (?, NULL, ?, ?, ?, ?, ?, ?)"

# The key's index holds the ids too, so only rows that are wanted are fetched; without the plus signs SQLite would walk through all events.
_STATES_AFTER = (
    "SELECT id, lane, key, msg_id, message FROM outbox WHERE id IN"
    " (SELECT id FROM outbox WHERE key > '' AND rank = ? AND +id > ? ORDER BY +id LIMIT ?) ORDER BY id"
)
_OF_EVENTS = "FROM outbox INDEXED BY outbox_events WHERE key IS NULL AND rank = ?"
_EVENTS_AFTER = f"SELECT id, lane, key, msg_id, message {_OF_EVENTS} AND id > ? ORDER BY id LIMIT ?"


class Rank(IntEnum):
    """What goes first, and what stays longest: the lower, the dearer. The first two are states, the others events."""

    STATUS = 0
    """Pods."""
    DEVICE = 1
    """States and reported values of devices: one rank, because the order within a device holds for both (D3)."""
    EVENT = 2
    UPLOAD = 3
    SAMPLES = 4
    """Of the ``history`` table, which is their outbox too."""


EVENT_RANKS = (Rank.EVENT, Rank.UPLOAD)
"""Those that are appended, and so need a cap."""


@dataclass(frozen=True, slots=True)
class OwedRow:
    """``key`` is None for an event. ``text`` is the encoded message, ready to send. ``lane`` is what must stay in order."""

    id: int
    lane: str
    key: str | None
    msg_id: str
    text: str


@dataclass(frozen=True, slots=True)
class Held:
    """Rows of one rank: how many, their bytes, and the ``Transaction.stamp`` of the oldest one (None without rows)."""

    rows: int
    bytes: int
    oldest: int | None


def rank_of(key: str | None, lane: str) -> Rank:
    if key is not None:
        return Rank.STATUS if key.startswith("podstatus/") else Rank.DEVICE
    return Rank.UPLOAD if lane.startswith("upload/") else Rank.EVENT


def owe(tx: Transaction, message: Message, *, key: str | None = None, lane: str) -> None:
    """Owe ``message`` to the cloud: as the newest state of ``key``, or as an event of ``lane``."""
    owe_text(tx, message.id, encode(message), message.header.timestamp, key=key, lane=lane)


def owe_text(tx: Transaction, msg_id: str, text: str, now_ms: int, *, key: str | None, lane: str) -> None:
    """The same for a message that is already encoded."""
    size = len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
    rank = int(rank_of(key, lane))
    if key is None:
        tx.execute(_EVENT, (lane, msg_id, text, now_ms, rank, size, tx.stamp))
        tx.owes_more = True
    else:
        tx.keep_last(_STATE, key, (lane, key, msg_id, text, now_ms, rank, size, tx.stamp))


def take_back(tx: Transaction, key: str) -> None:
    """Owe the state of ``key`` no longer: what it described is gone."""
    tx.execute("DELETE FROM outbox WHERE key = ?", (key,))


def pending(tx: Transaction, rank: Rank, after_id: int, limit: int) -> list[OwedRow]:
    """Rows of ``rank`` with an id above ``after_id``, oldest first."""
    query = _EVENTS_AFTER if rank in EVENT_RANKS else _STATES_AFTER
    return [OwedRow(*row) for row in tx.execute(query, (int(rank), after_id, limit)).fetchall()]


def settled(tx: Transaction, ids: Iterable[int]) -> None:
    """The cloud has taken these rows. Those of the history stay there and are owed no more (``history.OWED_ID``)."""
    taken = list(ids)
    tx.executemany("DELETE FROM outbox WHERE id = ?", [(id_,) for id_ in taken if id_ > 0])
    history.settled(tx, [id_ for id_ in taken if id_ < 0])


def refused(tx: Transaction, ids: Iterable[int]) -> None:
    """The cloud will never take these rows: drop and count them. Of the history every sample is counted; the board keeps them."""
    taken = list(ids)
    rows = [id_ for id_ in taken if id_ > 0]
    count_dropped(tx, "refused", sum(tx.execute("DELETE FROM outbox WHERE id = ?", (id_,)).rowcount for id_ in rows))
    count_dropped(tx, "samples_refused", history.settled(tx, [id_ for id_ in taken if id_ < 0]))


def look_at_caps(tx: Transaction) -> None:
    """Let this transaction drop what has become too old, though it owes nothing more."""
    tx.owes_more = True


def count(tx: Transaction) -> int:
    found: int = tx.execute("SELECT count(*) FROM outbox").fetchone()[0]
    return found + history.owed(tx).segments


def held(tx: Transaction) -> dict[Rank, Held]:
    """What is owed, by rank. Walks through states only; events are counted as they come and go."""
    found: dict[Rank, Held] = {}
    states = tx.execute("SELECT rank, count(*), sum(size), min(stamp) FROM outbox WHERE key > '' GROUP BY +rank").fetchall()
    by_rank = {rank: Held(rows, size, oldest) for rank, rows, size, oldest in states}
    for rank in (Rank.STATUS, Rank.DEVICE):
        found[rank] = by_rank.get(rank, Held(0, 0, None))
    samples = history.owed(tx)
    return found | held_events(tx) | {Rank.SAMPLES: Held(samples.segments, samples.bytes, samples.oldest)}


def held_events(tx: Transaction) -> dict[Rank, Held]:
    """The same for events alone; costs nothing."""
    return {rank: _held_events(tx, rank) for rank in EVENT_RANKS}


def count_dropped(tx: Transaction, reason: str, number: int) -> None:
    """Something owed will never arrive: count it in the transaction that drops it, so that the count is true after any end (D7)."""
    if number:
        tx.execute(
            "INSERT INTO dropped (reason, count) VALUES (?, ?) ON CONFLICT (reason) DO UPDATE SET count = count + excluded.count",
            (reason, number),
        )


def dropped(tx: Transaction) -> dict[str, int]:
    """How many were dropped since this database was made, by reason."""
    return dict(tx.execute("SELECT reason, count FROM dropped ORDER BY reason").fetchall())


def events_in_order(tx: Transaction, rank: Rank, after_id: int) -> Iterator[tuple[int, int, int]]:
    """(id, size, stamp) of events of ``rank``, oldest first. No other statement may run while this is read."""
    for row in tx.execute(f"SELECT id, size, stamp {_OF_EVENTS} AND id > ? ORDER BY id", (int(rank), after_id)):  # noqa: UP028
        yield row  # not ``yield from``, which would close the transaction's cursor with the generator


def drop_events(tx: Transaction, rank: Rank, after_id: int, last_id: int, reason: str) -> int:
    """Drop the events of ``rank`` above ``after_id`` up to ``last_id``, and count them. Returns how many."""
    number = tx.execute(f"DELETE {_OF_EVENTS} AND id > ? AND id <= ?", (int(rank), after_id, last_id)).rowcount
    count_dropped(tx, reason, number)
    return number


def newest_stamp(tx: Transaction) -> int:
    """Where this node's count of seconds goes on after a restart."""
    found = tx.execute("SELECT stamp FROM outbox ORDER BY id DESC LIMIT 1").fetchone()
    return max(found[0] if found else 0, history.newest_stamp(tx))


def _held_events(tx: Transaction, rank: Rank) -> Held:
    rows, size = tx.execute("SELECT count, bytes FROM outbox_events_held WHERE rank = ?", (int(rank),)).fetchone()
    oldest = tx.execute(f"SELECT stamp {_OF_EVENTS} ORDER BY id LIMIT 1", (int(rank),)).fetchone()
    return Held(rows, size, oldest[0] if oldest else None)
