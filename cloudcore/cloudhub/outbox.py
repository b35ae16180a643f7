"""What one session still has to send: a lane per object in ``viaduct.delivery``, and what is said once.

Without clock or I/O; lives as long as the session, because a returning node is asked what it holds.
"""

from __future__ import annotations

from cloudcore.cloudhub import plain
from cloudcore.ports import Owed
from viaduct.delivery import PLAIN_TIMING, Delivery, Timing
from viaduct.handshake import Mode
from viaduct.message import Message

MAX_SAID_ONCE = 4096

_OnceKey = tuple[str, str, bool]


class Outbox:
    """``mode`` decides which messages are acknowledged and how many are in flight."""

    def __init__(self, mode: Mode, timing: Timing | None = None) -> None:
        self._mode = mode
        self._delivery = Delivery(timing or (PLAIN_TIMING if mode is Mode.PLAIN else Timing()))
        self._lanes: dict[str, list[Owed]] = {}
        self._sent: set[str] = set()
        self._once: dict[_OnceKey, Message] = {}

    @property
    def resent(self) -> int:
        return self._delivery.resent

    @property
    def unacknowledged(self) -> int:
        return self._delivery.in_flight + self._delivery.waiting

    def tell(self, message: Message) -> bool:
        """Say it once. False: too much of that kind waits because the node does not read."""
        if len(self._once) >= MAX_SAID_ONCE:
            return False
        self._once[(message.id, "", False)] = message
        return True

    def offer(self, owed: Owed) -> None:
        """Owe it; what the lane already owes is replaced unless it is as new (D4)."""
        if self._mode is Mode.PLAIN and plain.is_sent_once(owed.message):
            self._offer_once(owed)
            return
        death = self._unsent_death_of_another(owed)
        if death is not None:
            self._offer_after(death, owed)
        elif self._delivery.offer(owed.key, owed.message):
            self._lanes[owed.key] = [*self._flying(owed.key), owed]

    def due(self, now: float) -> list[Message]:
        """What to send now (``now``: monotonic seconds)."""
        said = [plain.spoken(message) if self._mode is Mode.PLAIN else message for message in self._once.values()]
        self._once.clear()
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
