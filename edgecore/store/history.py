"""The ``history`` table: what was sampled on this board, a ring of segments under a cap of size and age (promises D7, S2).

A segment is what one commit took: samples of all properties together, packed (``viaduct.samples``). It is also the outbox of samples: what
is owed is read from here, and the cloud's acknowledgement takes the debt and leaves the segment. DeviceTwin alone adds; EdgeHub settles.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from edgecore.store.transaction import Transaction
from viaduct.codec import encode
from viaduct.message import new_message
from viaduct.resource import SAMPLES_RESOURCE
from viaduct.samples import content_of
from viaduct.vocabulary import Group, Operation, Source

LANE = "samples"

_OWED = "FROM history WHERE owed > 0 AND id > ?"
_FREED_AT_ONCE = 32
"""A full ring gives back this part of its room at a time: one commit pays for many."""


@dataclass(frozen=True, slots=True)
class Caps:
    """``max_age``: seconds that this node has run since, as of the outbox."""

    max_bytes: int = 64 * 1024 * 1024
    max_age: int = 30 * 24 * 3600


@dataclass(frozen=True, slots=True)
class Segment:
    """``first_ms`` and ``last_ms``: the oldest and the newest time in it. ``owed``: whether the cloud is to get it."""

    first_ms: int
    last_ms: int
    samples: int
    packed: bytes
    owed: bool


@dataclass(frozen=True, slots=True)
class Holding:
    """``oldest``: the ``Transaction.stamp`` of the oldest segment, None without any."""

    segments: int
    samples: int
    bytes: int
    oldest: int | None


@dataclass(frozen=True, slots=True)
class OwedSegment:
    """As of ``outbox.OwedRow``. ``id`` is below 0, which tells it from a row of the outbox."""

    id: int
    lane: str
    key: str | None
    msg_id: str
    text: str


def add(tx: Transaction, segments: Iterable[Segment]) -> None:
    for one in segments:
        row = (one.first_ms, one.last_ms, one.samples, one.samples if one.owed else 0, len(one.packed), tx.stamp)
        id_ = tx.execute("INSERT INTO history (first_ms, last_ms, samples, owed, size, stamp) VALUES (?, ?, ?, ?, ?, ?)", row).lastrowid
        tx.execute("INSERT INTO history_data VALUES (?, ?)", (id_, one.packed))
        tx.keeps_more = True


def between(tx: Transaction, since_ms: int, until_ms: int, *, before: int, limit: int) -> list[tuple[int, bytes]]:
    """(id, packed) of segments with an id below ``before`` that may hold samples of this time, newest first."""
    rows: list[tuple[int, bytes]] = tx.execute(
        "SELECT id, packed FROM history JOIN history_data USING (id)"
        " WHERE last_ms >= ? AND first_ms <= ? AND id < ? ORDER BY id DESC LIMIT ?",
        (since_ms, until_ms, before, limit),
    ).fetchall()
    return rows


def pending(tx: Transaction, after: int, limit: int, *, now_ms: int) -> list[OwedSegment]:
    """What is owed beyond the segment ``after`` (as its ``id`` says), oldest first, each as the message that carries it."""
    rows = tx.execute(f"SELECT id, samples {_OWED} ORDER BY id LIMIT ?", (-after, limit)).fetchall()
    return [_message(-id_, _packed(tx, id_), samples, now_ms) for id_, samples in rows]


def settled(tx: Transaction, ids: Sequence[int]) -> int:
    """These segments are owed no more. Returns how many samples that were owed are in them."""
    samples = 0
    for id_ in ids:
        found = tx.execute("SELECT owed FROM history WHERE id = ?", (-id_,)).fetchone()
        if found and found[0]:
            samples += found[0]
            tx.execute("UPDATE history SET owed = 0 WHERE id = ?", (-id_,))
    return samples


def held(tx: Transaction) -> Holding:
    return _holding(tx, "")


def owed(tx: Transaction) -> Holding:
    return _holding(tx, "WHERE owed > 0")


def newest_stamp(tx: Transaction) -> int:
    found = tx.execute("SELECT stamp FROM history ORDER BY id DESC LIMIT 1").fetchone()
    return found[0] if found else 0


def keep_caps(tx: Transaction, caps: Caps, *, handed_out: int) -> dict[str, int]:
    """Drop the oldest segments that exceed the caps; by reason, how many samples the cloud will never get. Those up to the row
    ``handed_out`` that are owed are left alone: the cloud may have them."""
    may_go = f"(owed = 0 OR id > {int(handed_out)})"
    old = tx.execute(f"SELECT id, owed FROM history WHERE stamp < ? AND {may_go}", (tx.stamp - caps.max_age,)).fetchall()
    lost = {"samples_age": _drop(tx, old)}
    excess = held(tx).bytes - caps.max_bytes
    if excess > 0:
        lost["samples_size"] = _drop(tx, _oldest(tx, may_go, excess + caps.max_bytes // _FREED_AT_ONCE))
    return lost


def _oldest(tx: Transaction, may_go: str, excess: int) -> list[tuple[int, int]]:
    going, freed = [], 0
    for id_, owed_, size in tx.execute(f"SELECT id, owed, size FROM history WHERE {may_go} ORDER BY id").fetchall():
        if freed >= excess:
            break
        going.append((id_, owed_))
        freed += size
    return going


def _drop(tx: Transaction, rows: Sequence[tuple[int, int]]) -> int:
    for table in ("history", "history_data"):
        tx.executemany(f"DELETE FROM {table} WHERE id = ?", [(id_,) for id_, _ in rows])
    return sum(owed_ for _, owed_ in rows)


def _holding(tx: Transaction, where: str) -> Holding:
    return Holding(
        *tx.execute(f"SELECT count(*), coalesce(sum(samples), 0), coalesce(sum(size), 0), min(stamp) FROM history {where}").fetchone()
    )


def _packed(tx: Transaction, id_: int) -> bytes:
    found: bytes = tx.execute("SELECT packed FROM history_data WHERE id = ?", (id_,)).fetchone()[0]
    return found


def _message(id_: int, packed: bytes, samples: int, now_ms: int) -> OwedSegment:
    """Its id is made anew each time: the cloud tells what it has by the samples themselves (P5.12)."""
    msg_id = str(uuid.uuid4())
    message = new_message(
        source=Source.TWIN,
        group=Group.RESOURCE,
        operation=Operation.UPLOAD,
        resource=SAMPLES_RESOURCE,
        now_ms=now_ms,
        content=content_of(packed, samples),
        msg_id=msg_id,
    )
    return OwedSegment(id_, LANE, None, msg_id, encode(message))
