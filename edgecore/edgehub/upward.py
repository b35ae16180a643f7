"""What is on its way up: rows of the outbox and the newest node status, over ``viaduct.delivery`` (P4.4). No I/O, no clock.

A *slot* is one place in the delivery. While it waits, a newer row of the same key takes its place, so a lane never holds two states of one
key. What is in flight is never changed; a newer one waits behind it.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Protocol

from viaduct.delivery import Delivery, Timing
from viaduct.message import Header, Message, Route

_FIRST_PAUSE = 2.0
_LONGEST_PAUSE = 60.0


class Row(Protocol):
    """``edgecore.store.outbox.OwedRow``: ``key`` is None for an event, ``text`` the encoded message."""

    @property
    def id(self) -> int: ...
    @property
    def lane(self) -> str: ...
    @property
    def key(self) -> str | None: ...
    @property
    def msg_id(self) -> str: ...
    @property
    def text(self) -> str: ...


@dataclass(slots=True)
class _Slot:
    lane: str
    key: str | None
    row_ids: list[int]
    msg_id: str
    text: str
    refusals: int = 0


class Upward:
    """One connection's worth: made anew at each connect, when everything owed is offered again."""

    def __init__(self, timing: Timing) -> None:
        self._delivery = Delivery(timing)
        self._slots: dict[str, _Slot] = {}
        self._replaceable: dict[str, str] = {}
        self._flying: dict[str, str] = {}
        self._numbers = itertools.count()

    @property
    def waiting(self) -> int:
        return self._delivery.waiting

    @property
    def resent(self) -> int:
        return self._delivery.resent

    def offer(self, row: Row) -> None:
        """A row of the outbox."""
        self._place(row.lane, row.key, [row.id], row.msg_id, row.text)

    def offer_state(self, key: str, msg_id: str, text: str) -> None:
        """A state that is in no table: the newest of ``key`` counts."""
        self._place(key, key, [], msg_id, text)

    def due(self, now: float) -> list[tuple[str, str]]:
        """(msg_id, text) of what to send now."""
        sent = []
        for message in self._delivery.due(now):
            slot = self._slots[message.id]
            if slot.key is not None and self._replaceable.get(slot.key) == message.id:
                del self._replaceable[slot.key]
            self._flying[slot.msg_id] = message.id
            sent.append((slot.msg_id, slot.text))
        return sent

    def knows(self, msg_id: str) -> bool:
        return msg_id in self._flying

    def settle(self, msg_id: str, now: float) -> list[int]:
        """The cloud has taken ``msg_id`` (or refused it for good): the rows that it stood for."""
        name = self._flying.pop(msg_id, None)
        if name is None:
            return []
        self._delivery.acknowledged(name, now)
        return self._slots.pop(name).row_ids

    def put_off(self, msg_id: str, now: float) -> float:
        """The cloud cannot take ``msg_id`` now: again after a pause (returned, seconds) that grows with each refusal."""
        name = self._flying.get(msg_id)
        if name is None:
            return 0.0
        slot = self._slots[name]
        pause: float = min(_FIRST_PAUSE * 2.0 ** min(slot.refusals, 16), _LONGEST_PAUSE)
        slot.refusals += 1
        self._delivery.put_off(name, now, pause)
        return pause

    def next_time(self) -> float | None:
        return self._delivery.next_time()

    def _place(self, lane: str, key: str | None, row_ids: list[int], msg_id: str, text: str) -> None:
        waiting = self._replaceable.get(key) if key is not None else None
        if waiting is not None:
            slot = self._slots[waiting]
            slot.row_ids, slot.msg_id, slot.text = row_ids, msg_id, text
            return
        name = str(next(self._numbers))
        self._slots[name] = _Slot(lane, key, row_ids, msg_id, text)
        if key is not None:
            self._replaceable[key] = name
        self._delivery.offer(lane, Message(Header(name, 0), Route()), replaces=False)
