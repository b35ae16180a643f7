"""One thread per pod: sees what is there, asks the decision, does it, tells the status. A slow pod delays only itself (promise I1)."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from edgecore.containers.model import Container, State
from edgecore.containers.runtime import Runtime
from edgecore.edged import restarts
from edgecore.edged.maker import RETRY, ContainerMaker
from edgecore.edged.pod import PodPlan, started_at
from edgecore.edged.ports import Workshop
from edgecore.edged.reconcile import Decision, Make, MakeSandbox, Remove, RemoveSandbox, current, decide, tear_down
from edgecore.edged.sources import Source
from edgecore.edged.status import CRASH_LOOP, Sight, Waiting, pod_status
from edgecore.errors import Busy, EngineError, EngineUnreachable, NoAnswer, StoreError

logger = logging.getLogger(__name__)

Fingerprint = frozenset[tuple[str, State]]

ORPHAN_GRACE = 10.0
_AGAIN_SOON = 2.0


class PodWorker:
    """``want`` gives the pod, or None: it must go. ``ended`` is called once, when nothing of it is left."""

    def __init__(self, uid: str, shop: Workshop, ended: Callable[[str], object]) -> None:
        self.uid = uid
        self._shop = shop
        self._ended = ended
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._closed = False
        self._plan: PodPlan | None = None
        self._grace = ORPHAN_GRACE
        self._changed: set[Source] = set()
        self._maker = ContainerMaker(shop, self.wake)
        self._looked: dict[tuple[str, State], Container] = {}
        self._ends: dict[str, restarts.Ended] = {}
        self._started = 0.0
        self._told: dict[str, Any] = {}
        self._warned = False
        self.finished = False
        self.seen: Fingerprint | None = None
        self._thread = threading.Thread(target=self._run, name=f"pod-{uid[:8]}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def want(self, plan: PodPlan | None) -> bool:
        """False: it is too late, this worker has ended."""
        with self._lock:
            if self.finished:
                return False
            self._plan = plan
            if plan is not None:
                self._grace = plan.grace
            self._maker.forget_tries()
        self._wake.set()
        return True

    def wake(self) -> None:
        self._wake.set()

    def config_changed(self, namespace: str, source: Source) -> None:
        with self._lock:
            if self._plan is None or self._plan.namespace != namespace:
                return
            self._changed.add(source)
        self._wake.set()

    def close(self) -> None:
        """Stop working; containers stay as they are."""
        self._closed = True
        self._wake.set()

    def join(self, timeout: float) -> None:
        if self._thread.is_alive():
            self._thread.join(timeout)

    def _run(self) -> None:
        while not self._closed:
            self._wake.clear()
            try:
                pause = self._sync()
            except EngineUnreachable as exc:
                logger.debug("pod %s: %s", self.uid, exc)
                pause = _AGAIN_SOON
            except EngineError as exc:
                logger.warning("pod %s: %s", self.uid, exc)
                pause = RETRY
            except (Busy, NoAnswer, StoreError) as exc:
                logger.debug("pod %s: status not taken: %s", self.uid, exc)
                pause = _AGAIN_SOON
            except Exception:
                logger.exception("pod %s: this is a bug; tried again", self.uid)
                pause = RETRY
            if pause is not None and pause < 0 and self._finish():
                return
            self._wake.wait(None if pause is None else max(0.0, pause))

    def _finish(self) -> bool:
        with self._lock:
            self.finished = self._plan is None
        if self.finished:
            self._ended(self.uid)
        return self.finished

    def _sync(self) -> float | None:
        """One look and what follows from it. Seconds until the next one (None: until woken), negative: the pod is no more."""
        with self._lock:
            plan, changed = self._plan, self._changed
            self._changed = set()
        if plan is None:
            return self._remove_everything()
        for source in changed:
            self._maker.forget_document(source)
        observed = self._observe()
        if not self._started:
            self._started = started_at(plan.document) or min((c.created for c in observed if c.created), default=self._shop.clock())
            self._maker.address = "" if plan.host_network or plan.shared else str(plan.status.get("podIP") or "")
        if plan.deleting:
            return self._end(plan, observed)
        return self._keep(plan, observed)

    def _keep(self, plan: PodPlan, observed: list[Container]) -> float | None:
        sandboxes = self._shop.runtime().sandboxes(self.uid) if plan.shared else []
        self._remember_network(plan, observed)
        self._maker.sandbox = next((sandbox.id for sandbox in sandboxes if sandbox.ready), "")
        if self._maker.sandbox and not self._maker.address:
            self._maker.address = self._shop.runtime().sandbox_address(self._maker.sandbox)
        decision = decide(plan, observed, sandboxes, self._shop.clock())
        self._maker.refresh_volumes(plan)
        if decision.actions:
            self._perform(plan, decision)
            observed = self._observe()
            self._remember_network(plan, observed)
        self._tell(plan, Sight(current(observed), self._waiting(plan, decision), warnings=self._warnings(plan)))
        return self._pause(decision)

    def _perform(self, plan: PodPlan, decision: Decision) -> None:
        runtime = self._shop.runtime()
        for action in decision.actions:
            if isinstance(action, Make):
                self._maker.make(plan, action)
            elif isinstance(action, Remove):
                if action.container.state is State.RUNNING:
                    runtime.stop(action.container.id, plan.grace)
                runtime.remove(action.container.id)
            elif isinstance(action, RemoveSandbox):
                runtime.remove_sandbox(action.sandbox.id)
            elif isinstance(action, MakeSandbox):
                self._maker.make_sandbox(plan)

    def _end(self, plan: PodPlan, observed: list[Container]) -> float | None:
        """The pod is being deleted: the cloud hears of its end only when its containers are really gone (bug E6)."""
        self._tear_down(observed)
        self._tell(plan, Sight({}, ends=self._ends, gone=True))
        return None

    def _remove_everything(self) -> float:
        self._tear_down(self._observe())
        self._shop.files.forget(self.uid)
        self._shop.pulls.forget_asker(self.uid)
        return -1.0

    def _tear_down(self, observed: Sequence[Container]) -> None:
        runtime = self._shop.runtime()
        _stop_all(runtime, [c for c in observed if c.state is State.RUNNING], self._grace)
        for name, container in current(observed).items():
            end = restarts.ended(runtime.look(container.id) or container)
            if end is not None:
                self._ends[name] = end
        for action in tear_down(observed, runtime.sandboxes(self.uid)):
            if isinstance(action, Remove):
                runtime.remove(action.container.id)
            elif isinstance(action, RemoveSandbox):
                runtime.remove_sandbox(action.sandbox.id)

    def _observe(self) -> list[Container]:
        """Every container of the pod; each is looked at closely once per state, because lists lack address and exact times."""
        runtime = self._shop.runtime()
        looked: dict[tuple[str, State], Container] = {}
        for listed in runtime.containers(self.uid):
            key = (listed.id, listed.state)
            found = self._looked.get(key) or (listed if listed.state is State.CREATED else runtime.look(listed.id))
            if found is not None:
                looked[(found.id, found.state)] = found
        self._looked = looked
        self.seen = frozenset(looked)
        return list(looked.values())

    def _remember_network(self, plan: PodPlan, observed: Sequence[Container]) -> None:
        address = next((c.address for c in observed if c.address), "")
        if address and not plan.host_network:
            self._maker.address = address

    def _waiting(self, plan: PodPlan, decision: Decision) -> dict[str, Waiting]:
        crashed = {
            name: Waiting(CRASH_LOOP, f"back-off restarting failed container={name} pod={plan.name}_{plan.namespace}({plan.uid})")
            for name in decision.waits
        }
        return crashed | self._maker.waiting

    def _warnings(self, plan: PodPlan) -> tuple[str, ...]:
        missing = self._shop.rules().missing
        asked = {name for wanted in plan.wanted for name in (wanted.document.get("resources") or {}).get("limits") or {}}
        warnings = tuple(f"the kernel has no {name} cgroup: the limit is not kept" for name in sorted(missing & asked))
        if warnings and not self._warned:
            self._warned = True
            logger.warning("pod %s/%s: %s", plan.namespace, plan.name, "; ".join(warnings))
        return warnings

    def _tell(self, plan: PodPlan, sight: Sight) -> None:
        status = pod_status(
            plan,
            sight,
            host_address=self._shop.around().host_address,
            started=self._started,
            before=self._told or plan.status,
            now=self._shop.clock(),
        )
        if status != self._told:
            self._shop.meta.report_pod_status(plan.namespace, plan.name, plan.uid, status)
            self._told = status

    def _pause(self, decision: Decision) -> float | None:
        times = [at - time.monotonic() for at in self._maker.retry_at.values()]
        if decision.wake_at is not None:
            times.append(decision.wake_at - self._shop.clock())
        return max(0.05, min(times)) if times else None


def _stop_all(runtime: Runtime, containers: Sequence[Container], grace: float) -> None:
    """All at once, so that the grace of one does not begin after that of another. The first error is raised after all have ended."""
    errors: list[EngineError] = []

    def stop(container: Container) -> None:
        try:
            runtime.stop(container.id, grace)
        except EngineError as exc:
            errors.append(exc)

    others = [threading.Thread(target=stop, args=(container,), name="stop", daemon=True) for container in containers[1:]]
    for thread in others:
        thread.start()
    for container in containers[:1]:
        stop(container)
    for thread in others:
        thread.join()
    if errors:
        raise errors[0]
