"""Strategic merge: lists of built-in kinds merge by key, directives do what they say, nonsense names its field."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from cloudstub.errors import BadRequest
from cloudstub.patches import strategic


def deployment(**pod_spec: Any) -> dict[str, Any]:
    return {"spec": {"template": {"spec": pod_spec}}}


def pod(**spec: Any) -> dict[str, Any]:
    return {"spec": spec}


ROWS: list[tuple[str, str, dict[str, Any], dict[str, Any], dict[str, Any]]] = [
    (
        "a container merges by name",
        "Deployment",
        deployment(containers=[{"name": "a", "image": "x:1"}, {"name": "b", "image": "y"}]),
        deployment(containers=[{"name": "a", "image": "x:2"}]),
        deployment(containers=[{"name": "a", "image": "x:2"}, {"name": "b", "image": "y"}]),
    ),
    (
        "env merges by name inside the container",
        "Pod",
        pod(containers=[{"name": "a", "env": [{"name": "K", "value": "1"}, {"name": "L", "value": "2"}]}]),
        pod(containers=[{"name": "a", "env": [{"name": "L", "value": "3"}, {"name": "M", "value": "4"}]}]),
        pod(
            containers=[
                {
                    "name": "a",
                    "env": [{"name": "K", "value": "1"}, {"name": "L", "value": "3"}, {"name": "M", "value": "4"}],
                }
            ]
        ),
    ),
    (
        "a directive removes one entry",
        "Pod",
        pod(volumes=[{"name": "a"}, {"name": "b"}]),
        pod(volumes=[{"name": "a", "$patch": "delete"}]),
        pod(volumes=[{"name": "b"}]),
    ),
    (
        "a directive replaces a list",
        "Pod",
        pod(volumes=[{"name": "a"}, {"name": "b"}]),
        pod(volumes=[{"$patch": "replace"}, {"name": "c"}]),
        pod(volumes=[{"name": "c"}]),
    ),
    (
        "a directive replaces an object",
        "Deployment",
        {"spec": {"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}}},
        {"spec": {"strategy": {"$patch": "replace", "type": "Recreate"}}},
        {"spec": {"strategy": {"type": "Recreate"}}},
    ),
    (
        "a directive deletes an object",
        "Pod",
        pod(securityContext={"runAsUser": 1}),
        pod(securityContext={"$patch": "delete"}),
        {"spec": {}},
    ),
    (
        "retained keys drop the others",
        "Deployment",
        {"spec": {"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}}},
        {"spec": {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}},
        {"spec": {"strategy": {"type": "Recreate"}}},
    ),
    (
        "finalizers unite and single ones leave",
        "ConfigMap",
        {"metadata": {"finalizers": ["a", "b"]}},
        {"metadata": {"$deleteFromPrimitiveList/finalizers": ["a"], "finalizers": ["b", "c"]}},
        {"metadata": {"finalizers": ["b", "c"]}},
    ),
    (
        "the element order is the patch's, server's own entries keep their place",
        "Pod",
        pod(containers=[{"name": "a"}, {"name": "sidecar"}, {"name": "b"}]),
        pod(**{"$setElementOrder/containers": [{"name": "b"}, {"name": "a"}, {"name": "c"}], "containers": [{"name": "c"}]}),
        pod(containers=[{"name": "sidecar"}, {"name": "b"}, {"name": "a"}, {"name": "c"}]),
    ),
    (
        "tolerations are atomic",
        "Pod",
        pod(tolerations=[{"key": "a"}]),
        pod(tolerations=[{"key": "b"}]),
        pod(tolerations=[{"key": "b"}]),
    ),
    (
        "conditions merge by type",
        "Node",
        {"status": {"conditions": [{"type": "Ready", "status": "True"}, {"type": "X", "status": "True"}]}},
        {"status": {"conditions": [{"type": "Ready", "status": "Unknown"}]}},
        {"status": {"conditions": [{"type": "Ready", "status": "Unknown"}, {"type": "X", "status": "True"}]}},
    ),
    (
        "service ports that share a number are told apart by protocol",
        "Service",
        {"spec": {"ports": [{"port": 53, "protocol": "TCP"}, {"port": 53, "protocol": "UDP"}]}},
        {"spec": {"ports": [{"port": 53, "protocol": "UDP", "name": "dns"}]}},
        {"spec": {"ports": [{"port": 53, "protocol": "TCP"}, {"port": 53, "protocol": "UDP", "name": "dns"}]}},
    ),
    (
        "two ports of one patch stay two",
        "Service",
        {"spec": {}},
        {"spec": {"ports": [{"port": 53, "protocol": "TCP"}, {"port": 53, "protocol": "UDP"}]}},
        {"spec": {"ports": [{"port": 53, "protocol": "TCP"}, {"port": 53, "protocol": "UDP"}]}},
    ),
    (
        "a port may change its protocol",
        "Service",
        {"spec": {"ports": [{"port": 53, "protocol": "TCP"}]}},
        {"spec": {"ports": [{"port": 53, "protocol": "UDP"}]}},
        {"spec": {"ports": [{"port": 53, "protocol": "UDP"}]}},
    ),
    (
        "null deletes, and is not stored where there was nothing",
        "ConfigMap",
        {"data": {"a": "1", "b": "2"}},
        {"data": {"a": None, "c": None}, "binaryData": None},
        {"data": {"b": "2"}},
    ),
    (
        "directives do not survive in what is created",
        "Pod",
        {},
        pod(containers=[{"name": "a", "$patch": "merge", "env": [{"name": "K", "$patch": "delete"}]}]),
        pod(containers=[{"name": "a", "env": []}]),
    ),
]


@pytest.mark.parametrize(("kind", "obj", "patch", "expected"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_a_strategic_patch_merges_as_the_kind_says(kind: str, obj: dict[str, Any], patch: dict[str, Any], expected: dict[str, Any]) -> None:
    before = copy.deepcopy((obj, patch))
    assert strategic.apply(obj, patch, kind) == expected
    assert (obj, patch) == before


@pytest.mark.parametrize(
    ("patch", "names"),
    [
        ([], "must be an object"),
        (pod(containers=[{"image": "x"}]), "spec.containers[0]: does not contain the merge key 'name'"),
        (pod(containers=["x"]), "spec.containers[0]"),
        (pod(containers=[{"name": "a", "$patch": "frob"}]), "spec.containers[0].$patch"),
        ({"$patch": ["delete"]}, "$patch"),
        (pod(**{"$setElementOrder/containers": "a"}), "spec.$setElementOrder/containers: must be a list"),
        (pod(**{"$retainKeys": ["a"], "b": 1}), "spec.b"),
        (pod(**{"$retainKeys": "a"}), "spec.$retainKeys: must be a list"),
        (pod(**{"$frob": 1}), "spec.$frob"),
        (pod(**{"$deleteFromPrimitiveList/nodeName": ["x"]}), "spec.nodeName: is not a list"),
    ],
)
def test_a_patch_that_is_none_is_refused_by_its_field(patch: Any, names: str) -> None:
    with pytest.raises(BadRequest) as caught:
        strategic.apply(pod(nodeName="n", containers=[{"name": "a"}]), patch, "Pod")
    assert names in caught.value.message


def test_a_patch_against_a_list_that_is_none_replaces_it() -> None:
    patch = pod(**{"$setElementOrder/containers": [{"name": "a"}], "containers": [{"name": "a"}]})
    assert strategic.apply(pod(containers=7), patch, "Pod") == pod(containers=[{"name": "a"}])


def test_a_long_list_merges_in_good_time() -> None:
    names = [{"name": f"n{i}"} for i in range(20_000)]
    order = {"$setElementOrder/volumes": list(reversed(names)), "volumes": names}
    assert strategic.apply(pod(volumes=names), pod(**order), "Pod")["spec"]["volumes"][0] == {"name": "n19999"}
