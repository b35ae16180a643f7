from __future__ import annotations

from typing import Any

import pytest

from cloudcore.edgecontroller import translate


def an_object(version: str = "12", **metadata: Any) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "web", "namespace": "default", "uid": "u1", "resourceVersion": version, "managedFields": [{}]} | metadata,
        "spec": {"nodeName": "edge1"},
        "status": {"phase": "Running"},
    }


@pytest.mark.parametrize(
    ("kind", "metadata", "operation"),
    [
        ("pod", {}, "insert"),
        ("pod", {"deletionTimestamp": "2020-01-01T00:00:00Z"}, "update"),
        ("configmap", {}, "insert"),
        ("secret", {}, "update"),
    ],
)
def test_what_a_node_should_hold_is_said_with_the_operation_of_the_contract(kind: str, metadata: dict[str, Any], operation: str) -> None:
    owed = translate.holding(kind, an_object(**metadata), version="12", now_ms=1)
    route, header = owed.message.route, owed.message.header
    assert (route.source, route.group, route.operation) == ("edgecontroller", "resource", operation)
    assert route.resource == owed.key == f"default/{kind}/web"
    assert (owed.uid, owed.version, header.resource_version, owed.removal) == ("u1", "12", "12", False)


def test_the_content_is_the_object_without_type_and_managed_fields() -> None:
    content = translate.holding("pod", an_object(), version="12", now_ms=1).message.content
    assert set(content) == {"metadata", "spec", "status"}
    assert content["metadata"] == {"name": "web", "namespace": "default", "uid": "u1", "resourceVersion": "12"}


def test_translating_leaves_the_cached_object_alone() -> None:
    obj = an_object()
    translate.removed("pod", obj, now_ms=1)
    assert obj == an_object()


def test_a_removal_of_something_unknown_names_it_and_has_no_version() -> None:
    owed = translate.removed_by_name(translate.ResourcePath("default", "secret", "db"), "u9", now_ms=1)
    assert owed.removal
    assert owed.message.route.operation == "delete"
    assert owed.message.content == {"metadata": {"name": "db", "namespace": "default", "uid": "u9"}}
    assert owed.message.header.resource_version == ""


@pytest.mark.parametrize(
    ("change", "goes_down"),
    [
        ({"status": {"phase": "Failed"}}, False),
        ({"metadata": {"name": "web", "namespace": "default", "uid": "u1", "resourceVersion": "99", "generation": 4}}, False),
        ({"metadata": {"name": "web", "namespace": "default", "uid": "u1", "labels": {"a": "b"}}}, True),
        ({"metadata": {"name": "web", "namespace": "default", "uid": "u1", "deletionTimestamp": "x"}}, True),
        ({"spec": {"nodeName": "edge1", "terminationGracePeriodSeconds": 3}}, True),
    ],
)
def test_a_status_alone_does_not_go_down(change: dict[str, Any], goes_down: bool) -> None:
    assert translate.pod_changed(an_object(), an_object() | change) is goes_down
