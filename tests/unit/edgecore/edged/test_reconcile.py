from __future__ import annotations

from typing import Any

from edgecore.containers import labels
from edgecore.containers.model import Container, Sandbox, State
from edgecore.edged.pod import PodPlan, read_pod
from edgecore.edged.reconcile import Make, MakeSandbox, Remove, RemoveSandbox, decide, tear_down
from edgecore.edged.restarts import Ended, Record
from tests.unit.edgecore.edged.pods import container, pod

NOW = 1000.0
READY = Sandbox("s1", "pod", True, {})


def seen(
    plan: PodPlan, name: str, state: State = State.RUNNING, *, record: Record | None = None, hash_: str = "", **fields: Any
) -> Container:
    wanted = next((w for w in plan.wanted if w.name == name), None)
    label = {labels.CONTAINER: name, labels.HASH: hash_ or (wanted.hash if wanted else "")}
    if record is not None:
        label[labels.RECORD] = record.text()
    times = {"created": 900.0, "started": 901.0 if state is not State.CREATED else 0.0, "finished": 990.0 if state is State.ENDED else 0.0}
    return Container(f"id-{name}", name, "i", "s", state, label, **{**times, **fields})


def plan_of(*containers: dict[str, Any], **spec: Any) -> PodPlan:
    return read_pod(pod(*containers, **spec))


def test_what_is_missing_is_made_and_what_fits_is_left_alone() -> None:
    plan = plan_of(container("a"), container("b"))
    decision = decide(plan, [seen(plan, "a")], [READY], NOW)
    assert decision.actions == (Make(plan.containers[1], Record()),)
    assert decide(plan, [seen(plan, "a"), seen(plan, "b")], [READY], NOW).actions == ()


def test_a_pod_of_one_container_needs_no_sandbox_and_a_pod_of_two_gets_it_first() -> None:
    assert [type(a) for a in decide(plan_of(), [], [], NOW).actions] == [Make]
    assert [type(a) for a in decide(plan_of(container("a"), container("b")), [], [], NOW).actions] == [MakeSandbox, Make, Make]
    assert not plan_of(container("a"), container("b"), hostNetwork=True).shared


def test_a_changed_spec_replaces_the_container_and_counts_as_a_restart() -> None:
    plan = plan_of()
    old = seen(plan, "web", hash_="other", record=Record(2))
    assert decide(plan, [old], [], NOW).actions == (Make(plan.containers[0], Record(3), old),)


def test_a_container_that_ended_runs_again_when_it_is_due() -> None:
    plan = plan_of()
    dead = seen(plan, "web", State.ENDED, exit_code=1, record=Record(1, 1))
    early, late = decide(plan, [dead], [], 995.0), decide(plan, [dead], [], NOW)
    assert (early.actions, early.waits, early.wake_at) == ((), {"web": 1000.0}, 1000.0)
    assert late.actions == (Make(plan.containers[0], Record(2, 2, Ended(1, "Error", 901.0, 990.0, "id-web")), dead),)


def test_a_container_that_was_made_but_never_started_is_made_anew_without_counting() -> None:
    plan = plan_of()
    half = seen(plan, "web", State.CREATED, record=Record(4))
    assert decide(plan, [half], [], NOW).actions == (Make(plan.containers[0], Record(4), half),)


def test_containers_that_the_pod_does_not_name_and_older_twins_are_removed() -> None:
    plan = plan_of()
    twin, stranger = seen(plan, "web", created=1.0), seen(plan, "other")
    newest = seen(plan, "web", record=Record(1))
    assert decide(plan, [twin, newest, stranger], [], NOW).actions == (Remove(twin), Remove(stranger))


def test_init_containers_run_one_after_the_other_before_the_rest() -> None:
    plan = plan_of(container("web"), initContainers=[container("one"), container("two")])
    one, two = plan.inits
    done = {"state": State.ENDED, "exit_code": 0}
    assert makes(plan) == ["one"]
    assert makes(plan, seen(plan, "one")) == []
    assert makes(plan, seen(plan, "one", **done)) == ["two"]
    assert makes(plan, seen(plan, "one", **done), seen(plan, "two", **done)) == ["web"]
    assert makes(plan, seen(plan, "web")) == []
    assert (one.init, two.init) == (True, True)


def test_a_failed_init_container_is_tried_again_unless_the_policy_is_never() -> None:
    for policy, expected in (("Always", ["one"]), ("OnFailure", ["one"]), ("Never", [])):
        plan = plan_of(container("web"), initContainers=[container("one")], restartPolicy=policy)
        assert makes(plan, seen(plan, "one", State.ENDED, exit_code=1)) == expected


def test_a_lost_sandbox_is_replaced_with_everything_in_it() -> None:
    plan = plan_of(container("a"), container("b"))
    dead = Sandbox("s1", "pod", False, {})
    found = [seen(plan, "a"), seen(plan, "b", State.ENDED, exit_code=255)]
    actions = decide(plan, found, [dead], NOW).actions
    assert [type(a) for a in actions] == [RemoveSandbox, MakeSandbox, Make, Make]
    assert all(isinstance(a, Make) and a.instead_of is None and a.record.restarts == 1 for a in actions[2:])


def test_a_pod_whose_work_is_done_needs_nothing_also_without_its_sandbox() -> None:
    plan = plan_of(container("a"), container("b"), restartPolicy="Never")
    found = [seen(plan, "a", State.ENDED), seen(plan, "b", State.ENDED, exit_code=1)]
    assert decide(plan, found, [], NOW).actions == ()


def test_a_pod_that_ended_stays_ended_when_its_containers_are_gone() -> None:
    document = pod(restartPolicy="Never")
    document["status"] = {"phase": "Succeeded"}
    assert decide(read_pod(document), [], [], NOW).actions == ()


def test_the_count_goes_on_where_only_the_api_remembers_a_container() -> None:
    document = pod()
    document["status"] = {"phase": "Running", "containerStatuses": [{"name": "web", "restartCount": 4, "containerID": "podman://x"}]}
    plan = read_pod(document)
    assert decide(plan, [], [], NOW).actions == (Make(plan.containers[0], Record(5)),)


def test_tearing_down_takes_containers_before_their_sandbox() -> None:
    plan = plan_of(container("a"), container("b"))
    found = [seen(plan, "a")]
    assert tear_down(found, [READY]) == (Remove(found[0]), RemoveSandbox(READY))


def makes(plan: PodPlan, *found: Container) -> list[str]:
    return [a.wanted.name for a in decide(plan, found, [READY], NOW).actions if isinstance(a, Make)]
