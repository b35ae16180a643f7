"""One pod on every node that it may run on."""

from __future__ import annotations

from typing import Any

from cloudstub.controllers import daemonset, scheduler
from cloudstub.controllers.objects import safe_hash
from cloudstub.controllers.writes import Bind, Create, Delete, UpdateStatus, Write
from tests.unit.cloudstub.made import NOW, node, owned_by, pod, template, workload

CURRENT = safe_hash(template())


def look(nodes: list[dict[str, Any]], pods: list[dict[str, Any]] | None = None, **spec: Any) -> list[Write]:
    return daemonset.decide({"daemonsets.apps": [workload("DaemonSet", "ds", **spec)], "nodes": nodes, "pods": pods or []}, NOW)


def made(writes: list[Write]) -> list[str]:
    return [daemonset.target_of(write.object) for write in writes if isinstance(write, Create)]


def gone(writes: list[Write]) -> list[str]:
    return [write.name for write in writes if isinstance(write, Delete)]


def daemon(name: str, on: str, *, hashed: str = CURRENT, **options: Any) -> dict[str, Any]:
    one = pod(name, node=on, labels={"app": "web", "controller-revision-hash": hashed}, **options)
    one["metadata"]["ownerReferences"] = owned_by("uid-ds", "DaemonSet")
    return one


def test_every_node_that_fits_gets_one_pod_and_the_scheduler_puts_it_there() -> None:
    nodes = [node("a"), node("b"), node("c", taints=[{"key": "k", "effect": "NoSchedule"}]), node("d", ready="False")]
    writes = look(nodes)
    assert made(writes) == ["a", "b"]
    pods = [{**write.object, "status": {}} for write in writes if isinstance(write, Create)]
    bound = scheduler.decide({"pods": pods, "nodes": nodes}, NOW)
    assert sorted(write.node for write in bound if isinstance(write, Bind)) == ["a", "b"]


def test_a_cordoned_node_gets_its_daemon_all_the_same() -> None:
    assert made(look([node("a", unschedulable=True)])) == ["a"]


def test_a_selector_of_the_template_chooses_the_nodes() -> None:
    chosen = template()
    chosen["spec"]["nodeSelector"] = {"role": "edge"}
    assert made(look([node("a", labels={"role": "edge"}), node("b")], template=chosen)) == ["a"]


def test_a_node_that_falls_silent_keeps_its_pod() -> None:
    silent = node("a", ready="Unknown", taints=[{"key": "node.kubernetes.io/unreachable", "effect": "NoSchedule"}])
    writes = look([silent], [daemon("p", "a", ready_for=9)])
    assert (made(writes), gone(writes)) == ([], [])


def test_pods_that_are_twice_or_out_of_place_or_failed_go() -> None:
    pods = [daemon("first", "a", age=9), daemon("second", "a", age=5), daemon("lost", "x"), daemon("failed", "b", phase="Failed")]
    assert sorted(gone(look([node("a"), node("b")], pods))) == ["failed", "lost", "second"]


def test_the_next_pod_waits_until_the_last_one_has_left_the_node() -> None:
    assert made(look([node("a")], [daemon("old", "a", deleting=True)])) == []


def test_an_update_takes_one_serving_pod_at_a_time_and_idle_ones_at_once() -> None:
    nodes = [node(name) for name in "abc"]
    serving = [daemon(f"p{name}", name, hashed="old", ready_for=9) for name in "abc"]
    assert gone(look(nodes, serving)) == ["pa"]
    idle = [*serving[:2], daemon("pc", "c", hashed="old")]
    assert gone(look(nodes, idle)) == ["pc"]
    assert gone(look(nodes, serving, updateStrategy={"type": "OnDelete"})) == []
    assert gone(look(nodes, serving, updateStrategy={"rollingUpdate": {"maxUnavailable": "60%"}})) == ["pa", "pb"]


def test_the_status_counts_nodes() -> None:
    pods = [daemon("pa", "a", ready_for=9), daemon("pb", "b", hashed="old"), daemon("px", "x", ready_for=9)]
    (status,) = (w.object["status"] for w in look([node("a"), node("b"), node("c")], pods) if isinstance(w, UpdateStatus))
    assert status == {
        "currentNumberScheduled": 2,
        "desiredNumberScheduled": 3,
        "numberMisscheduled": 1,
        "numberReady": 1,
        "observedGeneration": 1,
        "updatedNumberScheduled": 1,
        "numberAvailable": 1,
        "numberUnavailable": 2,
    }
