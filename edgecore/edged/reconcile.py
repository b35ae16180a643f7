"""What to do, in order, so that the containers there are become those that a pod wants. Pure.

Init containers run one after the other. A sidecar among them counts as done when it has started, runs as long as the pod has work to do
whatever the pod's restart policy is, and is ended after the pod's other containers, the last one first.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from edgecore.containers import labels
from edgecore.containers.model import Container, Sandbox, State
from edgecore.edged import restarts
from edgecore.edged.generations import by_age, current, predecessors
from edgecore.edged.health import UNPROBED, Health
from edgecore.edged.pod import PodPlan, Wanted
from edgecore.edged.restarts import Record


@dataclass(frozen=True, slots=True)
class Make:
    """Create and start in the place of ``instead_of``, which has ended (or is stopped first) and stays for its log."""

    wanted: Wanted
    record: Record
    instead_of: Container | None = None


@dataclass(frozen=True, slots=True)
class Stop:
    """Ask a running container to end, because of ``why``; what follows is decided when it has. ``grace``: seconds, None: the pod's."""

    wanted: Wanted
    container: Container
    why: str
    grace: float | None = None


@dataclass(frozen=True, slots=True)
class Remove:
    container: Container


@dataclass(frozen=True, slots=True)
class MakeSandbox:
    pass


@dataclass(frozen=True, slots=True)
class RemoveSandbox:
    sandbox: Sandbox


NONE_ENDED: Mapping[str, float] = {}

Action = Make | Stop | Remove | MakeSandbox | RemoveSandbox


@dataclass(frozen=True, slots=True)
class Decision:
    """``waits``: containers in back-off and when each is due (by the clock of ``now``). ``pauses``: how long each of them waits in all."""

    actions: tuple[Action, ...] = ()
    waits: dict[str, float] = field(default_factory=dict)
    pauses: dict[str, float] = field(default_factory=dict)

    @property
    def wake_at(self) -> float | None:
        return min(self.waits.values(), default=None)

    @property
    def leads_on(self) -> bool:
        """Whether there is more to decide as soon as this is done: nothing tells of a sidecar that has started."""
        return any(isinstance(action, Make) and action.wanted.sidecar for action in self.actions)


@dataclass(frozen=True, slots=True)
class _Times:
    """``waits`` is filled while deciding."""

    now: float
    ends: Mapping[str, float]
    waits: dict[str, float]


def decide(
    plan: PodPlan,
    observed: Sequence[Container],
    sandboxes: Sequence[Sandbox],
    now: float,
    *,
    ends: Mapping[str, float] = NONE_ENDED,
    health: Health = UNPROBED,
) -> Decision:
    """For a pod that is to run. One that ends is only torn down (``tear_down``). What is dead and in nobody's way is removed last.

    ``ends``: when each container ended, by the same steady clock as ``now`` (``restarts.Ends``); one that is not named has just ended.
    """
    there = current(observed, plan.status)
    names = {wanted.name for wanted in plan.wanted}
    surplus = list(_surplus(observed, there, names))
    dead = [c for c in surplus if restarts.ended(c) is not None]
    waits: dict[str, float] = {}
    network_lost = plan.shared and not any(sandbox.ready for sandbox in sandboxes)
    times = _Times(now, ends, waits)
    makes = list(_makes(plan, there, times, health, network_lost=network_lost))
    if makes and (network_lost or (plan.inits and not plan.shared and any(map(restarts.went_down, there.values())))):
        return Decision((*_clearing(plan, observed, sandboxes), *_begun_anew(plan, there, now)))
    actions: list[Action] = [*(Remove(c) for c in surplus if c not in dead), *_stops(plan, there, health), *makes, *map(Remove, dead)]
    return Decision(tuple(actions), waits, {name: _pause(there[name]) for name in waits})


def tear_down(observed: Sequence[Container], sandboxes: Sequence[Sandbox]) -> tuple[Action, ...]:
    """The oldest first: whoever is interrupted still finds how the current ones ended."""
    return (*map(Remove, by_age(observed)), *map(RemoveSandbox, sandboxes))


def _surplus(observed: Sequence[Container], there: dict[str, Container], names: set[str]) -> Iterator[Container]:
    kept = [*there.values(), *predecessors(observed, there)]
    for container in observed:
        if container.label(labels.CONTAINER) not in names or not any(container is each for each in kept):
            yield container


def _clearing(plan: PodPlan, observed: Sequence[Container], sandboxes: Sequence[Sandbox]) -> Iterator[Action]:
    """The pod begins anew, its init containers too: what they prepared in memory went down with the machine."""
    if not plan.shared:
        yield from map(Remove, by_age(observed))
        return
    yield from map(RemoveSandbox, sandboxes)
    yield MakeSandbox()


