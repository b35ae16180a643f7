"""Counting: what was sent, what arrived, and what came of the rest. Pure.

Every message has a number, from 1, within its *stream*: one object, one device, one source of events. *Sent* is what the receiver's
contract has accepted: an API write returned, a ``result`` came over MQTT, a row lies in the outbox. In a stream of *states* only the newest
counts: one that was replaced before it arrived is *coalesced*, and a stream whose newest never arrives has lost all that came after the
last that did. In a stream of *events* each counts, but those that a cap has dropped.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace


@dataclass(frozen=True)
class Count:
    """``unexplained``: what must not be and has no other column. ``counter``: what the product says it dropped."""

    sent: int = 0
    delivered: int = 0
    lost: int = 0
    duplicated: int = 0
    out_of_order: int = 0
    coalesced: int = 0
    dropped: int = 0
    counter: int = 0
    unexplained: int = 0

    def __add__(self, other: Count) -> Count:
        return Count(*(getattr(self, name) + getattr(other, name) for name in self.__dataclass_fields__))

    @property
    def good(self) -> bool:
        return not (self.lost or self.duplicated or self.out_of_order or self.unexplained) and self.dropped == self.counter


@dataclass
class States:
    """The states of one object, in the order of their numbers. ``begun`` is the number that holds when counting begins."""

    name: str
    begun: int = 0
    sent: set[int] = field(default_factory=set)
    arrived: set[int] = field(default_factory=set)
    last: int = 0
    backwards: int = 0
    repeated: int = 0

    def __post_init__(self) -> None:
        self.last = self.begun

    @property
    def newest(self) -> int:
        return max(self.sent, default=self.begun)

    @property
    def converged(self) -> bool:
        return self.last >= self.newest

    def accept(self, number: int) -> None:
        self.sent.add(number)

    def see(self, number: int) -> None:
        if number < self.last:
            self.backwards += 1
        self.arrived.add(number)
        self.last = number

    def forgive(self) -> None:
        """The receiver was set back on purpose: what it shows next may be old."""
        self.last = 0

    def count(self) -> Count:
        delivered = self.sent & self.arrived
        lost = (
            {number for number in self.sent - delivered if number > max(self.arrived, default=self.begun)} if not self.converged else set()
        )
        coalesced = self.sent - delivered - lost
        unexplained = 0 if self.converged or lost else 1
        return Count(
            sent=len(self.sent),
            delivered=len(delivered),
            lost=len(lost),
            duplicated=self.repeated,
            out_of_order=self.backwards,
            coalesced=len(coalesced),
            unexplained=unexplained,
        )


@dataclass
class Events:
    """The events of one source, as they lie in the receiver's store, in its order: each once, whatever was said again on the way.

    Each ends in one of three ways: the cloud stored it (delivered), the cloud refused it for good, or a cap of the board dropped it before
    it was said. The last two the board must have counted.
    """

    name: str
    sent: set[int] = field(default_factory=set)
    taken: set[int] = field(default_factory=set)
    refused: set[int] = field(default_factory=set)
    withdrawn: set[int] = field(default_factory=set)
    last: int = 0
    backwards: int = 0
    doubled: int = 0

    @property
    def missing(self) -> int:
        """Neither stored nor refused."""
        return len(self.sent - self.taken - self.refused)

    def accept(self, number: int) -> None:
        self.sent.add(number)

    def withdraw(self, number: int) -> None:
        """It lay on a card that was taken away, and what was to be counted about it as well."""
        self.sent.discard(number)
        self.refused.discard(number)
        self.withdrawn.add(number)

    def see(self, number: int) -> None:
        """It is the next in the store."""
        if number in self.taken:
            self.doubled += 1
            return
        self.taken.add(number)
        self.backwards += number < self.last
        self.last = max(self.last, number)

    def refuse(self, number: int) -> None:
        if number not in self.withdrawn:
            self.refused.add(number)

    def count(self) -> Count:
        return Count(
            sent=len(self.sent),
            delivered=len(self.sent & self.taken),
            lost=self.missing,
            duplicated=self.doubled,
            out_of_order=self.backwards,
            dropped=len(self.refused - self.taken),
        )


def unsaved(number: int, counter: int, *, killed: bool) -> Count:
    """Of ``number`` uploads that were published and never lay in the outbox, beside ``counter``, which is how many of them the board says
    that its disk did not take. A board that was killed may have taken others with it, which nobody was promised."""
    told = min(number, counter)
    lost = 0 if killed else number - told
    return Count(sent=told + lost, lost=lost, dropped=told, counter=counter)


def explained(count: Count, counter: int) -> Count:
    """``count`` of events beside ``counter``, which is what the board says it dropped: as many of the missing were dropped by a cap."""
    capped = min(count.lost, max(0, counter - count.dropped))
    return replace(count, lost=count.lost - capped, dropped=count.dropped + capped, counter=counter)
