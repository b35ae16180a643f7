"""What to do, in order, so that the containers there are become those that a pod wants. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from edgecore.containers import labels
from edgecore.containers.model import Container, Sandbox, State
from edgecore.edged import restarts
from edgecore.edged.pod import PodPlan, Wanted
from edgecore.edged.restarts import Record


@dataclass(frozen=True, slots=True)
class Make:
    """Create and start; then remove ``instead_of``, which has ended (or is stopped first)."""

    wanted: Wanted
    record: Record
    instead_of: Container | None = None


@dataclass(frozen=True, slots=True)
class Remove:
    container: Container


@dataclass(frozen=True, slots=True)
class MakeSandbox:
    pass


@dataclass(frozen=True, slots=True)
class RemoveSandbox:
    sandbox: Sandbox


Action = Make | Remove | MakeSandbox | RemoveSandbox


@dataclass(frozen=True, slots=True)
class Decision:
    """``waits``: containers in back-off and when each is due (epoch seconds)."""

    actions: tuple[Action, ...] = ()
    waits: dict[str, float] = field(default_factory=dict)

    @property
    def wake_at(self) -> float | None:
        return min(self.waits.values(), default=None)


def current(observed: Sequence[Container]) -> dict[str, Container]:
    """The newest container of each name."""
    newest: dict[str, Container] = {}
    for container in sorted(observed, key=lambda c: (restarts.record_of(c).restarts, c.created)):
        newest[container.label(labels.CONTAINER)] = container
    return newest


def decide(plan: PodPlan, observed: Sequence[Container], sandboxes: Sequence[Sandbox], now: float) -> Decision:
    """For a pod that is to run. One that ends is only torn down (``tear_down``)."""
    there = current(observed)
    names = {wanted.name for wanted in plan.wanted}
    surplus = [c for c in observed if c.label(labels.CONTAINER) not in names or there[c.label(labels.CONTAINER)] is not c]
    waits: dict[str, float] = {}
    network_lost = plan.shared and not any(sandbox.ready for sandbox in sandboxes)
    makes = list(_makes(plan, there, now, waits, network_lost=network_lost))
    actions: list[Action] = [Remove(container) for container in surplus]
    if makes and network_lost:
        actions += [*map(RemoveSandbox, sandboxes), MakeSandbox()]
        makes = [Make(make.wanted, make.record) for make in makes]
    return Decision((*actions, *makes), waits)


def tear_down(observed: Sequence[Container], sandboxes: Sequence[Sandbox]) -> tuple[Action, ...]:
    return (*map(Remove, observed), *map(RemoveSandbox, sandboxes))


def _makes(plan: PodPlan, there: dict[str, Container], now: float, waits: dict[str, float], *, network_lost: bool) -> Iterator[Make]:
    begun = any(wanted.name in there for wanted in plan.containers)
    if not begun and _is_over(plan):
        return
    if not begun:
        for wanted in plan.inits:
            make, done = _init(plan, wanted, there.get(wanted.name), now, waits)
            if make is not None:
                yield make
            if not done:
                return
    for wanted in plan.containers:
        make = _main(plan, wanted, there.get(wanted.name), now, waits, network_lost=network_lost)
        if make is not None:
            yield make


def _init(plan: PodPlan, wanted: Wanted, found: Container | None, now: float, waits: dict[str, float]) -> tuple[Make | None, bool]:
    if found is None:
        return Make(wanted, _first_record(plan, wanted)), False
    end = restarts.ended(found)
    if end is None:
        return (Make(wanted, restarts.record_of(found), found), False) if found.state is State.CREATED else (None, False)
    if end.exit_code == 0:
        return None, True
    return _again(plan, wanted, found, now, waits), False


def _main(
    plan: PodPlan, wanted: Wanted, found: Container | None, now: float, waits: dict[str, float], *, network_lost: bool
) -> Make | None:
    if found is None:
        return Make(wanted, _first_record(plan, wanted))
    end = restarts.ended(found)
    record = restarts.record_of(found)
    if found.state is State.CREATED and end is None:
        return Make(wanted, record, found)
    if found.label(labels.HASH) != wanted.hash:
        return Make(wanted, restarts.following(record, end), found)
    if end is None:
        return Make(wanted, restarts.following(record, None), found) if network_lost else None
    return _again(plan, wanted, found, now, waits)


def _again(plan: PodPlan, wanted: Wanted, found: Container, now: float, waits: dict[str, float]) -> Make | None:
    end, record = restarts.ended(found), restarts.record_of(found)
    if end is None or not restarts.should_run_again(plan.restart_policy, end.exit_code, init=wanted.init):
        return None
    when = restarts.due(record, end)
    if when > now:
        waits[wanted.name] = when
        return None
    return Make(wanted, restarts.following(record, end), found)


def _is_over(plan: PodPlan) -> bool:
    """A pod that has ended stays so, also when its containers are gone."""
    return plan.status.get("phase") in ("Succeeded", "Failed")


def _first_record(plan: PodPlan, wanted: Wanted) -> Record:
    """The API may remember a container that this node lost: its count goes on."""
    key = "initContainerStatuses" if wanted.init else "containerStatuses"
    for status in plan.status.get(key) or []:
        if isinstance(status, dict) and status.get("name") == wanted.name and status.get("containerID"):
            return Record(restarts=int(status.get("restartCount") or 0) + 1)
    return Record()
