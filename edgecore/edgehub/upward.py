"""What is on its way up: rows of the outbox and the newest node status, over ``viaduct.delivery`` (P4.4). No I/O, no clock.

A *slot* is one place in the delivery. While it waits, a newer row of the same key takes its place, so a lane never holds two states of one
key. What is in flight is never changed; a newer one waits behind it.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Protocol

from edgecore.edgehub.backlog import Backlog, Pace
from viaduct.delivery import Delivery, Timing
from viaduct.message import Header, Message, Route

_NO_RANK = -1
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


@dataclass(frozen=True, slots=True)
class _Event:
    id: int
    lane: str
    msg_id: str
    text: str


@dataclass(slots=True)
class _Slot:
    rank: int
    lane: str
    key: str | None
    row_ids: list[int]
    msg_id: str
    text: str
    refusals: int = 0


class Upward:
    """One connection's worth: made anew at each connect, when everything owed is offered again.

    Each rank of states has a delivery of its own, so that no rank waits for another; events share one, behind the backlog.
    """

    def __init__(self, timing: Timing, pace: Pace | None = None) -> None:
        self._timing = timing
        self._states: dict[int, Delivery] = {}
        self._events = Delivery(timing)
        self._backlog: Backlog[_Event] = Backlog(pace or Pace())
        self._slots: dict[str, _Slot] = {}
        self._replaceable: dict[str, str] = {}
        self._flying: dict[str, str] = {}
        self._numbers = itertools.count()

    @property
    def in_flight(self) -> int:
        return len(self._flying)

    @property
    def resent(self) -> int:
        return self._events.resent + sum(delivery.resent for delivery in self._states.values())

    def waiting(self, rank: int) -> int:
        """What of ``rank`` is here and not yet on its way."""
        states = self._states.get(rank)
        return self._backlog.waiting(rank) + (states.waiting if states is not None else 0)

    def offer(self, rank: int, row: Row) -> None:
        """A row of the outbox; lower ranks go first."""
        if row.key is None:
            self._backlog.add(rank, _Event(row.id, row.lane, row.msg_id, row.text))
        else:
            self._place(rank, row.lane, row.key, [row.id], row.msg_id, row.text)

    def offer_state(self, rank: int, key: str, msg_id: str, text: str) -> None:
        """A state that is in no table: the newest of ``key`` counts."""
        self._place(rank, key, key, [], msg_id, text)

    def due(self, now: float) -> list[tuple[str, str]]:
        """(msg_id, text) of what to send now, states before events."""
        for event in self._backlog.take(now):
            self._offer(self._events, _Slot(_NO_RANK, event.lane, None, [event.id], event.msg_id, event.text))
        sent = []
        for delivery in (*(self._states[rank] for rank in sorted(self._states)), self._events):
            for message in delivery.due(now):
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
        slot = self._slots.pop(name)
        self._delivery_of(slot).acknowledged(name, now)
        if slot.key is None:
            self._backlog.settled(slot.lane)
        return slot.row_ids

    def put_off(self, msg_id: str, now: float) -> float:
        """The cloud cannot take ``msg_id`` now: again after a pause (returned, seconds) that grows with each refusal."""
        name = self._flying.get(msg_id)
        if name is None:
            return 0.0
        slot = self._slots[name]
        pause: float = min(_FIRST_PAUSE * 2.0 ** min(slot.refusals, 16), _LONGEST_PAUSE)
        slot.refusals += 1
        self._delivery_of(slot).put_off(name, now, pause)
        if slot.key is None:
            self._backlog.put_off(slot.lane)
        return pause

    def next_time(self) -> float | None:
        times = [self._events.next_time(), self._backlog.next_time(), *(delivery.next_time() for delivery in self._states.values())]
        return min((when for when in times if when is not None), default=None)

    def _place(self, rank: int, lane: str, key: str, row_ids: list[int], msg_id: str, text: str) -> None:
        waiting = self._replaceable.get(key)
        if waiting is not None:
            slot = self._slots[waiting]
            slot.row_ids, slot.msg_id, slot.text = row_ids, msg_id, text
            return
        if rank not in self._states:
            self._states[rank] = Delivery(self._timing)
        self._replaceable[key] = self._offer(self._states[rank], _Slot(rank, lane, key, row_ids, msg_id, text))

    def _offer(self, delivery: Delivery, slot: _Slot) -> str:
        name = str(next(self._numbers))
        self._slots[name] = slot
        delivery.offer(slot.lane, Message(Header(name, 0), Route()), replaces=False)
        return name

    def _delivery_of(self, slot: _Slot) -> Delivery:
        return self._events if slot.key is None else self._states[slot.rank]
