"""What a mapper has done, in numbers for Prometheus. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from supervision.exposition import Family, Kind, Times, counter, gauge, histogram

PREFIX = "bramble_mapper_"


@dataclass(slots=True)
class Tally:
    """Of one device, by its thread alone; others read it at any time. Seconds are those of one call of the driver."""

    reads: int = 0
    writes: int = 0
    reports: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    reading: Times = field(default_factory=Times)
    writing: Times = field(default_factory=Times)

    def add(self, other: Tally) -> None:
        """Of a device that is not served any more: what was counted stays counted."""
        self.reads += other.reads
        self.writes += other.writes
        self.reports += other.reports
        self.failures.update(other.failures)
        for mine, more in ((self.reading, other.reading), (self.writing, other.writing)):
            mine.counts = [a + b for a, b in zip(mine.counts, more.counts, strict=True)]
            mine.total += more.total


@dataclass(frozen=True, slots=True)
class Line:
    """Of the connection to the broker. ``connections``: how often there came to be one."""

    connections: int = 0
    is_up: bool = False


STATES = ("online", "offline", "unknown")


def families(tallies: Iterable[Tally], states: Iterable[str], line: Line) -> Iterator[Family]:
    """``states``: of each device that is served now."""
    total, found = Tally(), Counter(state or "unknown" for state in states)
    for tally in tallies:
        total.add(tally)
    yield counter("reads_total", "Values read from devices", total.reads)
    yield counter("writes_total", "Values written to devices", total.writes)
    yield counter("reports_total", "Messages with values that were handed to the broker", total.reports)
    yield Family("failures_total", "What went wrong, by code", Kind.COUNTER, dict(sorted(total.failures.items())), "code")
    yield histogram("read_seconds", "How long reading a device took", total.reading)
    yield histogram("write_seconds", "How long writing to a device took", total.writing)
    yield Family("devices", "Devices that are served, by state", Kind.GAUGE, {state: found[state] for state in STATES}, "state")
    yield counter("broker_connections_total", "Connections to the broker, the first and each one after a loss", line.connections)
    yield gauge("broker_connected", "1 while there is a connection to the broker", int(line.is_up))
