"""When a node counts as silent, what that changes, and what it never changes."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from cloudstub.controllers import node_lifecycle, pod_cleanup
from cloudstub.controllers.writes import Delete, Update, UpdateStatus, Write
from tests.unit.cloudstub.made import NOW, ago, node, pod

UNREACHABLE = {"key": "node.kubernetes.io/unreachable", "effect": "NoSchedule"}
NOT_READY = {"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}
OWN = {"key": "own", "effect": "NoSchedule"}


def lease(renewed_ago: float, name: str = "n") -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": "kube-node-lease"}, "spec": {"renewTime": ago(renewed_ago)}}


def look(nodes: list[dict[str, Any]], leases: list[dict[str, Any]] | None = None, pods: list[dict[str, Any]] | None = None) -> list[Write]:
    snapshot = {"nodes": nodes, "leases.coordination.k8s.io": leases or [], "pods": pods or []}
    return node_lifecycle.decide(snapshot, NOW)


def ready(writes: list[Write]) -> list[tuple[str, str]]:
    found = [w.object["status"]["conditions"] for w in writes if isinstance(w, UpdateStatus) and w.resource == "nodes"]
    return [(one["status"], one.get("reason", "")) for conditions in found for one in conditions if one["type"] == "Ready"]


def taints(writes: list[Write]) -> list[list[dict[str, str]]]:
    return [write.object["spec"].get("taints", []) for write in writes if isinstance(write, Update)]


@pytest.mark.parametrize(
    ("heartbeat", "renewed", "is_silent"),
    [
        (5, None, False),
        (39, None, False),
        (40, None, True),
        (3600, 5, False),
        (5, 3600, False),
        (3600, 3600, True),
        (-3600, None, False),
        (-3600, 3600, True),
        (3600, -3600, False),
    ],
)
def test_a_node_is_silent_when_neither_lease_nor_heartbeat_is_fresh(heartbeat: float, renewed: float | None, is_silent: bool) -> None:
    leases = [] if renewed is None else [lease(renewed)]
    expected = [("Unknown", "NodeStatusUnknown")] if is_silent else []
    assert ready(look([node("n", heartbeat_ago=heartbeat)], leases)) == expected


def test_a_node_that_never_reported_is_said_to_have_never_reported() -> None:
    assert ready(look([node("n", ready=None)])) == [("Unknown", "NodeStatusNeverUpdated")]


def test_a_lease_of_another_namespace_says_nothing_about_the_node() -> None:
    other = lease(5)
    other["metadata"]["namespace"] = "default"
    assert ready(look([node("n", heartbeat_ago=100)], [other])) == [("Unknown", "NodeStatusUnknown")]


@pytest.mark.parametrize(
    ("state", "before", "after"),
    [
        ("True", [], None),
        ("True", [OWN, UNREACHABLE], [OWN]),
        ("True", [NOT_READY], []),
        ("Unknown", [OWN], [OWN, UNREACHABLE]),
        ("Unknown", [UNREACHABLE], None),
        ("Unknown", [NOT_READY], [UNREACHABLE]),
        ("False", [UNREACHABLE], [NOT_READY]),
    ],
)
def test_the_taint_follows_the_condition(state: str, before: list[dict[str, str]], after: list[dict[str, str]] | None) -> None:
    assert taints(look([node("n", ready=state, taints=before)])) == ([] if after is None else [after])


def test_the_next_look_is_when_the_next_node_would_be_silent() -> None:
    snapshot = {
        "nodes": [node("a", heartbeat_ago=10), node("b", heartbeat_ago=30), node("c", heartbeat_ago=99)],
        "leases.coordination.k8s.io": [lease(1, "b")],
        "pods": [],
    }
    assert node_lifecycle.due(snapshot, NOW) == NOW + timedelta(seconds=30)


def running(name: str = "p") -> dict[str, Any]:
    one = pod(name, node="n", ready_for=100)
    one["status"]["conditions"].append({"type": "ContainersReady", "status": "True"})
    return one


def test_pods_of_a_silent_node_are_not_ready_and_never_deleted() -> None:
    silent = node("n", ready="Unknown", taints=[UNREACHABLE], heartbeat_ago=10**7)
    writes = look([silent], pods=[running(), pod("pending", node="n"), pod("elsewhere", node="m", ready_for=9)])
    assert not [write for write in writes if isinstance(write, Delete)]
    (write,) = writes
    assert isinstance(write, UpdateStatus)
    condition = write.object["status"]["conditions"][0]
    assert (write.object["metadata"]["name"], condition["status"], condition["reason"]) == ("p", "False", "NodeNotReady")
    assert look([silent], pods=[write.object]) == []


def test_pods_are_ready_again_when_their_node_is_heard_of() -> None:
    silent = node("n", ready="Unknown", taints=[UNREACHABLE], heartbeat_ago=100)
    (silenced,) = look([silent], pods=[running()])
    assert isinstance(silenced, UpdateStatus)
    (write,) = look([node("n")], pods=[silenced.object])
    assert isinstance(write, UpdateStatus)
    assert {c["type"]: c["status"] for c in write.object["status"]["conditions"]} == {"Ready": "True", "ContainersReady": "True"}
    assert "reason" not in write.object["status"]["conditions"][0]


def test_a_pod_that_its_node_called_unready_stays_so() -> None:
    broken = running()
    broken["status"]["conditions"][0] |= {"status": "False", "reason": "ContainersNotReady"}
    assert look([node("n")], pods=[broken]) == []


def cleaned(pods: list[dict[str, Any]], nodes: list[dict[str, Any]], later: float = 0) -> list[Write]:
    return pod_cleanup.decide({"pods": pods, "nodes": nodes}, NOW + timedelta(seconds=later))


def test_a_pod_of_a_node_that_is_gone_goes_after_a_while() -> None:
    (mark,) = cleaned([pod("p", node="gone")], [node("n")])
    assert isinstance(mark, UpdateStatus)
    marked = mark.object
    assert cleaned([marked], [], later=39) == []
    assert pod_cleanup.due({"pods": [marked], "nodes": []}, NOW) == NOW + timedelta(seconds=40)
    (write,) = cleaned([marked], [], later=40)
    assert isinstance(write, Delete)
    assert (write.name, write.uid, write.grace_seconds) == ("p", "uid-p", 0)


def test_a_node_that_comes_back_keeps_its_pods() -> None:
    (mark,) = cleaned([pod("p", node="n")], [])
    assert isinstance(mark, UpdateStatus)
    (write,) = cleaned([mark.object], [node("n")], later=100)
    assert isinstance(write, UpdateStatus)
    assert write.object["status"]["conditions"] == []


def test_a_silent_node_keeps_its_pods_even_those_that_are_leaving() -> None:
    silent = node("n", ready="Unknown", heartbeat_ago=10**7)
    assert cleaned([pod("p", node="n"), pod("leaving", node="n", deleting=True)], [silent], later=10**7) == []


def test_a_deleted_pod_that_never_had_a_node_goes_at_once() -> None:
    (write,) = cleaned([pod("p", deleting=True), pod("waiting")], [])
    assert isinstance(write, Delete)
    assert (write.name, write.grace_seconds) == ("p", 0)
