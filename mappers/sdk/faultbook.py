"""What is wrong with one device now, so that it is told when it changes and not more often (P6.17). Pure.

One refusal on a noisy line is no news, and neither is one good answer among many bad ones: as with availability there is a hysteresis.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from mappers.sdk.schedule import Backoff
from viaduct.faults import DESCRIPTION, READ_REFUSED, Fault

REFUSALS = 2
"""Reads in a row that are refused after which a property that could be read is at fault; before the first answer one is enough."""

GOOD_READS = 2
"""Reads in a row that succeed after which a property that was at fault is well again."""

PAUSE_SECONDS, PAUSE_LIMIT = 0.25, 60.0
"""Between two tellings of changed faults: the first, and the longest while they go on changing."""

QUIET_SECONDS = 120.0
"""Without a change after which the next one is told at once again."""


@dataclass(slots=True)
class _Reading:
    streak: int = 0
    was_read: bool = False


@dataclass(slots=True)
class FaultBook:
    """``described``: what is wrong with the description, which changes with the profile only."""

    described: tuple[Fault, ...] = ()
    _device: Fault | None = None
    _internal: Fault | None = None
    _readings: dict[str, _Reading] = field(default_factory=dict)
    _reads: dict[str, Fault] = field(default_factory=dict)
    _writes: dict[str, Fault] = field(default_factory=dict)
    _reports: dict[str, Fault] = field(default_factory=dict)

    def current(self) -> tuple[Fault, ...]:
        """In order. Of a device that is away nobody knows what it would refuse to be read."""
        found = {*self.described, *self._writes.values(), *self._reports.values()}
        found |= {fault for fault in (self._device, self._internal) if fault is not None}
        if self._device is None:
            found |= {*self._reads.values()}
        return tuple(sorted(found))

    def away(self, code: str, reason: str) -> None:
        self._device = Fault("", code, reason)

    def back(self) -> None:
        self._device = None

    def failed(self, code: str, reason: str) -> None:
        """A fault of ours."""
        self._internal = Fault("", code, reason)

    def visited(self) -> None:
        """All went as it should."""
        self._internal = None

    def was_read(self, name: str) -> None:
        reading = self._readings.setdefault(name, _Reading())
        reading.streak = max(reading.streak, 0) + 1
        reading.was_read = True
        if reading.streak >= GOOD_READS:
            self._reads.pop(name, None)

    def not_read(self, name: str, code: str, reason: str) -> None:
        reading = self._readings.setdefault(name, _Reading())
        reading.streak = min(reading.streak, 0) - 1
        if not reading.was_read or -reading.streak >= REFUSALS:
            self._reads[name] = Fault(name, code or READ_REFUSED, reason)

    def not_written(self, name: str, code: str, reason: str) -> None:
        self._writes[name] = Fault(name, code, reason)

    def wishes_are(self, unfulfilled: Collection[str]) -> None:
        """Of a property that nothing more is wished of, nothing is refused either."""
        self._writes = {name: fault for name, fault in self._writes.items() if name in unfulfilled}

    def not_taken(self, name: str, code: str, reason: str) -> None:
        """EdgeCore refuses the value that the device holds."""
        self._reports[name] = Fault(name, code, reason)

    def taken(self, names: Iterable[str]) -> None:
        for name in names:
            self._reports.pop(name, None)


@dataclass(slots=True)
class Telling:
    """When changed faults are due to be told: the first at once, more in quick succession further and further apart."""

    faults: tuple[Fault, ...] = ()
    due: float = float("inf")
    _told: frozenset[tuple[str, ...]] | None = None
    _told_at: float = float("-inf")
    _earliest: float = float("-inf")
    _pause: Backoff = field(default_factory=lambda: Backoff(PAUSE_SECONDS, PAUSE_LIMIT))

    def now_are(self, faults: tuple[Fault, ...], now: float) -> None:
        self.faults = faults
        if _gist(faults) == self._told:
            self.due = float("inf")
        else:
            self.due = max(now, self._earliest)

    def was_told(self, now: float) -> None:
        """With whatever they are now."""
        if self._told is None:
            self._told = _gist(self.faults)
        elif _gist(self.faults) != self._told:
            if now - self._told_at > QUIET_SECONDS:
                self._pause.reset()
            self._told, self._told_at = _gist(self.faults), now
            self._earliest = self._pause.after_failure(now)
        self.due = float("inf")


def _gist(faults: tuple[Fault, ...]) -> frozenset[tuple[str, ...]]:
    """What makes faults the same: words that differ with each attempt (times, counts) are no change."""
    return frozenset((fault.property, fault.code, fault.reason if fault.code == DESCRIPTION else "") for fault in faults)
