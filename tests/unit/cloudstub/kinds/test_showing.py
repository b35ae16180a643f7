"""What tables show: ages, columns, JSONPath."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cloudstub.kinds import jsonpath
from cloudstub.kinds.ages import age, duration
from cloudstub.kinds.cells import selector_text
from cloudstub.kinds.columns import COLUMNS
from cloudstub.kinds.pod_columns import status_word

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (119, "119s"),
        (120, "2m"),
        (185, "3m5s"),
        (600, "10m"),
        (10_799, "179m"),
        (3 * 3600, "3h"),
        (3 * 3600 + 300, "3h5m"),
        (8 * 3600, "8h"),
        (47 * 3600, "47h"),
        (48 * 3600, "2d"),
        (50 * 3600, "2d2h"),
        (8 * 86_400, "8d"),
        (800 * 86_400, "2y70d"),
        (3000 * 86_400, "8y"),
        (-100, "<invalid>"),
    ],
)
def test_a_duration_is_short(seconds: int, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize("since", [None, "", "yesterday", 5])
def test_an_age_of_nothing_is_unknown(since: object) -> None:
    assert age(since, NOW) == "<unknown>"


VALUE = {"a": {"b.c": 1, "list": [{"t": "x", "v": 1}, {"t": "y", "v": 2}]}, "n": None}


@pytest.mark.parametrize(
    ("path", "found"),
    [
        (".a.list[0].v", [1]),
        (".a.list[-1].v", [2]),
        (".a.list[9].v", []),
        (".a.list[*].v", [1, 2]),
        ('.a.list[?(@.t=="y")].v', [2]),
        (".a.list[?(@.t=='z')].v", []),
        (".a.b\\.c", [1]),
        (".a['b.c']", [1]),
        ("{.a.list[0].t}", ["x"]),
        (".nowhere.deep", []),
        (".n", [None]),
        (".a.list.x", []),
    ],
)
def test_a_path_leads_to_values(path: str, found: list[Any]) -> None:
    assert jsonpath.find(jsonpath.parse(path), VALUE) == found


@pytest.mark.parametrize("path", ["a", ".a[", ".a[x]", ".a[?(@.b>3)]", "..a", ".a[?(@.b==c)]", ".[0]"])
def test_a_path_outside_the_subset_is_refused(path: str) -> None:
    with pytest.raises(jsonpath.JSONPathError, match="not understood"):
        jsonpath.parse(path)


def container(**state: Any) -> dict[str, Any]:
    return {"ready": "running" in state, "state": state}


@pytest.mark.parametrize(
    ("pod", "word"),
    [
        ({"status": {"phase": "Pending"}}, "Pending"),
        ({"status": {"phase": "Running", "containerStatuses": [container(running={})]}}, "Running"),
        ({"status": {"phase": "Pending", "containerStatuses": [container(waiting={"reason": "ImagePullBackOff"})]}}, "ImagePullBackOff"),
        ({"status": {"phase": "Failed", "containerStatuses": [container(terminated={"exitCode": 3})]}}, "ExitCode:3"),
        ({"status": {"phase": "Failed", "containerStatuses": [container(terminated={"signal": 9})]}}, "Signal:9"),
        ({"status": {"phase": "Succeeded", "containerStatuses": [container(terminated={"reason": "Completed"})]}}, "Completed"),
        ({"metadata": {"deletionTimestamp": "x"}, "status": {"phase": "Running"}}, "Terminating"),
        ({"status": {"phase": "Failed", "reason": "Evicted"}}, "Evicted"),
        (
            {
                "spec": {"initContainers": [{}, {}]},
                "status": {"phase": "Pending", "initContainerStatuses": [container(terminated={"exitCode": 0}), container(running={})]},
            },
            "Init:1/2",
        ),
        ({"status": {"initContainerStatuses": [container(terminated={"reason": "Error", "exitCode": 1})]}}, "Init:Error"),
        ({}, "Unknown"),
    ],
)
def test_the_status_of_a_pod_is_one_word(pod: dict[str, Any], word: str) -> None:
    assert status_word(pod) == word


def test_a_sidecar_counts_as_a_container_and_not_as_one_to_wait_for() -> None:
    side = {"name": "side", "started": True, "ready": True, "restartCount": 2, "state": {"running": {}}}
    main = {"name": "main", "ready": False, "restartCount": 1, "state": {"running": {}}}
    pod = {
        "metadata": {"name": "p"},
        "spec": {"initContainers": [{"name": "side", "restartPolicy": "Always"}], "containers": [{"name": "main"}]},
        "status": {"phase": "Running", "initContainerStatuses": [side], "containerStatuses": [main]},
    }
    shown = {column.name: column.cell(pod, NOW) for column in COLUMNS["pods"]}
    assert (shown["Status"], shown["Ready"], shown["Restarts"]) == ("Running", "1/2", "3")


@pytest.mark.parametrize("resource", sorted(COLUMNS))
def test_every_cell_can_show_an_object_that_has_only_a_name(resource: str) -> None:
    bare = {"metadata": {"name": "x", "creationTimestamp": (NOW - timedelta(seconds=5)).isoformat()}}
    cells = [column.cell(bare, NOW) for column in COLUMNS[resource]]
    assert len(cells) == len(COLUMNS[resource]) and all(not isinstance(cell, dict | list) for cell in cells)


def test_a_node_shows_its_state_roles_and_address() -> None:
    node = {
        "metadata": {"name": "n", "labels": {"node-role.kubernetes.io/edge": "", "node-role.kubernetes.io/agent": ""}},
        "spec": {"unschedulable": True},
        "status": {
            "conditions": [{"type": "Ready", "status": "Unknown"}],
            "addresses": [{"type": "Hostname", "address": "n"}, {"type": "InternalIP", "address": "10.0.0.7"}],
        },
    }
    cells = {column.name: column.cell(node, NOW) for column in COLUMNS["nodes"]}
    assert cells["Status"] == "NotReady,SchedulingDisabled"
    assert cells["Roles"] == "agent,edge" and cells["Internal-IP"] == "10.0.0.7"


@pytest.mark.parametrize(
    ("selector", "text"),
    [
        (None, "<none>"),
        ({"a": "b"}, "a=b"),
        ({"matchLabels": {"a": "b"}}, "a=b"),
        ({"matchExpressions": [{"key": "a", "operator": "In", "values": ["b", "c"]}]}, "a in (b,c)"),
        ({"matchExpressions": [{"key": "a", "operator": "DoesNotExist"}]}, "!a"),
    ],
)
def test_a_selector_is_one_line(selector: Any, text: str) -> None:
    assert selector_text(selector) == text
