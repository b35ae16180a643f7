"""Who is owed what: window, acknowledgement, retry time, newest version wins (P4; promises D2, D3, D4).

A state machine without a clock, used by both ends: CloudHub for what goes down, EdgeHub for what goes up. The caller says what time it is
(monotonic seconds) and does the sending.

A *lane* is what must stay in order: one object, one device, one source of events. At most one message of a lane is in flight. A message
offered with ``replaces=True`` takes the place of those of its lane that still wait, unless it is older than they are.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterator
from dataclasses import dataclass, replace

from viaduct.message import Message


@dataclass(frozen=True, slots=True)
class Timing:
    """``window``: messages in flight; retry after ``factor`` × measured round trip, between the bounds, doubling (seconds)."""

    window: int = 64
    first_retry: float = 5.0
    min_retry: float = 1.0
    max_retry: float = 60.0
    factor: float = 4.0


PLAIN_TIMING = Timing(window=1, min_retry=5.0, max_retry=5.0)
"""KubeEdge's writer: one at a time, again after 5 s (contract 3.3)."""


@dataclass(frozen=True, slots=True)
class InFlight:
    lane: str
    message: Message
    sent_at: float
    retry_at: float
    sends: int


class Delivery:
    """What one end still owes the other. Not thread-safe: one owner."""

    def __init__(self, timing: Timing | None = None) -> None:
        self._timing = timing or Timing()
        self._waiting: OrderedDict[str, deque[Message]] = OrderedDict()
        self._in_flight: OrderedDict[str, InFlight] = OrderedDict()
        self._busy: dict[str, str] = {}
        self._round_trip: float | None = None
        self.resent = 0

    @property
    def waiting(self) -> int:
        return sum(len(lane) for lane in self._waiting.values())

    @property
    def in_flight(self) -> int:
        return len(self._in_flight)

    def owed(self) -> Iterator[tuple[str, Message]]:
        """Every (lane, message), in flight first."""
        for flying in self._in_flight.values():
            yield flying.lane, flying.message
        for lane, messages in self._waiting.items():
            for message in messages:
                yield lane, message

    def offer(self, lane: str, message: Message, *, replaces: bool = True) -> bool:
        """Owe ``message``. False: it is older than, or the same version as, what the lane already owes, and was left out."""
        messages = self._waiting.get(lane)
        if replaces:
            newest = messages[-1] if messages else self._flying_in(lane)
            if newest is not None and not _supersedes(message, newest):
                return False
            if messages is not None:
                messages.clear()
        if messages is None:
            messages = self._waiting[lane] = deque()
        messages.append(message)
        return True

    def due(self, now: float) -> list[Message]:
        """What to send now: first what waits too long for its acknowledgement, then new messages up to the window."""
        return [*self._retries(now), *self._fresh(now)]

    def acknowledged(self, msg_id: str, now: float) -> tuple[str, Message] | None:
        """The acknowledgement of ``msg_id`` came: its (lane, message), or None where nobody waits for it (a duplicate)."""
        flying = self._in_flight.pop(msg_id, None)
        if flying is None:
            return None
        self._busy.pop(flying.lane, None)
        if flying.sends == 1:
            self._measure(now - flying.sent_at)
        return flying.lane, flying.message

    def forget(self, lane: str) -> None:
        """Owe nothing in ``lane`` any more, in flight included (its acknowledgement will be a duplicate)."""
        self._waiting.pop(lane, None)
        msg_id = self._busy.pop(lane, None)
        if msg_id is not None:
            self._in_flight.pop(msg_id, None)

    def put_off(self, msg_id: str, now: float, delay: float) -> None:
        """The other end asked for patience: say ``msg_id`` again in ``delay`` seconds, not before."""
        flying = self._in_flight.get(msg_id)
        if flying is not None:
            self._in_flight[msg_id] = replace(flying, retry_at=now + delay)

    def disconnected(self) -> None:
        """The link is gone: what was in flight waits again, before what came later; where a newer one waits, it is dropped (D4)."""
        for flying in reversed(self._in_flight.values()):
            messages = self._waiting.get(flying.lane)
            if messages is None:
                messages = self._waiting[flying.lane] = deque()
            elif messages and _supersedes(messages[-1], flying.message) and flying.message.header.resource_version:
                continue
            messages.appendleft(flying.message)
        self._in_flight.clear()
        self._busy.clear()

    def next_time(self) -> float | None:
        """When ``due`` may have something for a reason other than an offer or an acknowledgement (monotonic seconds)."""
        return min((flying.retry_at for flying in self._in_flight.values()), default=None)

    def _flying_in(self, lane: str) -> Message | None:
        msg_id = self._busy.get(lane)
        return self._in_flight[msg_id].message if msg_id is not None else None

    def _retries(self, now: float) -> list[Message]:
        late = [flying for flying in self._in_flight.values() if flying.retry_at <= now]
        for flying in late:
            delay = min(self._retry_delay() * 2**flying.sends, self._timing.max_retry)
            self._in_flight[flying.message.id] = replace(flying, sent_at=now, retry_at=now + delay, sends=flying.sends + 1)
        self.resent += len(late)
        return [flying.message for flying in late]

    def _fresh(self, now: float) -> list[Message]:
        room = self._timing.window - len(self._in_flight)
        chosen: list[str] = []
        for lane in self._waiting:
            if len(chosen) >= room:
                break
            if lane not in self._busy:
                chosen.append(lane)
        return [self._launch(lane, now) for lane in chosen]

    def _launch(self, lane: str, now: float) -> Message:
        messages = self._waiting[lane]
        message = messages.popleft()
        if messages:
            self._waiting.move_to_end(lane)
        else:
            del self._waiting[lane]
        self._in_flight[message.id] = InFlight(lane, message, now, now + self._retry_delay(), 1)
        self._busy[lane] = message.id
        return message

    def _retry_delay(self) -> float:
        if self._round_trip is None:
            return self._timing.first_retry
        return min(max(self._round_trip * self._timing.factor, self._timing.min_retry), self._timing.max_retry)

    def _measure(self, round_trip: float) -> None:
        old = self._round_trip
        self._round_trip = round_trip if old is None else old * 0.8 + round_trip * 0.2


def _supersedes(message: Message, other: Message) -> bool:
    """Whether ``message`` may take the place of ``other``: by version as numbers; without versions the later one wins."""
    if message.route.operation != other.route.operation and "delete" in (
        message.route.operation,
        other.route.operation,
    ):
        return True
    new, old = message.version, other.version
    return new is None or old is None or new > old
