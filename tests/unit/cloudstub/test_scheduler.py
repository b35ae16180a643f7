"""Where pods go, where they may not, and what a pod without a place says."""

from __future__ import annotations

from typing import Any

import pytest

from cloudstub.controllers import quantity, scheduler
from cloudstub.controllers.writes import Bind, Create, UpdateStatus
from tests.unit.cloudstub.made import NOW, node, pod


def placed(pods: list[dict[str, Any]], nodes: list[dict[str, Any]]) -> dict[str, str]:
    """Pod to node, for every pod that is bound now."""
    writes = scheduler.decide({"pods": pods, "nodes": nodes}, NOW)
    return {write.pod: write.node for write in writes if isinstance(write, Bind)}


def reason(pods: list[dict[str, Any]], nodes: list[dict[str, Any]]) -> str:
    writes = scheduler.decide({"pods": pods, "nodes": nodes}, NOW)
    told = [write.object["status"]["conditions"][-1] for write in writes if isinstance(write, UpdateStatus)]
    assert [(one["type"], one["status"], one["reason"]) for one in told] == [("PodScheduled", "False", "Unschedulable")]
    return str(told[0]["message"])


def asking(**requests: str) -> list[dict[str, Any]]:
    return [{"name": "c", "image": "i", "resources": {"requests": requests}}]


def affinity(*terms: dict[str, Any]) -> dict[str, Any]:
    return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": list(terms)}}}


EDGE = {"key": "edge", "value": "a", "effect": "NoSchedule"}
UNREACHABLE = {"key": "node.kubernetes.io/unreachable", "operator": "Exists", "effect": "NoSchedule"}
HOST_PORT = [{"name": "c", "ports": [{"containerPort": 80, "hostPort": 8080}]}]

