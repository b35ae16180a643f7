"""The one loop of the controllers: wait for a change or a time, let every controller look, do what they ask.

A round takes one snapshot for all. What a controller decides on it is performed before the next snapshot is taken, and that one shows
it, so nobody creates twice. A write that fails waits by itself (by object, with back-off): a poisonous object delays no other one. A
decision that raises waits by itself too.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta

from cloudstub.controllers import (
    cronjob,
    daemonset,
    deployment,
    endpoints,
    garbage,
    job,
    namespaces,
    node_lifecycle,
    pod_cleanup,
    replicaset,
    scheduler,
    volumes,
)
from cloudstub.controllers.backoff import Backoff
from cloudstub.controllers.marks import Marks, marks_of
from cloudstub.controllers.ports import EVERY_KIND, Cluster, Controller, Snapshot
from cloudstub.controllers.writes import Create, Write, subject_of
from cloudstub.errors import AlreadyExists, ApiError, Conflict, NotFound

logger = logging.getLogger(__name__)

CONTROLLERS: tuple[Controller, ...] = (
    Controller("deployment", deployment.READS, deployment.decide, deployment.due),
    Controller("replicaset", replicaset.READS, replicaset.decide, replicaset.due),
    Controller("daemonset", daemonset.READS, daemonset.decide, daemonset.due),
    Controller("cronjob", cronjob.READS, cronjob.decide, cronjob.due),
    Controller("job", job.READS, job.decide, job.due),
    Controller("endpoints", endpoints.READS, endpoints.decide),
    Controller("scheduler", scheduler.READS, scheduler.decide),
    Controller("volumes", volumes.READS, volumes.decide),
    Controller("node-lifecycle", node_lifecycle.READS, node_lifecycle.decide, node_lifecycle.due),
    Controller("pod-cleanup", pod_cleanup.READS, pod_cleanup.decide, pod_cleanup.due),
    Controller("namespaces", namespaces.READS, namespaces.decide),
    Controller("garbage", garbage.READS, garbage.decide, sleeps_through=garbage.SLEEPS_THROUGH),
)
GATHER_SECONDS = 0.01
# The loop rests this many times as long as it computed, so that a storm of changes costs at most a quarter of a core.
REST_FACTOR = 3.0
# A time that has come and was not dealt with does not make the loop spin.
SOONEST_SECONDS = 0.25
MOST_SIDE_BY_SIDE = 64
"""Writes in flight at once: enough to share commits, few enough to leave room for clients."""


def _utc_now() -> datetime:
    return datetime.now(UTC)


async def run(cluster: Cluster, *, now: Callable[[], datetime] = _utc_now, controllers: Sequence[Controller] = CONTROLLERS) -> None:
    """Run ``controllers`` against ``cluster`` until cancelled. ``now`` is the wall clock, with a time zone."""
    await _Round(cluster, now, controllers).forever()


class _Desk:
    """One controller and what the loop remembers of it."""

    def __init__(self, controller: Controller) -> None:
        self.controller = controller
        self._seen: Marks | None = None
        self._due: datetime | None = None
        self._again_at: float | None = None
        self._bugs = Backoff(first=1.0, most=60.0)

    def look(self, snapshot: Snapshot, marks: Marks, now: datetime, clock: float) -> list[Write]:
        """What the controller wants now; nothing where nothing calls for a look."""
        mine = self._mine(marks)
        if not self._has_cause(mine, now, clock):
            return []
        self._again_at = None
        try:
            writes = self.controller.decide(self._reading(snapshot), now)
            self._due = self.controller.due(self._reading(snapshot), now) if self.controller.due else None
        except Exception:
            # A bug in one decision must not stop the others (contained here, and tried again later).
            self._again_at = clock + self._bugs.fail(self.controller.name, clock)
            logger.exception("controller %s failed", self.controller.name)
            return []
        self._bugs.succeed(self.controller.name)
        self._seen = mine
        return writes

    def again(self, at: float) -> None:
        self._again_at = at if self._again_at is None else min(at, self._again_at)

    def wait_seconds(self, now: datetime, clock: float) -> float | None:
        waits = []
        if self._due is not None:
            waits.append(max(SOONEST_SECONDS, (self._due - now) / timedelta(seconds=1)))
        if self._again_at is not None:
            waits.append(max(0.0, self._again_at - clock))
        return min(waits, default=None)

    def _has_cause(self, mine: Marks, now: datetime, clock: float) -> bool:
        if self._bugs.is_waiting(self.controller.name, clock):
            return False
        is_time = self._due is not None and self._due <= now
        is_again = self._again_at is not None and self._again_at <= clock
        return is_time or is_again or mine != self._seen

    def _mine(self, marks: Marks) -> Marks:
        if EVERY_KIND in self.controller.reads:
            return {key: mark for key, mark in marks.items() if key not in self.controller.sleeps_through}
        return {key: marks.get(key) for key in self.controller.reads}

    def _reading(self, snapshot: Snapshot) -> Snapshot:
        if EVERY_KIND in self.controller.reads:
            return snapshot
        return {resource: snapshot.get(resource, []) for resource in self.controller.reads}


class _Round:
    def __init__(self, cluster: Cluster, now: Callable[[], datetime], controllers: Sequence[Controller]) -> None:
        self._cluster = cluster
        self._now = now
        self._desks = [_Desk(controller) for controller in controllers]
        self._reads = _reads(controllers)
        self._failed = Backoff(first=0.05, most=30.0)

    async def forever(self) -> None:
        revision = await self._cluster.wait_change(-1)
        while True:
            asked, computed = await self._ask()
            for start in range(0, len(asked), MOST_SIDE_BY_SIDE):
                await asyncio.gather(*(self._do(desk, write) for desk, write in asked[start : start + MOST_SIDE_BY_SIDE]))
            revision = await self._wait(revision)
            await asyncio.sleep(max(0.0 if asked else GATHER_SECONDS, computed * REST_FACTOR))

    async def _ask(self) -> tuple[list[tuple[_Desk, Write]], float]:
        """What all controllers want, and how many seconds the thinking took. Clients are served between two of them."""
        started = time.perf_counter()
        snapshot = self._cluster.snapshot(*self._reads)
        marks = marks_of(snapshot)
        computed = time.perf_counter() - started
        asked: list[tuple[_Desk, Write]] = []
        for desk in self._desks:
            await asyncio.sleep(0)
            started = time.perf_counter()
            asked += [(desk, write) for write in desk.look(snapshot, marks, self._now(), time.monotonic())]
            computed += time.perf_counter() - started
        return asked, computed

    async def _do(self, desk: _Desk, write: Write) -> None:
        subject = subject_of(write)
        clock = time.monotonic()
        if self._failed.is_waiting(subject, clock):
            desk.again(self._failed.until(subject))
            return
        try:
            await self._cluster.perform(write)
        except AlreadyExists as exc:
            if not (isinstance(write, Create) and write.resource == "events"):
                self._try_again(desk, write, exc, is_stale=True)
        except (Conflict, NotFound) as exc:
            self._try_again(desk, write, exc, is_stale=True)
        except ApiError as exc:
            self._try_again(desk, write, exc, is_stale=False)
        except Exception as exc:
            # The door of the store must not end the loop: what failed is tried again.
            self._try_again(desk, write, exc, is_stale=False)
        else:
            self._failed.succeed(subject)

    def _try_again(self, desk: _Desk, write: Write, exc: Exception, *, is_stale: bool) -> None:
        clock = time.monotonic()
        wait = self._failed.fail(subject_of(write), clock)
        desk.again(clock + wait)
        level = logging.DEBUG if is_stale else logging.WARNING
        logger.log(level, "controller %s: %s refused, again in %.2f s: %s", desk.controller.name, subject_of(write), wait, exc)

    async def _wait(self, revision: int) -> int:
        now, clock = self._now(), time.monotonic()
        waits = [wait for desk in self._desks if (wait := desk.wait_seconds(now, clock)) is not None]
        try:
            # Not wait_for: in Python 3.11 it swallows a cancellation that comes in the same turn as the change.
            async with asyncio.timeout(min(waits, default=None)):
                return await self._cluster.wait_change(revision)
        except TimeoutError:
            return revision


def _reads(controllers: Iterable[Controller]) -> tuple[str, ...]:
    wanted = {resource for controller in controllers for resource in controller.reads}
    return (EVERY_KIND,) if EVERY_KIND in wanted else tuple(sorted(wanted))
