"""The link in numbers. Kept outside EdgeHub, so that they survive when it is started again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from edgecore.metrics.exposition import Family, counter, gauge


@dataclass(slots=True)
class HubCounts:
    """``changed_at``: when the link came or went last (monotonic seconds); ``offline``: seconds without it before that."""

    changed_at: float
    connected: bool = False
    offline: float = 0.0
    links: int = 0
    in_flight: int = 0
    acknowledged: int = 0
    resent: int = 0
    refused_frames: int = 0

    def linked(self, now: float) -> None:
        self.offline = self.offline_at(now)
        self.connected, self.changed_at = True, now
        self.links += 1

    def unlinked(self, now: float) -> None:
        self.offline = self.offline_at(now)
        self.connected, self.changed_at, self.in_flight = False, now, 0

    def offline_at(self, now: float) -> float:
        return self.offline + (0.0 if self.connected else now - self.changed_at)

    def families(self, now: float) -> Iterator[Family]:
        yield gauge("connected", "1 while the link to the cloud stands", int(self.connected))
        yield counter("offline_seconds_total", "Seconds without the link since EdgeCore runs", self.offline_at(now))
        yield counter("links_total", "How often the link came", self.links)
        yield gauge("in_flight", "Reports that the cloud has not acknowledged yet", self.in_flight)
        yield counter("acknowledged_total", "Reports that the cloud has acknowledged", self.acknowledged)
        yield counter("resent_total", "Reports said again for want of an acknowledgement", self.resent)
        yield counter("refused_frames_total", "Frames of the cloud that were no messages", self.refused_frames)
