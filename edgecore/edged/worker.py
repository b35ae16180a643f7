"""One thread per pod: sees what is there, asks the decision, does it, tells the status. A slow pod delays only itself (promise I1)."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from edgecore.containers.model import Container, State
from edgecore.edged import deadlines, restarts
from edgecore.edged.generations import current
from edgecore.edged.health import Health
from edgecore.edged.maker import RETRY, ContainerMaker
from edgecore.edged.naming import Presence
from edgecore.edged.pod import PodPlan, started_at
from edgecore.edged.ports import Workshop
from edgecore.edged.reconcile import Decision, Make, MakeSandbox, Remove, RemoveSandbox, Stop, decide, tear_down
from edgecore.edged.sources import Source
from edgecore.edged.status import Sight, Verdict, Waiting, crash_loop, pod_status
from edgecore.edged.stopping import Stopper
from edgecore.edgemesh.serving import resident_of
from edgecore.errors import Busy, ContainerLost, EngineError, EngineUnreachable, NoAnswer, StoreError

logger = logging.getLogger(__name__)

Fingerprint = frozenset[tuple[str, State]]

ORPHAN_GRACE = 10.0
_EVICTION_GRACE = 10.0
_AGAIN_SOON = 2.0
_TOO_LONG = Verdict(deadlines.REASON, deadlines.MESSAGE)


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
        self._last_plan: PodPlan | None = None
        self._grace = ORPHAN_GRACE
        self._changed: set[Source] = set()
        self._stopper = Stopper(shop)
        self._maker = ContainerMaker(shop, self.wake, self._stopper, self._is_to_go)
        self._looked: dict[tuple[str, State], Container] = {}
        self._ends: dict[str, restarts.Ended] = {}
        self._ended_at = restarts.Ends()
        self._started = 0.0
        self._since: float | None = None
        self._expiring = False
        self._told: dict[str, Any] = {}
        self._status: dict[str, Any] = {}
        self._served_as: dict[str, Any] | None = None
        self._warned = False
        self._eviction = ""
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
            if plan is not None and not self._status:
                self._status = plan.status
            if plan is not None:
                self._grace, self._last_plan = plan.grace, plan
            self._maker.forget_tries()
        self._wake.set()
        self._shop.told()
        return True

    def wake(self) -> None:
        self._wake.set()

    def try_again(self) -> None:
        """Something changed that this pod may wait for."""
        self._maker.forget_tries()
        self._wake.set()

    def config_changed(self, namespace: str, source: Source) -> None:
        with self._lock:
            if self._plan is None or self._plan.namespace != namespace:
                return
            self._changed.add(source)
        self._wake.set()

    def plan(self) -> PodPlan | None:
        return self._plan

    def images(self) -> list[str]:
        """Names that the pod's containers need."""
        plan = self._plan
        return [wanted.image for wanted in plan.wanted] if plan is not None else []

    def presence(self) -> Presence:
        """What Services see of the pod; a pod that is to go gets no more traffic."""
        plan, status, looked = self._plan, self._served_as, self._looked
        pids = tuple(container.pid for container in looked.values() if container.pid and container.state is State.RUNNING)
        if plan is None:
            plan = self._last_plan
            going, status = True, status or {}
        else:
            going = plan.deleting or bool(self._eviction) or self._expiring
        if plan is None or status is None:
            return Presence(None, pids)
        return Presence(resident_of(plan.document, status, going=going), pids)

    def may_be_evicted(self) -> bool:
        return any(state is State.RUNNING for _, state in self.seen or ()) and not self._eviction

    def evict(self, why: str) -> None:
        """The node cannot bear the pod any more: it ends as Failed, and whoever made it makes another one elsewhere."""
        with self._lock:
            if self._eviction or self._plan is None or self._plan.deleting:
                return
            self._eviction = why
        logger.warning("pod %s is evicted: %s", self.uid, why)
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
            plan = self._plan.with_status(self._status) if self._plan is not None else None
            changed, self._changed = self._changed, set()
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
        if plan.status.get("reason") == deadlines.REASON or self._has_run_too_long(plan):
            return self._expire(plan, observed)
        if self._eviction and not plan.over:
            return self._leave(plan, observed)
        return self._keep(plan, observed)

    def _keep(self, plan: PodPlan, observed: list[Container]) -> float | None:
        sandboxes = self._shop.runtime().sandboxes(self.uid) if plan.shared else []
        self._remember_network(plan, observed)
        self._maker.sandbox = next((sandbox.id for sandbox in sandboxes if sandbox.ready), "")
        if self._maker.sandbox and not self._maker.address:
            self._maker.address = self._shop.runtime().sandbox_address(self._maker.sandbox)
        health = self._ask_probes(plan, observed)
        now = self._shop.steady()
        ends = self._ended_at.look(observed, wall=self._shop.clock(), running=now)
        decision = decide(plan, observed, sandboxes, now, ends=ends, health=health)
        if not plan.over:
            self._maker.refresh_volumes(plan)
        if decision.actions:
            self._perform(plan, decision)
            observed = self._observe()
            self._remember_network(plan, observed)
            health = self._ask_probes(plan, observed)
        self._tell(plan, Sight(current(observed, plan.status), self._waiting(plan, decision), warnings=self._warnings(plan), health=health))
        return 0.0 if decision.leads_on and not self._maker.waiting else self._pause(plan, decision)

    def _ask_probes(self, plan: PodPlan, observed: Sequence[Container]) -> Health:
        """What probes have found out so far, about the containers that are there now."""
        address = self._shop.around().host_address if plan.host_network else self._maker.address
        prober = self._shop.prober
        prober.watch(plan, current(observed, plan.status), address, age=self._age, wake=self.wake, complain=self._complain)
        return prober.health(self.uid)

    def _age(self, moment: float) -> float:
        return max(0.0, self._shop.clock() - moment)

    def _complain(self, container: str, text: str) -> None:
        plan = self._last_plan
        if plan is not None:
            self._shop.events.about_pod(plan, "Unhealthy", text, container=container, warning=True)

    def _is_to_go(self) -> bool:
        plan = self._plan
        return self._closed or plan is None or plan.deleting or self._has_run_too_long(plan)

    def _perform(self, plan: PodPlan, decision: Decision) -> None:
        runtime = self._shop.runtime()
        for action in decision.actions:
            if isinstance(action, Make):
                self._maker.make(plan, action)
            elif isinstance(action, Stop):
                logger.info("pod %s/%s: container %s is ended: %s", plan.namespace, plan.name, action.wanted.name, action.why)
                self._stopper.stop(plan, action.container, plan.grace if action.grace is None else action.grace, why=action.why)
            elif isinstance(action, Remove):
                if action.container.state is State.RUNNING:
                    self._stopper.stop(plan, action.container, plan.grace)
                runtime.remove(action.container.id)
            elif isinstance(action, RemoveSandbox):
                runtime.remove_sandbox(action.sandbox.id)
            elif isinstance(action, MakeSandbox):
                self._maker.make_sandbox(plan)

    def _end(self, plan: PodPlan, observed: list[Container]) -> float | None:
        """The pod is being deleted: the cloud hears of its end only when its containers are really gone (bug E6)."""
        self._shop.prober.forget(self.uid)
        self._tear_down(observed)
        self._tell(plan, Sight({}, ends=self._ends, gone=True))
        return None

    def _leave(self, plan: PodPlan, observed: list[Container]) -> float | None:
        """Evicted: told when its containers are gone, so that what it held is really free."""
        self._shop.prober.forget(self.uid)
        self._shop.events.about_pod(plan, "Evicted", self._eviction, warning=True)
        self._tear_down(observed, most=_EVICTION_GRACE)
        self._tell(plan, Sight({}, ends=self._ends, gone=True, verdict=Verdict("Evicted", self._eviction)))
        return None

    def _has_run_too_long(self, plan: PodPlan) -> bool:
        expires = self._expires_at(plan)
        return expires is not None and expires <= self._shop.steady()

    def _expires_at(self, plan: PodPlan) -> float | None:
        """By the steady clock; None: never."""
        limit = deadlines.limit_of(plan.spec)
        if limit is None or plan.over:
            return None
        if self._since is None:
            now, noted = self._shop.steady(), self._shop.files.noted_since(self.uid)
            self._since = deadlines.active_since(noted, started=self._started, wall=self._shop.clock(), running=now)
            if noted != self._since:
                self._shop.files.note_since(self.uid, self._since)
        return self._since + limit

    def _expire(self, plan: PodPlan, observed: list[Container]) -> float | None:
        """Over its deadline: its containers end with the pod's grace, and stay for their logs. Whoever made the pod hears of it then."""
        self._shop.prober.forget(self.uid)
        if plan.status.get("reason") != deadlines.REASON:
            logger.info("pod %s/%s: %s", plan.namespace, plan.name, deadlines.MESSAGE)
            self._shop.events.about_pod(plan, deadlines.REASON, deadlines.MESSAGE)
        self._expiring = True
        self._shop.told()
        self._stopper.stop_all(plan, [c for c in observed if c.state is State.RUNNING], plan.grace)
        self._shop.pulls.forget_asker(self.uid)
        self._tell(plan, Sight(current(self._observe(), plan.status), verdict=_TOO_LONG))
        return None

    def _remove_everything(self) -> float:
        self._tear_down(self._observe())
        self._shop.files.forget(self.uid)
        self._shop.pulls.forget_asker(self.uid)
        self._shop.prober.forget(self.uid)
        return -1.0

    def _tear_down(self, observed: Sequence[Container], *, most: float = float("inf")) -> None:
        runtime = self._shop.runtime()
        self._stopper.stop_all(self._last_plan, [c for c in observed if c.state is State.RUNNING], min(self._grace, most))
        for name, container in current(observed, self._status).items():
            end = restarts.ended(self._look(container) or container)
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
            found = self._looked.get(key) or (listed if listed.state is State.CREATED else self._look(listed))
            if found is not None:
                looked[(found.id, found.state)] = found
        self._looked = looked
        self.seen = frozenset(looked)
        return list(looked.values())

    def _look(self, listed: Container) -> Container | None:
        """One that a power cut spoilt can be listed and removed, but not be looked at: it has ended, and is replaced as any other."""
        runtime = self._shop.runtime()
        try:
            return runtime.look(listed.id)
        except EngineUnreachable:
            raise
        except ContainerLost as exc:
            logger.warning("pod %s: container %s is removed: %s", self.uid, listed.name, exc)
            runtime.remove(listed.id)
            return None
        except EngineError as exc:
            if listed.state is State.RUNNING:
                raise
            logger.warning("container %s is spoilt: %s", listed.name, exc)
            return listed

    def _remember_network(self, plan: PodPlan, observed: Sequence[Container]) -> None:
        address = next((c.address for c in observed if c.address), "")
        if address and not plan.host_network:
            self._maker.address = address

    def _waiting(self, plan: PodPlan, decision: Decision) -> dict[str, Waiting]:
        crashed = {name: crash_loop(plan, name, pause) for name, pause in decision.pauses.items()}
        for name in crashed:
            text = f"Back-off restarting failed container {name} in pod {plan.name}_{plan.namespace}({plan.uid})"
            self._shop.events.about_pod(plan, "BackOff", text, container=name, warning=True)
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
            before=plan.status,
            now=self._shop.clock(),
        )
        if status != self._served_as:
            self._served_as = status
            self._shop.told()
        if status != self._told:
            self._shop.meta.report_pod_status(plan.namespace, plan.name, plan.uid, status)
            self._told = self._status = status

    def _pause(self, plan: PodPlan, decision: Decision) -> float | None:
        look_at = [] if plan.over else self._maker.look_at
        times = [at - time.monotonic() for at in (*self._maker.retry_at.values(), *look_at)]
        times += [at - self._shop.steady() for at in (decision.wake_at, self._expires_at(plan)) if at is not None]
        return max(0.05, min(times)) if times else None
