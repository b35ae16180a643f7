"""Which ConfigMaps, Secrets and claims a node needs (contract 4.1, bug C21)."""

from __future__ import annotations

from typing import Any

import pytest

from cloudcore.edgecontroller.interest import Interest, Ref, references


def pod(name: str = "web", node: str = "edge1", namespace: str = "default", **spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": namespace}, "spec": {"nodeName": node} | spec}


def secret_pod(secret: str, name: str = "web", node: str = "edge1") -> dict[str, Any]:
    return pod(name, node, imagePullSecrets=[{"name": secret}])


CONTAINER_ENV = [{"name": "c", "env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}]}]


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({}, set()),
        ({"volumes": [{"name": "v", "configMap": {"name": "c"}}]}, {("configmap", "c")}),
        ({"volumes": [{"name": "v", "secret": {"secretName": "s"}}]}, {("secret", "s")}),
        ({"volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "p"}}]}, {("persistentvolumeclaim", "p")}),
        (
            {"volumes": [{"name": "v", "projected": {"sources": [{"configMap": {"name": "c"}}, {"secret": {"name": "s"}}]}}]},
            {("configmap", "c"), ("secret", "s")},
        ),
        ({"containers": [{"name": "c", "envFrom": [{"configMapRef": {"name": "c"}}, {"secretRef": {"name": "s"}}]}]},
         {("configmap", "c"), ("secret", "s")}),
        ({"containers": [{"name": "c", "env": [{"name": "A", "valueFrom": {"configMapKeyRef": {"name": "c", "key": "k"}}}]}]},
         {("configmap", "c")}),
        ({"containers": CONTAINER_ENV}, {("secret", "s")}),
        ({"initContainers": CONTAINER_ENV}, {("secret", "s")}),
        ({"ephemeralContainers": CONTAINER_ENV}, {("secret", "s")}),
        ({"imagePullSecrets": [{"name": "regcred"}]}, {("secret", "regcred")}),
        ({"containers": [{"name": "c", "env": [{"name": "A", "value": "plain"}]}], "volumes": [{"name": "v", "emptyDir": {}}]}, set()),
        ({"volumes": None, "containers": [None, {"env": "x"}]}, set()),
    ],
)  # fmt: skip
def test_everything_that_a_pod_names_is_found(spec: dict[str, Any], expected: set[tuple[str, str]]) -> None:
    assert {(ref.type, ref.name) for ref in references(pod(**spec))} == expected
    assert {ref.namespace for ref in references(pod(**spec))} <= {"default"}


def test_a_secret_is_lost_only_with_the_last_pod_that_names_it() -> None:
    interest = Interest()
    ref = Ref("secret", "default", "s")
    assert interest.place(secret_pod("s", "a"))[0].gained == {ref}
    assert interest.place(secret_pod("s", "b"))[0].gained == frozenset()
    assert interest.remove(secret_pod("s", "a")).lost == frozenset()
    assert interest.nodes_of(ref) == {"edge1"}
    assert interest.remove(secret_pod("s", "b")).lost == {ref}
    assert interest.nodes_of(ref) == frozenset()
    assert interest.needs_of("edge1") == frozenset()


def test_a_pod_that_names_something_else_shifts_the_interest() -> None:
    interest = Interest()
    interest.place(secret_pod("old"))
    (shift,) = interest.place(secret_pod("new"))
    assert shift.node == "edge1"
    assert {ref.name for ref in shift.gained} == {"new"}
    assert {ref.name for ref in shift.lost} == {"old"}


def test_a_pod_counts_only_once_it_is_bound_to_a_node() -> None:
    interest = Interest()
    assert interest.place(secret_pod("s", node="")) == []
    assert interest.pods_of("edge1") == []
    assert [shift.node for shift in interest.place(secret_pod("s", node="edge1")) if shift.gained] == ["edge1"]
    assert interest.pods_of("edge1") == [("default", "web")]


def test_another_nodes_secret_is_not_needed() -> None:
    interest = Interest()
    interest.place(secret_pod("s", "a", "edge1"))
    assert interest.needs("edge1", Ref("secret", "default", "s"))
    assert not interest.needs("edge2", Ref("secret", "default", "s"))
    assert not interest.needs("edge1", Ref("secret", "other", "s"))


def test_a_node_needs_the_profile_of_its_mappers_as_long_as_it_exists() -> None:
    interest = Interest()
    ref = Ref("configmap", "default", "device-profile-config-edge1")
    assert interest.stand("edge1", ref).gained == {ref}
    assert interest.stand("edge1", ref).gained == frozenset()
    assert interest.needs("edge1", ref)
    assert not interest.needs("edge2", ref)
    assert interest.fall("edge1", ref).lost == {ref}
    assert not interest.needs("edge1", ref)
