"""Gathers samples in memory and writes them to the history in few, large commits: flash is spared (promise S2).

At most one commit every ``Flash.pause`` seconds, and never more than ``Flash.bytes_a_day`` in the long run: a commit that cost much is
followed by a longer pause. What comes faster than that is thinned out, every second sample of each property, and counted (D7). A power cut
costs what was not written yet; a person on the board sees it all the same (``read``).
"""

from __future__ import annotations

import logging
import threading
import time
from array import array
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from edgecore.errors import StoreError
from edgecore.metrics.exposition import Family, counter, gauge
from edgecore.store import history, outbox
from edgecore.store.database import Database
from edgecore.store.history import Segment
from edgecore.store.transaction import Transaction
from viaduct.samples import Series, pack, unpack

logger = logging.getLogger(__name__)

MOST_WAITING = 20_000
"""Samples in memory: about 1.5 MB."""

MOST_IN_SEGMENT = 4000
"""More go into a second one, so that no frame to the cloud holds up what is fresher."""

_SEGMENTS_AT_ONCE = 8
_NEWEST = 2**62
_TRY_AGAIN = 30.0
_DAY = 86_400.0
_PAGE = 4096
_PAGES_BESIDE = 3
"""Of a commit, as measured (``make bench``: samples.disk.day)."""

_TWICE = 2
"""Each page is written to the log, and later to its place."""


@dataclass(frozen=True, slots=True)
class Sample:
    """``value`` as text; ``time`` in milliseconds since the epoch; ``upward``: the cloud is to have it too."""

    device: str
    property: str
    type: str
    time: int
    value: str
    upward: bool = True


@dataclass(frozen=True, slots=True)
class Flash:
    """``pause``: seconds between two commits, at least."""

    pause: float = 300.0
    bytes_a_day: int = 10 * 1024 * 1024


@dataclass(slots=True)
class _Gathered:
    times: array[int] = field(default_factory=lambda: array("q"))
    values: list[str] = field(default_factory=list)


_Key = tuple[str, str, str, bool]
"""Device, property, type, upward."""