FITS: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("plain", {}, {}),
    ("selector", {"nodeSelector": {"a": "b"}}, {"labels": {"a": "b"}}),
    (
        "affinity In",
        {"affinity": affinity({"matchExpressions": [{"key": "a", "operator": "In", "values": ["b"]}]})},
        {"labels": {"a": "b"}},
    ),
    ("affinity by name", {"affinity": affinity({"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["n"]}]})}, {}),
    (
        "one term of two",
        {
            "affinity": affinity(
                {"matchExpressions": [{"key": "x", "operator": "Exists"}]},
                {"matchExpressions": [{"key": "a", "operator": "Gt", "values": ["3"]}]},
            )
        },
        {"labels": {"a": "4"}},
    ),
    ("tolerated", {"tolerations": [{"key": "edge", "operator": "Equal", "value": "a"}]}, {"taints": [EDGE]}),
    ("tolerates all", {"tolerations": [{"operator": "Exists"}]}, {"taints": [EDGE]}),
    ("silent node, tolerated", {"tolerations": [UNREACHABLE]}, {"ready": "Unknown"}),
    ("enough", {"containers": asking(cpu="500m", memory="1Gi")}, {"allocatable": {"cpu": "0.5", "memory": "1073741824", "pods": "1"}}),
    ("a node that does not say its memory", {"containers": asking(memory="1Gi")}, {"allocatable": {"cpu": "1"}}),
    ("soft taint only", {}, {"taints": [{"key": "a", "effect": "PreferNoSchedule"}]}),
]


@pytest.mark.parametrize(("wish", "offer"), [row[1:] for row in FITS], ids=[row[0] for row in FITS])
def test_a_pod_goes_to_a_node_that_fits(wish: dict[str, Any], offer: dict[str, Any]) -> None:
    assert placed([pod("p", **wish)], [node("n", **offer)]) == {"p": "n"}


MISFITS: list[tuple[str, dict[str, Any], dict[str, Any], str]] = [
    ("selector", {"nodeSelector": {"a": "c"}}, {"labels": {"a": "b"}}, "1 node(s) didn't match Pod's node affinity/selector"),
    (
        "affinity",
        {"affinity": affinity({"matchExpressions": [{"key": "a", "operator": "NotIn", "values": ["b"]}]})},
        {"labels": {"a": "b"}},
        "1 node(s) didn't match Pod's node affinity/selector",
    ),
    ("empty term", {"affinity": affinity({})}, {}, "1 node(s) didn't match Pod's node affinity/selector"),
    ("taint", {}, {"taints": [EDGE]}, "1 node(s) had untolerated taint {edge: a}"),
    ("wrong value", {"tolerations": [{"key": "edge", "value": "b"}]}, {"taints": [EDGE]}, "1 node(s) had untolerated taint {edge: a}"),
    (
        "wrong effect",
        {"tolerations": [{"key": "edge", "operator": "Exists", "effect": "NoExecute"}]},
        {"taints": [EDGE]},
        "1 node(s) had untolerated taint {edge: a}",
    ),
    ("NoExecute", {}, {"taints": [{"key": "k", "effect": "NoExecute"}]}, "1 node(s) had untolerated taint {k: }"),
    ("cordoned", {}, {"unschedulable": True}, "1 node(s) were unschedulable"),
    ("silent", {}, {"ready": "Unknown"}, "1 node(s) had untolerated taint {node.kubernetes.io/unreachable: }"),
    ("not ready", {}, {"ready": "False"}, "1 node(s) had untolerated taint {node.kubernetes.io/not-ready: }"),
    ("never reported", {}, {"ready": None}, "1 node(s) had untolerated taint {node.kubernetes.io/not-ready: }"),
    ("cpu", {"containers": asking(cpu="2")}, {"allocatable": {"cpu": "1999m"}}, "1 Insufficient cpu"),
    (
        "both",
        {"containers": asking(cpu="2", memory="2Gi")},
        {"allocatable": {"cpu": "1", "memory": "1Gi"}},
        "1 Insufficient cpu, 1 Insufficient memory",
    ),
    ("unknown resource", {"containers": asking(**{"vendor.example/gpu": "1"})}, {}, "1 Insufficient vendor.example/gpu"),
    ("init container", {"initContainers": asking(cpu="5"), "containers": asking(cpu="1")}, {}, "1 Insufficient cpu"),
    ("no pods at all", {}, {"allocatable": {"pods": "0"}}, "1 Too many pods"),
]


@pytest.mark.parametrize(("wish", "offer", "told"), [row[1:] for row in MISFITS], ids=[row[0] for row in MISFITS])
def test_a_pod_that_finds_no_node_says_why(wish: dict[str, Any], offer: dict[str, Any], told: str) -> None:
    assert reason([pod("p", **wish)], [node("n", **offer)]) == f"0/1 nodes are available: {told}."


def test_without_any_node_the_pod_says_so() -> None:
    assert reason([pod("p")], []) == "no nodes available to schedule pods"


def test_the_reason_is_told_once_with_one_event() -> None:
    first = scheduler.decide({"pods": [pod("p")], "nodes": []}, NOW)
    assert [type(write) for write in first] == [UpdateStatus, Create]
    assert isinstance(first[0], UpdateStatus)
    assert isinstance(first[1], Create)
    assert first[1].object["reason"] == "FailedScheduling"
    assert scheduler.decide({"pods": [first[0].object], "nodes": []}, NOW) == []


def test_two_pods_that_want_one_host_port_go_to_two_nodes_and_a_third_waits() -> None:
    three = [pod(name, containers=HOST_PORT) for name in "abc"]
    writes = placed(three, [node("n1"), node("n2")])
    assert len(writes) == 2
    assert set(writes.values()) == {"n1", "n2"}
    assert reason([*three[:1], pod("x", node="n1", containers=HOST_PORT)], [node("n1")]).endswith(
        "1 node(s) didn't have free ports for the requested pod ports."
    )


def test_host_ports_of_different_protocols_or_addresses_share_a_node() -> None:
    ports = [{"hostPort": 53}, {"hostPort": 53, "protocol": "UDP"}, {"hostPort": 53, "hostIP": "10.0.0.1"}]
    pods = [pod(f"p{i}", containers=[{"name": "c", "ports": [one]}]) for i, one in enumerate(ports)]
    assert placed(pods[:2], [node("n")]) == {"p0": "n", "p1": "n"}
    assert placed(pods[1:], [node("n")]) == {"p1": "n", "p2": "n"}
    assert len(placed(pods, [node("n")])) == 2


def test_one_look_never_gives_a_node_more_than_it_has() -> None:
    pods = [pod(f"p{i}", containers=asking(cpu="300m")) for i in range(10)]
    assert len(placed(pods, [node("n", allocatable={"cpu": "1"})])) == 3


def test_replicas_of_one_set_spread_over_the_nodes() -> None:
    pods = [pod(f"p{i}", owner="rs") for i in range(9)]
    where = list(placed(pods, [node("n1"), node("n2"), node("n3")]).values())
    assert sorted(where) == ["n1"] * 3 + ["n2"] * 3 + ["n3"] * 3


def test_a_finished_pod_gives_its_room_back_and_a_leaving_one_does_not() -> None:
    small = [node("n", allocatable={"cpu": "1"})]
    full = asking(cpu="1")
    assert placed([pod("old", node="n", phase="Succeeded", containers=full), pod("p", containers=full)], small) == {"p": "n"}
    assert placed([pod("old", node="n", deleting=True, containers=full), pod("p", containers=full)], small) == {}


def test_the_higher_priority_is_placed_first_then_the_older_pod() -> None:
    one = [node("n", allocatable={"pods": "1"})]
    assert placed([pod("young", age=1), pod("old", age=9)], one) == {"old": "n"}
    assert placed([pod("old", age=9), pod("urgent", age=1, priority=5)], one) == {"urgent": "n"}


@pytest.mark.parametrize(
    "spec",
    [{"schedulerName": "other"}, {"schedulingGates": [{"name": "g"}]}, {"deleting": True}, {"phase": "Failed"}],
)
def test_pods_that_are_not_the_schedulers_are_left_alone(spec: dict[str, Any]) -> None:
    assert scheduler.decide({"pods": [pod("p", **spec)], "nodes": [node("n")]}, NOW) == []


def test_a_node_that_is_being_deleted_gets_nothing() -> None:
    going = node("n")
    going["metadata"]["deletionTimestamp"] = "2024-05-01T11:00:00Z"
    assert placed([pod("p")], [going]) == {}


@pytest.mark.parametrize(
    ("text", "thousandths"),
    [
        *[("1", 1000), ("100m", 100), ("1.5", 1500), ("1Ki", 1024_000), ("2M", 2_000_000_000), ("1e3", 1_000_000)],
        *[("1n", 1), ("1E", 10**21), (".5", 500), ("junk", 0), ("1e999999999", 0), (2, 2000)],
    ],
)
def test_a_quantity_counts_in_thousandths(text: Any, thousandths: int) -> None:
    assert quantity.milli(text) == thousandths
