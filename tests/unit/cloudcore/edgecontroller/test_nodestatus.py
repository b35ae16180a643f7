from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from cloudcore.edgecontroller.nodestatus import allowed_labels, merged_node, node_report, registered_node, relabelled
from cloudcore.errors import Refused

NOW = datetime(2020, 5, 1, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("content", "labels", "phase"),
    [
        ({"metadata": {"labels": {"a": "b"}}, "status": {"phase": "x"}}, {"a": "b"}, "x"),
        ({"status": {"phase": "x"}}, {}, "x"),
        ({"UID": "38796d14", "Status": {"phase": "x"}, "ExtendResources": None}, {}, "x"),
        ({"conditions": [], "phase": "x"}, {}, "x"),
    ],
)
def test_each_shape_of_a_node_report_is_read(content: dict[str, Any], labels: dict[str, str], phase: str) -> None:
    report = node_report(content)
    assert (report.labels, report.status["phase"]) == (labels, phase)


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (3, "content"),
        ({}, "content.status"),
        ({"Status": "up"}, "content.status"),
        ({"status": {"conditions": [1]}}, "content.status.conditions"),
        ({"status": {"conditions": [{"type": "Ready"}, {"type": {}}]}}, "content.status.conditions[1].type"),
        ({"status": {}, "metadata": {"labels": {"a": 1}}}, "content.metadata.labels"),
        ({"status": {}, "metadata": []}, ""),
    ],
)
def test_garbage_for_a_node_is_refused_by_field(content: Any, named: str) -> None:
    if not named:
        assert node_report(content).labels == {}
        return
    with pytest.raises(Refused) as refused:
        node_report(content)
    assert refused.value.reason.startswith(named)


def test_a_node_is_registered_with_the_labels_of_the_contract() -> None:
    node = registered_node("edge1", node_report({"status": {}, "metadata": {"labels": {"kubernetes.io/arch": "arm64"}}}))
    assert node["metadata"]["labels"] == {
        "name": "edge1",
        "kubernetes.io/hostname": "edge1",
        "kubernetes.io/arch": "arm64",
        "node-role.kubernetes.io/edge": "",
    }


@pytest.mark.parametrize(
    ("label", "allowed"),
    [
        ("site", True),
        ("example.com/site", True),
        ("kubernetes.io/os", True),
        ("node-role.kubernetes.io/agent", True),
        ("node-role.kubernetes.io/control-plane", False),
        ("node-restriction.kubernetes.io/trusted", False),
        ("kubernetes.io/other", False),
        ("foo.k8s.io/x", False),
        ("notkubernetes.io/x", True),
    ],
)
def test_a_node_gives_itself_no_reserved_label(label: str, allowed: bool) -> None:
    assert (label in allowed_labels({label: "x"})) is allowed


def test_labels_of_people_stay_when_a_node_registers_again() -> None:
    report = node_report({"status": {}, "metadata": {"labels": {"a": "2"}}})
    relabel = relabelled({"metadata": {"name": "n", "labels": {"a": "1", "mine": "yes"}}}, report)
    assert relabel is not None
    assert relabel["metadata"]["labels"] == {"a": "2", "mine": "yes"}
    assert relabelled(relabel, report) is None


def test_a_heartbeat_moves_and_a_transition_stays() -> None:
    old = {"type": "Ready", "status": "True", "lastTransitionTime": "T0", "lastHeartbeatTime": "T0"}
    reported = {"conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": "T9", "lastHeartbeatTime": "T9"}]}
    node = merged_node({"metadata": {}, "status": {"conditions": [old], "volumesAttached": ["v"]}}, reported, NOW)
    (condition,) = node["status"]["conditions"]
    assert (condition["lastTransitionTime"], condition["lastHeartbeatTime"]) == ("T0", "2020-05-01T12:00:00Z")
    assert node["status"]["volumesAttached"] == ["v"]
