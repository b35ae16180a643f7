from __future__ import annotations

from dataclasses import replace
from typing import Any

from edgecore.containers import labels
from edgecore.containers.model import Container, Sandbox, State
from edgecore.edged.health import UNPROBED, Health, Sickness
from edgecore.edged.pod import PodPlan, read_pod
from edgecore.edged.reconcile import Make, MakeSandbox, Remove, RemoveSandbox, Stop, decide, tear_down
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
    ends = {"id-web": 990.0}
    early, late = decide(plan, [dead], [], 995.0, ends=ends), decide(plan, [dead], [], NOW, ends=ends)
    assert (early.actions, early.waits, early.pauses, early.wake_at) == ((), {"web": 1000.0}, {"web": 10.0}, 1000.0)
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


def test_a_sidecar_is_done_when_it_has_started_and_runs_on_beside_the_others() -> None:
    plan = plan_of(container("web"), initContainers=[container("one"), container("side", restartPolicy="Always"), container("two")])
    done = {"state": State.ENDED, "exit_code": 0}
    one, side = seen(plan, "one", **done), seen(plan, "side")
    assert makes(plan, one) == ["side"]
    assert makes(plan, one, side) == ["two"]
    assert makes(plan, one, side, health=Health(unstarted=frozenset({"side"}))) == []
    assert makes(plan, one, seen(plan, "side", **done)) == ["side"]
    assert makes(plan, one, side, seen(plan, "two", **done)) == ["web"]
    assert makes(plan, one, seen(plan, "side", **done), seen(plan, "two", **done), seen(plan, "web")) == ["side"]


def test_a_sidecar_runs_again_whatever_the_policy_and_is_ended_when_the_work_is_done() -> None:
    plan = plan_of(
        container("web"),
        initContainers=[container("a", restartPolicy="Always"), container("b", restartPolicy="Always")],
        restartPolicy="Never",
    )
    a, b, ended = seen(plan, "a"), seen(plan, "b"), seen(plan, "web", State.ENDED)
    assert makes(plan, seen(plan, "a", State.ENDED, exit_code=1), b, seen(plan, "web")) == ["a"]
    stops = decide(plan, [a, b, ended], [READY], NOW).actions
    assert [s.wanted.name for s in stops if isinstance(s, Stop)] == ["b", "a"] and len(stops) == 2
    assert decide(plan, [seen(plan, "a", State.ENDED, exit_code=143), ended], [READY], NOW).actions == ()


def test_a_container_that_fails_its_probe_is_ended_and_what_follows_is_the_restart_rule() -> None:
    plan = plan_of()
    sick = Health(sick={"web": Sickness("Liveness probe failed", grace=3.0)})
    assert decide(plan, [seen(plan, "web")], [], NOW, health=sick).actions == (
        Stop(plan.containers[0], seen(plan, "web"), "Liveness probe failed", 3.0),
    )
    assert makes(plan, seen(plan, "web", State.ENDED, exit_code=137), health=sick) == ["web"]


def test_a_lost_sandbox_is_replaced_with_everything_in_it() -> None:
    plan = plan_of(container("a"), container("b"))
    dead = Sandbox("s1", "pod", False, {})
    found = [seen(plan, "a"), seen(plan, "b", State.ENDED, exit_code=255)]
    actions = decide(plan, found, [dead], NOW).actions
    assert [type(a) for a in actions] == [RemoveSandbox, MakeSandbox, Make, Make]
    assert all(isinstance(a, Make) and a.instead_of is None and a.record.restarts == 1 for a in actions[2:])


def test_with_its_sandbox_a_pod_begins_anew_init_containers_first() -> None:
    plan = plan_of(container("a"), container("b"), initContainers=[container("first"), container("side", restartPolicy="Always")])
    before = [seen(plan, "first", State.ENDED), seen(plan, "side"), seen(plan, "a"), seen(plan, "b", State.ENDED, exit_code=1)]
    actions = decide(plan, before, [], NOW).actions
    assert [type(a) for a in actions] == [MakeSandbox, Make]
    assert actions[1] == Make(plan.inits[0], Record(1, 1, Ended(0, "Completed", 901.0, 990.0, "id-first")))


