"""Whether a board is well after an exchange of packages: as well as it was before. Pure; who watches tells the time.

A board that had no link before needs none, and one whose EdgeCore was off needs nothing. Containers are never stopped by an update, so one
that ran before must have been seen running since, or have ended by itself with 0, unless its pod is no longer meant for this board.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from edgecore.updates.order import Before

SETTLED = 20.0
"""Seconds for which all must be well without a break, with one and the same process."""

MOST_RESTARTS = 5
RUNNING = "running"
ENDED_WELL = "ended well"


@dataclass(frozen=True, slots=True)
class Seen:
    """``active``: edgecore.service; ``starting``: it is on its way there, as after a boot. ``pid``: its process; ``restarts``: how often
    systemd started it again, negative where it does not say. ``answers``: on its socket, and what follows is from there.
    ``containers``: state by ``namespace/pod/container``; ``pods``: those that the board holds."""

    active: bool = False
    pid: int = 0
    restarts: int = 0
    answers: bool = False
    connected: bool = False
    pods: frozenset[str] = frozenset()
    containers: Mapping[str, str] = field(default_factory=dict)
    starting: bool = False

    def as_before(self) -> Before:
        running = sorted(name for name, state in self.containers.items() if state == RUNNING)
        return Before(self.active, self.connected, tuple(running))


class Watch:
    """``see`` each look; ``is_well`` and ``hopeless`` say what follows. ``missing``: what was wrong at the last look."""

    def __init__(self, before: Before, *, after_another: bool = False) -> None:
        """``after_another``: the version before this one ended again and again. systemd goes on counting where a package starts EdgeCore
        at the moment in which systemd does so itself, so what it says first is not held against this one."""
        self.missing = "nothing was seen yet"
        self.hopeless = False
        self._before = before
        self._fine: set[str] = set()
        self._since: float | None = None
        self._pid = 0
        self._restarts = None if after_another else 0

    def see(self, seen: Seen, now: float) -> None:
        self._fine |= {name for name, state in seen.containers.items() if state in (RUNNING, ENDED_WELL)}
        self.missing = self._missing(seen)
        ended = self._ended(seen)
        self.hopeless = self._before.active and ended >= MOST_RESTARTS
        if self.hopeless:
            self.missing = f"EdgeCore ended {ended} times"
        if self.missing:
            self._since = None
        elif self._since is None or seen.pid != self._pid:
            self._since, self._pid = now, seen.pid

    def is_well(self, now: float) -> bool:
        return self._since is not None and (now - self._since >= SETTLED or not self._before.active)

    def _ended(self, seen: Seen) -> int:
        """How often EdgeCore ended while it was watched."""
        if seen.restarts < 0:
            return 0
        self._restarts = seen.restarts if self._restarts is None else min(self._restarts, seen.restarts)
        return seen.restarts - self._restarts

    def _missing(self, seen: Seen) -> str:
        before = self._before
        if not before.active:
            return ""
        if not seen.active:
            return "edgecore.service does not run"
        if not seen.answers:
            return "EdgeCore does not answer"
        if before.connected and not seen.connected:
            return "there is no link to the cloud"
        lost = [name for name in before.containers if name not in self._fine and name.rpartition("/")[0] in seen.pods]
        return f"does not run any more: {', '.join(lost[:5])}" if lost else ""
