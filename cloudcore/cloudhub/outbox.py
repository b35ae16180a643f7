"""What one session still has to send: a lane per object in ``viaduct.delivery``, and what is said once.

Without clock or I/O; lives as long as the session, because a returning node is asked what it holds. What it lacks then is kept by name:
the messages are made as room comes, so that a node with ten thousand objects holds no other one up (D8) and costs no more memory than one
with a hundred.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import replace

from cloudcore.cloudhub import plain
from cloudcore.cloudhub.difference import Lack
from cloudcore.ports import Owed
from viaduct import acknowledgements
from viaduct.delivery import PLAIN_TIMING, Delivery, Timing
from viaduct.handshake import Mode
from viaduct.message import Message
from viaduct.vocabulary import Source

MAX_SAID_ONCE = 4096

_ENOUGH_WAITING = 16
_OnceKey = tuple[str, str, bool]

Make = Callable[[Lack], Iterable[Owed]]
"""The messages that end a lack, in order; none where there is nothing to say any more."""


class Outbox:
    """``mode`` decides which messages are acknowledged and how many are in flight."""

    __slots__ = ("_delivery", "_lacks", "_lanes", "_make", "_mode", "_once", "_sent")

    def __init__(self, mode: Mode, timing: Timing | None = None, *, make: Make = lambda lack: ()) -> None:
        self._mode = mode
        self._make = make
        self._lacks: OrderedDict[str, Lack] | None = None
        self._delivery = Delivery(timing or (PLAIN_TIMING if mode is Mode.PLAIN else Timing()))
        self._lanes: dict[str, list[Owed]] = {}
        self._sent: set[str] = set()
        self._once: dict[_OnceKey, Message] = {}

    @property
    def resent(self) -> int:
        return self._delivery.resent

    @property
    def waiting(self) -> int:
        """What is not sent yet, messages that are said once and those not made yet included."""
        return self._delivery.waiting + len(self._once) + len(self._lacks or ())

    @property
    def in_flight(self) -> int:
        return self._delivery.in_flight

    def tell(self, message: Message) -> bool:
        """Say it once. False: too much of that kind waits because the node does not read."""
        if len(self._once) >= MAX_SAID_ONCE:
            return False
        self._once[(message.id, "", False)] = message
        return True

    def lack(self, lacks: Iterable[Lack]) -> None:
        """Owe all this too, after what is owed already."""
        for lack in lacks:
            self._lacks = self._lacks if self._lacks is not None else OrderedDict()
            self._lacks[lack.key] = lack

    def owes(self, key: str) -> bool:
        return key in self._lanes or (self._lacks is not None and key in self._lacks)

    def offer(self, owed: Owed) -> None:
        """Owe it; what the lane already owes is replaced unless it is as new (D4)."""
        lack = self._lacks.pop(owed.key, None) if self._lacks else None
        if lack is not None and lack.remove_uid is not None:
            for removal in self._make(replace(lack, send=False)):
                self._place(removal)
        self._place(owed)

    def _place(self, owed: Owed) -> None:
        if self._mode is Mode.PLAIN and plain.is_sent_once(owed.message):
            self._offer_once(owed)
            return
        death = self._unsent_death_of_another(owed)
        if death is not None:
            self._offer_after(death, owed)
        elif self._delivery.offer(owed.key, owed.message):
            self._lanes[owed.key] = [*self._flying(owed.key), owed]

    def due(self, now: float, now_ms: int = 0) -> list[Message]:
        """What to send now (``now``: monotonic seconds; ``now_ms``: for the header of what is made here)."""
        self._make_up()
        said = self._said_once(now_ms)
        owed = self._delivery.due(now)
        self._sent.update(message.id for message in owed)
        return said + owed

    def acknowledged(self, msg_id: str, now: float) -> Owed | None:
        """What the acknowledgement was for; None for a duplicate (bug C4: harmless)."""
        found = self._delivery.acknowledged(msg_id, now)
        if found is None:
            return None
        self._sent.discard(msg_id)
        lane, _ = found
        entries = self._lanes[lane]
        owed = next(entry for entry in entries if entry.message.id == msg_id)
        entries.remove(owed)
        if not entries:
            del self._lanes[lane]
        return owed

    def put_off(self, msg_id: str, now: float, delay: float) -> None:
        self._delivery.put_off(msg_id, now, delay)

    def next_time(self) -> float | None:
        return self._delivery.next_time()

    def _said_once(self, now_ms: int) -> list[Message]:
        said = list(self._once.values())
        self._once.clear()
        if self._mode is Mode.PLAIN:
            return [plain.spoken(message) for message in said]
        return acknowledgements.gathered(said, source=Source.CLOUDHUB, now_ms=now_ms)

    def _make_up(self) -> None:
        for _ in range(_ENOUGH_WAITING - self._delivery.waiting - len(self._once)):
            if not self._lacks:
                return
            _, lack = self._lacks.popitem(last=False)
            for owed in self._make(lack):
                self._place(owed)

    def _offer_once(self, owed: Owed) -> None:
        """Newest last, and at most one of a sort for an object, so that a node which does not read costs no more."""
        key = (owed.key, owed.message.route.resource, owed.removal)
        self._once.pop(key, None)
        self._once[key] = owed.message

    def _flying(self, lane: str) -> list[Owed]:
        return [entry for entry in self._lanes.get(lane, ()) if entry.message.id in self._sent]

    def _unsent_death_of_another(self, owed: Owed) -> Owed | None:
        """A removal that still waits and is of an object that had this key before: it must not be replaced (D2, D6)."""
        for entry in self._lanes.get(owed.key, ()):
            if entry.removal and entry.uid and owed.uid and entry.uid != owed.uid and entry.message.id not in self._sent:
                return entry
        return None

    def _offer_after(self, death: Owed, owed: Owed) -> None:
        newest = self._lanes[owed.key][-1]
        if newest is not death and not owed.removal and not _is_newer(owed, newest):
            return
        self._delivery.forget(owed.key)
        self._sent.difference_update(entry.message.id for entry in self._lanes[owed.key])
        # The successor never left, so where it goes as well nothing is to be said about it.
        self._lanes[owed.key] = [death] if owed.removal else [death, owed]
        for entry in self._lanes[owed.key]:
            self._delivery.offer(entry.key, entry.message, replaces=False)


def _is_newer(owed: Owed, other: Owed) -> bool:
    if owed.uid != other.uid:
        return True
    new, old = owed.message.version, other.message.version
    return new is None or old is None or new > old
