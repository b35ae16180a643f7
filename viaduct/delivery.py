"""Who is owed what: window, acknowledgement, retry time, newest version wins (P4; promises D2, D3, D4).

A state machine without a clock, used by both ends: CloudHub for what goes down, EdgeHub for what goes up. The caller says what time it is
(monotonic seconds) and does the sending.

A *lane* is what must stay in order: one object, one device, one source of events. At most one message of a lane is in flight. A message
offered with ``replaces=True`` takes the place of those of its lane that still wait, unless it is older than they are.

No step looks at all lanes or at all that is in flight: ten thousand objects that wait for one node must cost the others nothing (D8).
"""

from __future__ import annotations

import heapq
from collections import OrderedDict, deque
from collections.abc import Iterator
from dataclasses import dataclass, replace

from viaduct.message import Message


@dataclass(frozen=True, slots=True)
class Timing:
    """``window``: messages in flight; retry after ``factor`` × measured round trip, between the bounds (seconds).

    That time doubles twice, up to ``max_doubled``, but is never less than the first: on a link that lives nothing gets lost but by an end
    that failed for a moment, so long waits would only delay what is owed.
    """

    window: int = 64
    first_retry: float = 5.0
    min_retry: float = 1.0
    max_retry: float = 60.0
    max_doubled: float = 5.0
    factor: float = 4.0


PLAIN_TIMING = Timing(window=1, min_retry=5.0, max_retry=5.0, max_doubled=5.0)
"""KubeEdge's writer: one at a time, again after 5 s (contract 3.3)."""

_DOUBLINGS = 2

_STALE_TIMES = 64
"""Retry times of messages that are acknowledged leave the heap when they come up, or together when there are too many of them."""


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
        self._waiting: dict[str, deque[Message]] = {}
        self._waiting_count = 0
        self._ready: OrderedDict[str, None] = OrderedDict()
        """Lanes with something that waits and nothing in flight, in the order of their turns."""
        self._in_flight: dict[str, InFlight] = {}
        self._busy: dict[str, str] = {}
        self._retry_times: list[tuple[float, int, str]] = []
        """A heap of (when, tie-breaker, message id). An entry counts while the message is in flight with that very time."""
        self._pushed = 0
        self._round_trip: float | None = None
        self.resent = 0

    @property
    def waiting(self) -> int:
        return self._waiting_count

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
                self._waiting_count -= len(messages)
                messages.clear()
        self._lane(lane).append(message)
        self._waiting_count += 1
        return True

    def due(self, now: float) -> list[Message]:
        """What to send now: first what waits too long for its acknowledgement, then new messages up to the window."""
        return [*self._retries(now), *self._fresh(now)]

    def acknowledged(self, msg_id: str, now: float) -> tuple[str, Message] | None:
        """The acknowledgement of ``msg_id`` came: its (lane, message), or None where nobody waits for it (a duplicate)."""
        flying = self._in_flight.pop(msg_id, None)
        if flying is None:
            return None
        self._free(flying.lane)
        if flying.sends == 1:
            self._measure(now - flying.sent_at)
        return flying.lane, flying.message

    def forget(self, lane: str) -> None:
        """Owe nothing in ``lane`` any more, in flight included (its acknowledgement will be a duplicate)."""
        self._waiting_count -= len(self._waiting.pop(lane, ()))
        self._ready.pop(lane, None)
        msg_id = self._busy.pop(lane, None)
        if msg_id is not None:
            self._in_flight.pop(msg_id, None)

    def put_off(self, msg_id: str, now: float, delay: float) -> None:
        """The other end asked for patience: say ``msg_id`` again in ``delay`` seconds, not before."""
        flying = self._in_flight.get(msg_id)
        if flying is not None:
            self._fly(replace(flying, retry_at=now + delay))

    def disconnected(self) -> None:
        """The link is gone: what was in flight waits again, before what came later; where a newer one waits, it is dropped (D4)."""
        landed = list(self._in_flight.values())
        self._in_flight.clear()
        self._busy.clear()
        self._retry_times.clear()
        for flying in reversed(landed):
            messages = self._waiting.get(flying.lane)
            if not (messages and _supersedes(messages[-1], flying.message) and flying.message.header.resource_version):
                self._lane(flying.lane).appendleft(flying.message)
                self._waiting_count += 1
            self._ready[flying.lane] = None
            self._ready.move_to_end(flying.lane, last=False)

    def next_time(self) -> float | None:
        """When ``due`` may have something for a reason other than an offer or an acknowledgement (monotonic seconds)."""
        self._drop_stale_times()
        return self._retry_times[0][0] if self._retry_times else None

    def _flying_in(self, lane: str) -> Message | None:
        msg_id = self._busy.get(lane)
        return self._in_flight[msg_id].message if msg_id is not None else None

    def _lane(self, lane: str) -> deque[Message]:
        """What waits in ``lane``, to be added to."""
        messages = self._waiting.get(lane)
        if messages is None:
            messages = self._waiting[lane] = deque()
            if lane not in self._busy:
                self._ready[lane] = None
        return messages

    def _free(self, lane: str) -> None:
        """Nothing of ``lane`` is in flight any more: its next message takes its turn after the lanes that are ready."""
        self._busy.pop(lane, None)
        if lane in self._waiting:
            self._ready[lane] = None

    def _retries(self, now: float) -> list[Message]:
        late: list[InFlight] = []
        while (when := self.next_time()) is not None and when <= now:
            flying = self._in_flight[heapq.heappop(self._retry_times)[2]]
            late.append(replace(flying, sent_at=now, retry_at=now + self._doubled(flying.sends), sends=flying.sends + 1))
            # Out of the heap until all that is late is found: a delay of nothing must not be found twice.
            self._in_flight[flying.message.id] = late[-1]
        for flying in late:
            self._fly(flying)
        self.resent += len(late)
        return [flying.message for flying in late]

    def _fresh(self, now: float) -> list[Message]:
        room = self._timing.window - len(self._in_flight)
        return [self._launch(now) for _ in range(min(room, len(self._ready)))]

    def _launch(self, now: float) -> Message:
        lane, _ = self._ready.popitem(last=False)
        messages = self._waiting[lane]
        message = messages.popleft()
        self._waiting_count -= 1
        if not messages:
            del self._waiting[lane]
        self._busy[lane] = message.id
        self._fly(InFlight(lane, message, now, now + self._retry_delay(), 1))
        return message

    def _fly(self, flying: InFlight) -> None:
        self._in_flight[flying.message.id] = flying
        self._pushed += 1
        heapq.heappush(self._retry_times, (flying.retry_at, self._pushed, flying.message.id))
        if len(self._retry_times) > _STALE_TIMES + 4 * len(self._in_flight):
            self._retry_times = [(each.retry_at, number, each.message.id) for number, each in enumerate(self._in_flight.values())]
            heapq.heapify(self._retry_times)

    def _drop_stale_times(self) -> None:
        while self._retry_times:
            when, _, msg_id = self._retry_times[0]
            flying = self._in_flight.get(msg_id)
            if flying is not None and flying.retry_at == when:
                return
            heapq.heappop(self._retry_times)

    def _retry_delay(self) -> float:
        if self._round_trip is None:
            return self._timing.first_retry
        return min(max(self._round_trip * self._timing.factor, self._timing.min_retry), self._timing.max_retry)

    def _doubled(self, sends: int) -> float:
        first = self._retry_delay()
        return max(first, min(first * (1 << min(sends, _DOUBLINGS)), self._timing.max_doubled))

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
