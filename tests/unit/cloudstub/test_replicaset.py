"""How many pods a set makes or removes, which ones, and what it says of itself."""

from __future__ import annotations

from typing import Any

import pytest

from cloudstub.controllers import replicaset
from cloudstub.controllers.writes import Create, Delete, Update, UpdateStatus, Write
from tests.unit.cloudstub.made import NOW, pod, workload


def decide(pods: list[dict[str, Any]], **spec: Any) -> list[Write]:
    return replicaset.decide({"replicasets.apps": [workload("ReplicaSet", "rs", **spec)], "pods": pods}, NOW)


def owned(name: str, **options: Any) -> dict[str, Any]:
    return pod(name, owner="uid-rs", **options)


def made(writes: list[Write]) -> list[dict[str, Any]]:
    return [write.object for write in writes if isinstance(write, Create) and write.resource == "pods"]


def gone(writes: list[Write]) -> list[str]:
    return [write.name for write in writes if isinstance(write, Delete)]


@pytest.mark.parametrize(
    ("replicas", "pods", "makes", "removes"),
    [
        (3, [], 3, 0),
        (2, [owned("a")], 1, 0),
        (1, [owned("a")], 0, 0),
        (1, [owned("a"), owned("b"), owned("c")], 0, 2),
        (0, [owned("a")], 0, 1),
        (1, [owned("a", node="n", deleting=True)], 1, 0),
        (1, [owned("a", node="n", phase="Failed")], 1, 0),
        (1, [pod("stranger", labels={"app": "other"})], 1, 0),
        (2000, [], 500, 0),
    ],
)
def test_a_set_makes_and_removes_what_differs(replicas: int, pods: list[dict[str, Any]], makes: int, removes: int) -> None:
    writes = decide(pods, replicas=replicas)
    assert (len(made(writes)), len(gone(writes))) == (makes, removes)


def test_a_made_pod_has_the_template_a_name_of_its_own_and_its_owner() -> None:
    one, two = made(decide([], replicas=2))
    assert one["metadata"]["name"] != two["metadata"]["name"]
    assert one["metadata"]["name"].startswith("rs-")
    assert len(one["metadata"]["name"]) == len("rs-") + 5
    assert one["metadata"]["labels"] == {"app": "web"}
    assert one["spec"]["containers"] == [{"name": "c", "image": "i:1"}]
    reference = one["metadata"]["ownerReferences"][0]
    assert (reference["kind"], reference["uid"], reference["controller"]) == ("ReplicaSet", "uid-rs", True)


@pytest.mark.parametrize(
    ("pods", "first"),
    [
        ([owned("bound", node="n"), owned("unbound")], "unbound"),
        ([owned("running", node="n", phase="Running"), owned("pending", node="n")], "pending"),
        ([owned("ready", node="n", ready_for=5), owned("unready", node="n", phase="Running")], "unready"),
        ([owned("alone", node="m", ready_for=5), owned("x", node="n", ready_for=5), owned("y", node="n", ready_for=9)], "x"),
        ([owned("long", node="n", ready_for=50), owned("short", node="n", ready_for=5)], "short"),
        ([owned("old", node="n", age=50), owned("young", node="n", age=5)], "young"),
    ],
)
def test_the_pod_that_does_the_least_goes_first(pods: list[dict[str, Any]], first: str) -> None:
    assert gone(decide(pods, replicas=len(pods) - 1)) == [first]
    assert gone(decide(list(reversed(pods)), replicas=len(pods) - 1)) == [first]


def test_the_deletion_cost_decides_between_equals() -> None:
    dear, cheap = owned("dear", node="n", ready_for=5), owned("cheap", node="n", ready_for=50)
    dear["metadata"]["annotations"] = {"controller.kubernetes.io/pod-deletion-cost": "10"}
    assert gone(decide([dear, cheap], replicas=1)) == ["cheap"]


def test_a_pod_that_stands_alone_is_adopted_and_counts() -> None:
    writes = decide([pod("alone")], replicas=2)
    adopted = [write.object for write in writes if isinstance(write, Update)]
    assert [one["metadata"]["ownerReferences"][0]["uid"] for one in adopted] == ["uid-rs"]
    assert len(made(writes)) == 1


def test_a_pod_that_no_longer_matches_is_let_go_and_replaced() -> None:
    writes = decide([owned("changed", labels={"app": "debug"})], replicas=1)
    released = [write.object for write in writes if isinstance(write, Update)]
    assert ["ownerReferences" in one["metadata"] for one in released] == [False]
    assert len(made(writes)) == 1


def test_the_status_counts_ready_and_available_pods() -> None:
    pods = [owned("a", ready_for=100), owned("b", ready_for=5), owned("c")]
    writes = decide(pods, replicas=3, minReadySeconds=30)
    status = [write.object["status"] for write in writes if isinstance(write, UpdateStatus)]
    assert status == [{"replicas": 3, "fullyLabeledReplicas": 3, "readyReplicas": 2, "availableReplicas": 1, "observedGeneration": 1}]


def test_a_settled_set_writes_nothing_and_names_the_time_to_look_again() -> None:
    settled = workload("ReplicaSet", "rs", replicas=1, minReadySeconds=30)
    snapshot = {"replicasets.apps": [settled], "pods": [owned("a", ready_for=5)]}
    (write,) = replicaset.decide(snapshot, NOW)
    assert isinstance(write, UpdateStatus)
    settled["status"] = write.object["status"]
    assert replicaset.decide(snapshot, NOW) == []
    due = replicaset.due(snapshot, NOW)
    assert due is not None
    assert (due - NOW).total_seconds() == 25


def test_a_set_that_is_being_deleted_makes_nothing() -> None:
    going = workload("ReplicaSet", "rs", replicas=3)
    going["metadata"]["deletionTimestamp"] = "2024-05-01T11:00:00Z"
    assert replicaset.decide({"replicasets.apps": [going], "pods": []}, NOW) == []