class Recorder:
    """Any thread may call any method; DeviceTwin's calls ``work``. ``owed`` is called in the store's thread after each commit with samples
    for the cloud; it must not wait."""

    def __init__(self, database: Database, flash: Flash | None = None, *, owed: Callable[[], object] = lambda: None) -> None:
        self._database = database
        self._flash = flash or Flash()
        self._owed = owed
        self._lock = threading.Lock()
        self._waiting: dict[_Key, _Gathered] = {}
        self._number = 0
        self._writing: dict[_Key, _Gathered] = {}
        self._thinned = 0
        self._commit_at: float | None = None
        self._not_before = 0.0
        self._taken = 0

    def add(self, samples: Iterable[Sample], now: float) -> None:
        """``now``: monotonic seconds."""
        with self._lock:
            for one in samples:
                gathered = self._waiting.setdefault((one.device, one.property, one.type, one.upward), _Gathered())
                gathered.times.append(one.time)
                gathered.values.append(one.value if not gathered.values or gathered.values[-1] != one.value else gathered.values[-1])
                self._number += 1
                self._taken += 1
            if self._number > MOST_WAITING:
                self._thin()
            if self._number and self._commit_at is None:
                self._commit_at = max(self._not_before, now + self._flash.pause)

    def next_time(self) -> float | None:
        """When ``work`` is wanted (monotonic seconds)."""
        return self._commit_at

    def work(self, now: float) -> None:
        """Write what is due."""
        if self._commit_at is not None and now >= self._commit_at:
            self.flush(now)

    def flush(self, now: float) -> None:
        """Write what waits, whatever the flash may say: it is the end."""
        with self._lock:
            if self._writing or not self._number:
                self._commit_at = now + _TRY_AGAIN if self._number else None
                return
            gathered, self._waiting = self._waiting, {}
            self._writing, self._number = gathered, 0
            thinned, self._thinned = self._thinned, 0
            self._commit_at = None
            segments = list(_segments(gathered))
            self._not_before = now + max(self._flash.pause, _cost(segments) * _DAY / self._flash.bytes_a_day)

        def work(tx: Transaction) -> None:
            history.add(tx, segments)
            outbox.count_dropped(tx, "samples_thinned", thinned)

        def done(error: StoreError | None) -> None:
            self._written(gathered, thinned, error)
            if error is None and any(segment.owed for segment in segments):
                self._owed()

        try:
            self._database.write(work, done)
        except StoreError as exc:
            done(exc)

    def read(self, device: str, name: str, since_ms: int, until_ms: int, limit: int) -> list[tuple[int, str]]:
        """(time, value) of the newest ``limit`` samples of this time, oldest first, written or not. Raises StoreError."""
        with self._lock:
            fresh = [
                (moment, value)
                for gathered in (self._waiting, self._writing)
                for key, one in gathered.items()
                if key[:2] == (device, name)
                for moment, value in zip(one.times, one.values, strict=True)
            ]
        found = [pair for pair in fresh if since_ms <= pair[0] <= until_ms]

        before = _NEWEST
        while len(found) < limit and (page := self._page(since_ms, until_ms, before)):
            before = page[-1][0]
            for _, packed in page:
                found += _samples_of(packed, device, name, since_ms, until_ms)
        return sorted(set(found))[-limit:]

    def _page(self, since_ms: int, until_ms: int, before: int) -> list[tuple[int, bytes]]:
        """Few at a time: they are unpacked while others read the database."""
        return self._database.read(lambda tx: history.between(tx, since_ms, until_ms, before=before, limit=_SEGMENTS_AT_ONCE))

    def families(self) -> Iterator[Family]:
        """Raises StoreError."""
        held = self._database.read(history.held)
        with self._lock:
            yield counter("samples_total", "Samples taken since EdgeCore runs", self._taken)
            yield gauge("samples_waiting", "Samples that are not written to the disk yet", self._number)
        yield gauge("history_samples", "Samples in the history", held.samples)
        yield gauge("history_bytes", "Their size, packed", held.bytes)

    def _written(self, gathered: dict[_Key, _Gathered], thinned: int, error: StoreError | None) -> None:
        """In the store's thread. What could not be written goes before what came meanwhile."""
        with self._lock:
            self._writing = {}
            if error is None:
                return
            logger.warning("samples could not be written, they wait in memory: %s", error)
            self._thinned += thinned
            for key, newer in self._waiting.items():
                older = gathered.setdefault(key, _Gathered())
                older.times.extend(newer.times)
                older.values.extend(newer.values)
            self._waiting = gathered
            self._number = sum(len(one.times) for one in gathered.values())
            while self._number > MOST_WAITING:
                self._thin()
            self._commit_at = time.monotonic() + _TRY_AGAIN

    def _thin(self) -> None:
        """Every second sample goes: the shape of a curve stays, and the oldest part is thinned most."""
        before = self._number
        for one in self._waiting.values():
            one.times, one.values = one.times[::2], one.values[::2]
        self._number = sum(len(one.times) for one in self._waiting.values())
        self._thinned += before - self._number


def _segments(gathered: dict[_Key, _Gathered]) -> Iterator[Segment]:
    for upward in (True, False):
        part: list[Series] = []
        number = 0
        for (device, name, kind, owed), one in gathered.items():
            if owed is not upward:
                continue
            for start in range(0, len(one.times), MOST_IN_SEGMENT):
                series = Series(device, name, kind, one.times[start : start + MOST_IN_SEGMENT], one.values[start : start + MOST_IN_SEGMENT])
                if number and number + len(series.times) > MOST_IN_SEGMENT:
                    yield _segment(part, number, upward)
                    part, number = [], 0
                part.append(series)
                number += len(series.times)
        if part:
            yield _segment(part, number, upward)


def _segment(part: list[Series], number: int, upward: bool) -> Segment:
    first, last = min(min(one.times) for one in part), max(max(one.times) for one in part)
    return Segment(first, last, number, pack(part), upward)


def _cost(segments: Iterable[Segment]) -> int:
    """Bytes that the commit writes to the flash, about."""
    return _TWICE * _PAGE * (_PAGES_BESIDE + sum(-(-len(one.packed) // _PAGE) for one in segments))


def _samples_of(packed: bytes, device: str, name: str, since_ms: int, until_ms: int) -> Iterator[tuple[int, str]]:
    for one in unpack(packed):
        if (one.device, one.property) == (device, name):
            yield from ((moment, value) for moment, value in zip(one.times, one.values, strict=True) if since_ms <= moment <= until_ms)
