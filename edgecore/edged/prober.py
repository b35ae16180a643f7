"""Asks the probes of every pod on this node. One thread knows when each is due; each question has a thread of its own for as long as it
takes, so one that hangs delays nothing but itself (promise I1), and a board whose probes are quiet holds no threads for them.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from edgecore.containers.model import Container, State
from edgecore.containers.runtime import Runtime
from edgecore.edged.errors import ConfigProblem
from edgecore.edged.handlers import Outcome
from edgecore.edged.handling import handle
from edgecore.edged.health import Health, Sickness
from edgecore.edged.pod import PodPlan
from edgecore.edged.probes import UNASKED, Probe, ProbeKind, Progress, answered, first_due, is_over, probes_of
from edgecore.errors import EngineError

logger = logging.getLogger(__name__)

Complain = Callable[[str, str], None]
"""Called with a container's name and a text for each probe that failed."""


@dataclass(slots=True)
class _Watch:
    """One probe of one container."""

    uid: str
    name: str
    container: str
    address: str
    probe: Probe
    wake: Callable[[], None]
    complain: Complain
    due: float
    progress: Progress = UNASKED
    asking: bool = False


@dataclass(slots=True)
class _Pod:
    by_key: dict[tuple[str, ProbeKind], _Watch] = field(default_factory=dict)


class Prober:
    """``watch`` is told what runs; ``health`` says what was found out. Both from any thread. The thread starts with the first probe."""

    def __init__(self, runtime: Callable[[], Runtime], clock: Callable[[], float] = time.monotonic) -> None:
        self._runtime = runtime
        self._clock = clock
        self._pods: dict[str, _Pod] = {}
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._closed = False

    def watch(
        self,
        plan: PodPlan,
        there: Mapping[str, Container],
        address: str,
        *,
        age: Callable[[float], float],
        wake: Callable[[], None],
        complain: Complain,
    ) -> None:
        """``there``: the newest container of each name. ``age``: seconds since an epoch time. Containers that went are forgotten."""
        if not any(f"{kind}Probe" in wanted.document for wanted in plan.wanted for kind in ProbeKind):
            self.forget(plan.uid)
            return
        known = self._pods.get(plan.uid, _Pod())
        pod = _Pod()
        for wanted in plan.wanted:
            found = there.get(wanted.name)
            if found is None or found.state is not State.RUNNING or (wanted.init and not wanted.sidecar):
                continue
            for probe in _readable(wanted.document):
                old = known.by_key.get((found.id, probe.kind))
                if old is None or old.probe != probe:
                    due = first_due(probe, self._clock() - age(found.started))
                    old = _Watch(
                        plan.uid, wanted.name, found.id, address, probe, wake, complain, due, _remembered(plan, found.id, probe.kind)
                    )
                old.address = address
                pod.by_key[(found.id, probe.kind)] = old
        with self._changed:
            self._pods[plan.uid] = pod
            self._start()
            self._changed.notify()

    def health(self, uid: str) -> Health:
        watches = list(self._pods.get(uid, _Pod()).by_key.values())
        return Health(
            unstarted=frozenset(w.name for w in watches if w.probe.kind is ProbeKind.STARTUP and w.progress.verdict is not True),
            unready=frozenset(w.name for w in watches if w.probe.kind is ProbeKind.READINESS and w.progress.verdict is not True),
            sick={
                w.name: Sickness(f"Container {w.name} failed {w.probe.kind} probe", w.probe.grace)
                for w in watches
                if w.probe.kind is not ProbeKind.READINESS and w.progress.verdict is False
            },
        )

    def forget(self, uid: str) -> None:
        with self._changed:
            self._pods.pop(uid, None)

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify()

    def _start(self) -> None:
        if self._thread is None and any(pod.by_key for pod in self._pods.values()):
            self._thread = threading.Thread(target=self._run, name="probes", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        while True:
            with self._changed:
                if self._closed:
                    return
                now = self._clock()
                waiting = [w for pod in self._pods.values() for w in pod.by_key.values() if self._may_be_asked(pod, w)]
                ready = [w for w in waiting if w.due <= now]
                if not ready:
                    self._changed.wait(min((w.due - now for w in waiting), default=None))
                    continue
                for watch in ready:
                    watch.asking = True
            for watch in ready:
                threading.Thread(target=self._ask, args=(watch,), name=f"probe-{watch.uid[:8]}", daemon=True).start()

    @staticmethod
    def _may_be_asked(pod: _Pod, watch: _Watch) -> bool:
        """The others wait for the startup probe."""
        if watch.asking or is_over(watch.probe, watch.progress):
            return False
        startup = pod.by_key.get((watch.container, ProbeKind.STARTUP))
        return startup is None or startup is watch or startup.progress.verdict is True

    def _is_watched(self, watch: _Watch) -> bool:
        with self._changed:
            return self._pods.get(watch.uid, _Pod()).by_key.get((watch.container, watch.probe.kind)) is watch

    def _ask(self, watch: _Watch) -> None:
        outcome: Outcome | None = None
        asked = self._clock()
        try:
            outcome = handle(
                watch.probe.handler, runtime=self._runtime, container=watch.container, address=watch.address, timeout=watch.probe.timeout
            )
        except EngineError as exc:
            logger.debug("%s probe of container %s: %s", watch.probe.kind, watch.name, exc)
        except Exception:
            logger.exception("%s probe of container %s: this is a bug; asked again", watch.probe.kind, watch.name)
        if outcome is not None and not outcome.ok and self._is_watched(watch):  # said before it has consequences
            watch.complain(watch.name, f"{watch.probe.kind.capitalize()} probe failed: {outcome.text}")
        with self._changed:
            before = watch.progress
            if outcome is not None:
                watch.progress = answered(before, watch.probe, ok=outcome.ok, text=outcome.text)
            watch.due = max(self._clock(), asked + watch.probe.period)
            watch.asking = False
            self._changed.notify()
        if outcome is None or not self._is_watched(watch):
            return
        if watch.progress.verdict is not before.verdict:
            logger.info("container %s: %s probe: %s", watch.name, watch.probe.kind, "success" if outcome.ok else outcome.text or "failed")
            watch.wake()


def _readable(document: dict[str, Any]) -> tuple[Probe, ...]:
    """A container whose probes cannot be read is not made at all; one that runs already goes on without them."""
    try:
        return probes_of(document)
    except ConfigProblem:
        return ()


def _remembered(plan: PodPlan, container: str, kind: ProbeKind) -> Progress:
    """A restart of EdgeCore makes no container unready: what the stored status says of this very container stands until a probe answers."""
    for status in (*(plan.status.get("containerStatuses") or []), *(plan.status.get("initContainerStatuses") or [])):
        if str(status.get("containerID", "")).endswith(f"//{container}"):
            good = status.get("ready") if kind is ProbeKind.READINESS else status.get("started") if kind is ProbeKind.STARTUP else None
            return Progress(verdict=True) if good is True else Progress()
    return Progress()