def test_without_a_sandbox_init_containers_run_again_where_the_machine_went_down() -> None:
    plan = plan_of(initContainers=[container("first")], hostNetwork=True)
    down = replace(seen(plan, "web", State.CREATED), started=901.0)
    first = seen(plan, "first", State.ENDED)
    actions = decide(plan, [first, down], [], NOW).actions
    assert actions[:2] == (Remove(first), Remove(down))
    assert [a.wanted.name for a in actions[2:] if isinstance(a, Make)] == ["first"]


def test_what_had_ended_for_good_is_not_done_again_when_its_container_is_gone() -> None:
    told = {"terminated": {"exitCode": 0, "reason": "Completed"}}
    document = pod(container("a"), container("b"), restartPolicy="OnFailure")
    document["status"] = {"phase": "Running", "containerStatuses": [{"name": "a", "containerID": "podman://x", "state": told}]}
    plan = read_pod(document)
    assert makes(plan, seen(plan, "b")) == []
    assert makes(plan) == ["b"]
    lost = decide(plan, [seen(plan, "b")], [], NOW).actions
    assert [a.wanted.name for a in lost if isinstance(a, Make)] == ["b"]
    untold = plan_of(container("a"), container("b"), restartPolicy="OnFailure")
    lost = decide(untold, [seen(untold, "a", State.ENDED), seen(untold, "b")], [], NOW).actions
    assert [a.wanted.name for a in lost if isinstance(a, Make)] == ["b"]


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
    assert decide(plan, [], [], NOW).actions == (
        Make(plan.containers[0], Record(5, 0, Ended(137, "ContainerStatusUnknown", 0.0, 0.0, "x"))),
    )


def test_tearing_down_takes_containers_before_their_sandbox() -> None:
    plan = plan_of(container("a"), container("b"))
    found = [seen(plan, "a")]
    assert tear_down(found, [READY]) == (Remove(found[0]), RemoveSandbox(READY))


def makes(plan: PodPlan, *found: Container, health: Health = UNPROBED) -> list[str]:
    return [a.wanted.name for a in decide(plan, found, [READY], NOW, health=health).actions if isinstance(a, Make)]


def test_the_container_before_stays_until_its_successor_has_ended_and_goes_after_what_is_urgent() -> None:
    plan = plan_of()
    dead = seen(plan, "web", State.ENDED, exit_code=1, record=Record(1), created=890.0)
    assert decide(plan, [dead, seen(plan, "web", record=Record(2))], [], NOW).actions == ()
    ended = seen(plan, "web", State.ENDED, exit_code=1, record=Record(2))
    actions = decide(plan, [dead, ended], [], NOW).actions
    assert [type(action) for action in actions] == [Make, Remove]
    assert actions[1] == Remove(dead)


def test_a_container_that_somebody_removed_is_made_anew_though_the_one_before_is_here() -> None:
    plan = plan_of().with_status({"containerStatuses": [{"name": "web", "restartCount": 2, "containerID": "podman://x"}]})
    dead = seen(plan, "web", State.ENDED, exit_code=1, record=Record(1))
    unseen = Ended(137, "ContainerStatusUnknown", 0.0, 0.0, "x")
    assert decide(plan, [dead], [], NOW).actions == (Make(plan.containers[0], Record(3, 0, unseen)),)


def test_a_pod_is_torn_down_from_its_oldest_container_on() -> None:
    plan = plan_of()
    dead, running = seen(plan, "web", State.ENDED, record=Record(1)), seen(plan, "web", record=Record(2))
    assert tear_down([running, dead], []) == (Remove(dead), Remove(running))