def _begun_anew(plan: PodPlan, there: dict[str, Container], now: float) -> Iterator[Make]:
    """As if nothing were there, but counted on; what had ended for good stays ended."""
    for make in _makes(plan, {}, _Times(now, {}, {}), UNPROBED, network_lost=False):
        found = there.get(make.wanted.name)
        end = restarts.ended(found) if found is not None else None
        if found is None:
            yield make
        elif end is None or make.wanted.init or restarts.should_run_again(plan.restart_policy, end.exit_code):
            yield Make(make.wanted, restarts.following(restarts.record_of(found), end))


def _makes(plan: PodPlan, there: dict[str, Container], times: _Times, health: Health, *, network_lost: bool) -> Iterator[Make]:
    begun = any(wanted.name in there for wanted in plan.containers)
    if _is_over(plan) if not begun else _work_is_done(plan, there):
        return
    for wanted in plan.inits:
        found = there.get(wanted.name)
        if wanted.sidecar:
            make = _main(plan, wanted, found, times, network_lost=network_lost)
            done = make is None and found is not None and found.state is State.RUNNING and wanted.name not in health.unstarted
        else:
            make, done = (None, True) if begun else _init(plan, wanted, found, times)
        if make is not None:
            yield make
        if not done and not begun:
            return
    for wanted in plan.containers:
        make = _main(plan, wanted, there.get(wanted.name), times, network_lost=network_lost)
        if make is not None:
            yield make


def _stops(plan: PodPlan, there: dict[str, Container], health: Health) -> Iterator[Stop]:
    """Containers that fail their probes, and sidecars of a pod whose work is done."""
    done = _work_is_done(plan, there)
    for wanted in (*plan.containers, *reversed(plan.inits)):
        found = there.get(wanted.name)
        if found is None or found.state is not State.RUNNING:
            continue
        if (sickness := health.sick.get(wanted.name)) is not None:
            yield Stop(wanted, found, sickness.why, sickness.grace)
        elif done and wanted.sidecar:
            yield Stop(wanted, found, "the pod's work is done")


def _work_is_done(plan: PodPlan, there: dict[str, Container]) -> bool:
    """Whether every container besides the sidecars has ended for good."""
    for wanted in plan.containers:
        found = there.get(wanted.name)
        end = restarts.ended(found) if found is not None else _told_end(plan, wanted)
        if end is None or restarts.should_run_again(plan.restart_policy, end.exit_code):
            return False
    return True


def _told_end(plan: PodPlan, wanted: Wanted) -> restarts.Ended | None:
    return restarts.told_end(plan.statuses(init=wanted.init), wanted.name)


def _init(plan: PodPlan, wanted: Wanted, found: Container | None, times: _Times) -> tuple[Make | None, bool]:
    if found is None:
        return Make(wanted, _first_record(plan, wanted)), False
    end = restarts.ended(found)
    if end is None:
        return (Make(wanted, restarts.record_of(found), found), False) if found.state is State.CREATED else (None, False)
    if end.exit_code == 0:
        return None, True
    return _again(plan, wanted, found, times), False


def _main(plan: PodPlan, wanted: Wanted, found: Container | None, times: _Times, *, network_lost: bool) -> Make | None:
    if found is None:
        told = None if wanted.sidecar else _told_end(plan, wanted)
        is_done = told is not None and not restarts.should_run_again(plan.restart_policy, told.exit_code)
        return None if is_done else Make(wanted, _first_record(plan, wanted))
    end = restarts.ended(found)
    record = restarts.record_of(found)
    if found.state is State.CREATED and end is None:
        return Make(wanted, record, found)
    if found.label(labels.HASH) != wanted.hash:
        return Make(wanted, restarts.following(record, end), found)
    if end is None:
        return Make(wanted, restarts.following(record, None), found) if network_lost else None
    return _again(plan, wanted, found, times)


def _again(plan: PodPlan, wanted: Wanted, found: Container, times: _Times) -> Make | None:
    end, record = restarts.ended(found), restarts.record_of(found)
    policy = "Always" if wanted.sidecar else plan.restart_policy
    if end is None or not restarts.should_run_again(policy, end.exit_code, init=wanted.init and not wanted.sidecar):
        return None
    when = times.ends.get(found.id, times.now) + restarts.pause(record, end)
    if when > times.now:
        times.waits[wanted.name] = when
        return None
    return Make(wanted, restarts.following(record, end), found)


def _pause(container: Container) -> float:
    end = restarts.ended(container)
    return restarts.pause(restarts.record_of(container), end) if end is not None else 0.0


def _is_over(plan: PodPlan) -> bool:
    """A pod that has ended stays so, also when its containers are gone."""
    return plan.status.get("phase") in ("Succeeded", "Failed")


def _first_record(plan: PodPlan, wanted: Wanted) -> Record:
    """The API may remember a container that this node lost: its count goes on."""
    return restarts.lost(plan.statuses(init=wanted.init), wanted.name) or Record()
