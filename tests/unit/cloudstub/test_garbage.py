"""What goes with its owner, what outlives it, and how a namespace ends."""

from __future__ import annotations

from typing import Any

from cloudstub.controllers import garbage, namespaces
from cloudstub.controllers.writes import Delete, Update, Write
from tests.unit.cloudstub.made import NOW, ago, pod, workload


def look(**snapshot: list[dict[str, Any]]) -> list[Write]:
    return garbage.decide({key.replace("__", "."): objects for key, objects in snapshot.items()}, NOW)


def leaving(obj: dict[str, Any], *finalizers: str) -> dict[str, Any]:
    obj["metadata"] |= {"deletionTimestamp": ago(1), "finalizers": list(finalizers)}
    return obj


def owner() -> dict[str, Any]:
    return workload("ReplicaSet", "rs")


def owned(name: str = "p", uid: str = "uid-rs", *, blocks: bool = True, **options: Any) -> dict[str, Any]:
    one = pod(name, owner=uid, **options)
    one["metadata"]["ownerReferences"][0]["blockOwnerDeletion"] = blocks
    return one


def test_what_has_a_living_owner_stays() -> None:
    assert look(replicasets__apps=[owner()], pods=[owned()]) == []


def test_what_has_lost_its_only_owner_goes() -> None:
    (write,) = look(pods=[owned()])
    assert write == Delete("pods", "default", "p", "uid-p")


def test_an_owner_made_anew_under_the_old_name_is_another_owner() -> None:
    again = owner()
    again["metadata"]["uid"] = "uid-other"
    assert isinstance(look(replicasets__apps=[again], pods=[owned()])[0], Delete)


def test_an_owner_in_another_namespace_is_no_owner() -> None:
    elsewhere = owner()
    elsewhere["metadata"]["namespace"] = "other"
    assert isinstance(look(replicasets__apps=[elsewhere], pods=[owned()])[0], Delete)


def test_what_has_another_owner_left_only_forgets_the_lost_one() -> None:
    two = owned()
    two["metadata"]["ownerReferences"].append({"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "x", "uid": "uid-gone"})
    (write,) = look(replicasets__apps=[owner()], pods=[two])
    assert isinstance(write, Update)
    assert [one["uid"] for one in write.object["metadata"]["ownerReferences"]] == ["uid-rs"]


def test_an_owner_of_a_kind_that_is_not_served_cannot_be_called_gone() -> None:
    foreign = owned(uid="uid-unknown")
    foreign["metadata"]["ownerReferences"][0] |= {"apiVersion": "example.org/v1", "kind": "Fleet"}
    assert look(pods=[foreign]) == []
    definition = {"metadata": {"name": "fleets"}, "spec": {"group": "example.org", "names": {"kind": "Fleet"}}}
    assert isinstance(look(pods=[foreign], customresourcedefinitions__apiextensions__k8s__io=[definition])[0], Delete)


def test_what_is_already_leaving_is_not_deleted_again() -> None:
    assert look(pods=[owned(deleting=True)]) == []


def test_orphaning_lets_the_dependents_go_free_and_then_the_owner_go() -> None:
    (write,) = look(replicasets__apps=[leaving(owner(), "orphan")], pods=[owned()])
    assert isinstance(write, Update)
    assert "ownerReferences" not in write.object["metadata"]
    (last,) = look(replicasets__apps=[leaving(owner(), "orphan")], pods=[write.object])
    assert isinstance(last, Update)
    assert (last.resource, last.object["metadata"].get("finalizers")) == ("replicasets.apps", None)


def test_foreground_deletion_waits_for_the_dependents_that_block_it() -> None:
    going = leaving(owner(), "foregroundDeletion", "mine")
    (write,) = look(replicasets__apps=[going], pods=[owned()])
    assert isinstance(write, Delete)
    assert look(replicasets__apps=[going], pods=[owned(deleting=True, node="n")]) == []
    writes = look(replicasets__apps=[going], pods=[owned(deleting=True, node="n", blocks=False)])
    assert [one.object["metadata"]["finalizers"] for one in writes if isinstance(one, Update)] == [["mine"]]


def namespace(*, is_leaving: bool = True) -> dict[str, Any]:
    one: dict[str, Any] = {"metadata": {"name": "default", "uid": "u"}, "spec": {"finalizers": ["kubernetes"]}}
    if is_leaving:
        one["metadata"]["deletionTimestamp"] = ago(1)
    return one


def test_a_namespace_that_is_leaving_takes_its_content_along() -> None:
    other = pod("other")
    other["metadata"]["namespace"] = "elsewhere"
    snapshot = {"namespaces": [namespace()], "pods": [pod("p"), pod("q", deleting=True), other], "deployments.apps": [owner()]}
    writes = namespaces.decide(snapshot, NOW)
    assert [(one.resource, one.name) for one in writes if isinstance(one, Delete)] == [("pods", "p"), ("deployments.apps", "rs")]
    assert not [one for one in writes if isinstance(one, Update)]


def test_an_empty_namespace_that_is_leaving_is_finalised() -> None:
    (write,) = namespaces.decide({"namespaces": [namespace()]}, NOW)
    assert isinstance(write, Update)
    assert write.object["spec"]["finalizers"] == []


def test_a_namespace_that_stays_keeps_everything() -> None:
    assert namespaces.decide({"namespaces": [namespace(is_leaving=False)], "pods": [pod("p")]}, NOW) == []
