"""Reported pod statuses laid over the API's (contract 4.3, 4.4)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from cloudcore.edgecontroller.podstatus import (
    PodReport,
    as_stamp,
    has_ended,
    is_doubted,
    is_same,
    merged_pod,
    pod_report,
    pod_reports,
    trusted,
)
from cloudcore.errors import Refused

NOW = datetime(2020, 5, 1, 12, 0, 0, tzinfo=UTC)
NOW_TEXT = "2020-05-01T12:00:00Z"


def pod(**status: Any) -> dict[str, Any]:
    return {"metadata": {"name": "web", "namespace": "default", "uid": "u1"}, "spec": {"nodeName": "edge1"}, "status": status}


def report(**status: Any) -> PodReport:
    return PodReport("web", "u1", status)


def status_of(merged: dict[str, Any] | None) -> dict[str, Any]:
    assert merged is not None
    status: dict[str, Any] = merged["status"]
    return status


@pytest.mark.parametrize(
    ("old", "reported", "expected"),
    [
        (None, {"status": "True", "lastTransitionTime": "2020-05-01T11:00:00Z"}, "2020-05-01T11:00:00Z"),
        (None, {"status": "True"}, NOW_TEXT),
        (None, {"status": "True", "lastTransitionTime": "2031-01-01T00:00:00Z"}, NOW_TEXT),
        ({"status": "True", "lastTransitionTime": "T0"}, {"status": "True", "lastTransitionTime": "2020-05-01T11:00:00Z"}, "T0"),
        ({"status": "False", "lastTransitionTime": "T0"}, {"status": "True"}, NOW_TEXT),
    ],
)
def test_a_transition_has_the_time_of_the_transition(old: Any, reported: dict[str, Any], expected: str) -> None:
    before = [{"type": "Ready"} | old] if old else []
    merged = merged_pod(pod(phase="Pending", conditions=before), report(phase="Running", conditions=[{"type": "Ready"} | reported]), NOW)
    assert status_of(merged)["conditions"] == [{"type": "Ready"} | reported | {"lastTransitionTime": expected}]


def test_conditions_of_others_stay() -> None:
    scheduled = {"type": "PodScheduled", "status": "True"}
    merged = merged_pod(pod(conditions=[scheduled]), report(phase="Running", conditions=[{"type": "Ready", "status": "True"}]), NOW)
    assert [condition["type"] for condition in status_of(merged)["conditions"]] == ["Ready", "PodScheduled"]


@pytest.mark.parametrize(
    ("known", "said", "expected"),
    [("T0", "2020-05-01T11:00:00Z", "T0"), (None, "2020-05-01T13:00:00+02:00", "2020-05-01T11:00:00Z"), (None, None, NOW_TEXT)],
)
def test_the_start_time_of_a_pod_is_set_once(known: str | None, said: str | None, expected: str) -> None:
    old = {"startTime": known} if known else {}
    new = {"startTime": said} if said else {}
    assert status_of(merged_pod(pod(**old), report(phase="Running", **new), NOW))["startTime"] == expected


@pytest.mark.parametrize("ended", ["Succeeded", "Failed"])
def test_a_late_running_does_not_bring_an_ended_pod_back(ended: str) -> None:
    assert merged_pod(pod(phase=ended), report(phase="Running"), NOW) is None


def test_an_ended_pod_keeps_its_phase_and_takes_the_containers() -> None:
    old = pod(phase="Failed", reason="Evicted", startTime="T0")
    merged = status_of(merged_pod(old, report(phase="Succeeded", containerStatuses=[{"name": "a"}]), NOW))
    assert (merged["phase"], merged["reason"], merged["containerStatuses"]) == ("Failed", "Evicted", [{"name": "a"}])


def test_containers_are_sorted_and_their_times_are_whole_seconds_in_utc() -> None:
    containers = [
        {"name": "b", "state": {"running": {"startedAt": "2020-05-01T13:00:00.123456+02:00"}}},
        {"name": "a", "state": {"waiting": {"reason": "X"}}},
    ]
    merged = status_of(merged_pod(pod(), report(phase="Running", containerStatuses=containers), NOW))
    assert [container["name"] for container in merged["containerStatuses"]] == ["a", "b"]
    assert merged["containerStatuses"][1]["state"] == {"running": {"startedAt": "2020-05-01T11:00:00Z"}}


def test_the_same_status_again_writes_nothing() -> None:
    first = merged_pod(pod(), report(phase="Running", conditions=[{"type": "Ready", "status": "True"}]), NOW)
    assert first is not None
    assert merged_pod(first, report(phase="Running", conditions=[{"type": "Ready", "status": "True"}]), NOW) is None


@pytest.mark.parametrize(
    ("deleting", "phase", "states", "expected"),
    [
        (True, "Succeeded", [{"terminated": {}}], True),
        (True, "Failed", [{"terminated": {}}, {"waiting": {}}], True),
        (True, "Failed", [], True),
        (True, "Failed", [{"terminated": {}}, {"running": {}}], False),
        (True, "Running", [{"running": {}}], False),
        (False, "Succeeded", [{"terminated": {}}], False),
    ],
)
def test_a_pod_has_ended_when_it_was_to_go_and_nothing_of_it_runs(
    deleting: bool, phase: str, states: list[dict[str, Any]], expected: bool
) -> None:
    subject = pod(phase=phase, containerStatuses=[{"name": str(index), "state": state} for index, state in enumerate(states)])
    if deleting:
        subject["metadata"]["deletionTimestamp"] = "T"
    assert has_ended(subject) is expected


def conditions(**said: str) -> list[dict[str, Any]]:
    return [{"type": kind, "status": status, "lastTransitionTime": "T"} for kind, status in said.items()]


@pytest.mark.parametrize(
    ("phase", "said", "gates", "expected"),
    [
        ("Running", {"Ready": "False", "ContainersReady": "True"}, [], True),
        ("Running", {"Ready": "True", "ContainersReady": "True"}, [], False),
        ("Running", {"Ready": "False", "ContainersReady": "False"}, [], False),
        ("Running", {"Ready": "False"}, [], False),
        ("Running", {"ContainersReady": "True"}, [], False),
        ("Succeeded", {"Ready": "False", "ContainersReady": "True"}, [], False),
        ("Running", {"Ready": "False", "ContainersReady": "True", "lb": "True"}, ["lb"], True),
        ("Running", {"Ready": "False", "ContainersReady": "True", "lb": "False"}, ["lb"], False),
        ("Running", {"Ready": "False", "ContainersReady": "True"}, ["lb"], False),
    ],
)
def test_a_pod_is_doubted_that_is_not_ready_though_its_node_said_nothing_against_it(
    phase: str, said: dict[str, str], gates: list[str], expected: bool
) -> None:
    subject = pod(phase=phase, conditions=conditions(**said))
    subject["spec"]["readinessGates"] = [{"conditionType": gate} for gate in gates]
    assert is_doubted(subject) is expected


def test_a_pod_that_is_trusted_again_is_ready_since_now_and_nothing_else_changes() -> None:
    doubted = pod(phase="Running", conditions=conditions(Initialized="True", Ready="False", ContainersReady="True"), podIP="10.88.0.2")
    again = trusted(doubted, NOW)
    assert again["status"]["conditions"][1] == {"type": "Ready", "status": "True", "lastTransitionTime": NOW_TEXT}
    assert again["status"]["conditions"][::2] == doubted["status"]["conditions"][::2]
    assert again["status"] | {"conditions": []} == doubted["status"] | {"conditions": []}
    assert not is_doubted(again)


@pytest.mark.parametrize(
    ("uid", "node", "expected"), [("u1", "edge1", True), ("", "edge1", True), ("u2", "edge1", False), ("u1", "edge2", False)]
)
def test_a_report_counts_for_this_very_pod_of_the_reporting_node(uid: str, node: str, expected: bool) -> None:
    assert is_same(pod(), PodReport("web", uid, {}), node) is expected


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (None, "content"),
        ([], "content"),
        ({"UID": "u", "Name": "web"}, "content.Status"),
        ({"UID": 5, "Name": "web", "Status": {}}, "content.UID"),
        ({"UID": "u", "Name": "other", "Status": {}}, "content.Name"),
        ({"UID": "u", "Name": "web", "Status": {"conditions": 3}}, "content.Status.conditions"),
        ({"UID": "u", "Name": "web", "Status": {"conditions": [{"type": []}]}}, "content.Status.conditions[0].type"),
        ({"UID": "u", "Name": "web", "Status": {"containerStatuses": [1]}}, "content.Status.containerStatuses"),
        ({"UID": "u", "Name": "web", "Status": {"phase": 1}}, "content.Status.phase"),
    ],
)
def test_garbage_for_a_status_is_refused_by_field(content: Any, named: str) -> None:
    with pytest.raises(Refused) as refused:
        pod_report(content, name="web")
    assert refused.value.reason.startswith(named)


def test_a_batch_names_the_element_at_fault() -> None:
    with pytest.raises(Refused, match=r"^content\[1\]\.Status"):
        pod_reports([{"UID": "u", "Name": "a", "Status": {}}, {"UID": "u", "Name": "b", "Status": 3}])
    with pytest.raises(Refused, match="expected an array"):
        pod_reports({"UID": "u"})


@pytest.mark.parametrize("value", [None, 5, "", "yesterday", {}, "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
def test_what_is_no_time_is_none(value: Any) -> None:
    assert as_stamp(value) == ""
