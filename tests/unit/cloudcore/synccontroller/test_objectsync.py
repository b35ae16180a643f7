from __future__ import annotations

from typing import Any

import pytest

from cloudcore.devicecontroller import translate as devices
from cloudcore.edgecontroller import translate as objects
from cloudcore.synccontroller.objectsync import Entry, entry_from, entry_of, object_of, status_of


def test_a_pod_is_recorded_under_node_and_uid_in_its_namespace() -> None:
    pod = {"metadata": {"name": "web", "namespace": "shop", "uid": "abc-1", "resourceVersion": "7"}}
    entry = entry_of(objects.holding("pod", pod, version="5", now_ms=1), "edge.site1")
    assert entry == Entry("edge.site1", "shop", "pod", "web", "abc-1", "5")
    made = object_of(entry)
    assert made["metadata"] == {"name": "edge.site1.abc-1", "namespace": "shop"}
    assert made["spec"] == {"nodeName": "edge.site1", "objectAPIVersion": "v1", "objectKind": "pod", "objectName": "web"}
    assert entry_from(made | {"status": {"objectResourceVersion": "5"}}) == entry


def test_a_device_is_recorded_in_its_own_namespace() -> None:
    device = {"metadata": {"name": "lamp", "namespace": "shop", "uid": "u"}}
    entry = entry_of(devices.membership(device, version="3", now_ms=1), "edge1")
    assert entry == Entry("edge1", "shop", "device", "lamp", "u", "3")
    assert entry.key == "device/lamp"
    assert object_of(entry)["spec"]["objectAPIVersion"] == "devices.kubeedge.io/v1alpha1"


def test_an_object_without_a_namespace_has_a_cluster_record() -> None:
    entry = entry_of(objects.holding("node", {"metadata": {"namespace": "null", "name": "n", "uid": "u"}}, version="1", now_ms=1), "edge1")
    assert entry is not None
    assert (entry.resource.kind, entry.key) == ("ClusterObjectSync", "null/node/n")
    assert "namespace" not in object_of(entry)["metadata"]


@pytest.mark.parametrize(
    "obj",
    [
        {},
        {"metadata": {"name": "nodots", "namespace": "a"}, "spec": {"objectKind": "pod", "objectName": "x"}},
        {"metadata": {"name": "edge1.", "namespace": "a"}, "spec": {"objectKind": "pod", "objectName": "x"}},
        {"metadata": {"name": "edge1.u", "namespace": "a"}, "spec": {"objectType": "pod"}},
        {"metadata": {"name": "edge1.u", "namespace": "a"}},
    ],
)
def test_a_record_that_says_nothing_is_left_alone(obj: dict[str, Any]) -> None:
    assert entry_from(obj) is None


@pytest.mark.parametrize(
    ("stored", "version", "behind", "written"),
    [
        ({}, "5", False, {"objectResourceVersion": "5", "behind": False}),
        ({"objectResourceVersion": "5", "behind": False}, "5", False, None),
        ({"objectResourceVersion": "5"}, "5", False, {"objectResourceVersion": "5", "behind": False}),
        ({"objectResourceVersion": "5", "behind": False}, "5", True, {"objectResourceVersion": "5", "behind": True}),
        ({"objectResourceVersion": "9"}, "10", False, {"objectResourceVersion": "10", "behind": False}),
        ({"objectResourceVersion": "10", "behind": False}, "9", True, None),
        ({}, "0", True, {"objectResourceVersion": "0", "behind": True}),
    ],
)
def test_what_is_written_over_a_record(stored: dict[str, Any], version: str, behind: bool, written: dict[str, Any] | None) -> None:
    entry = Entry("edge1", "default", "pod", "web", "u", version, behind)
    assert status_of(entry, {"status": stored}) == written
