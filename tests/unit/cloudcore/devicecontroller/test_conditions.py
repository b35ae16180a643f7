"""What is wrong with a device as a condition (P6.17)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cloudcore.devicecontroller.conditions import MAX_MESSAGE, with_health
from cloudcore.devicecontroller.reports import Report, merged, state_report
from cloudcore.devices.conversion import KEPT, converted
from cloudcore.errors import Refused
from viaduct.faults import Fault

AT, LATER = 1_700_000_000_000, 1_700_000_060_000
WRONG = (Fault("", "DeviceAway", "no answer"), Fault("setpoint", "DescriptionError", "register: there is none 'Hold'"))


def test_a_description_error_is_the_reason_before_what_may_mend_itself_and_all_is_in_the_message() -> None:
    (found,) = with_health(None, WRONG, AT)
    assert found == {
        "type": "Healthy",
        "status": "False",
        "reason": "DescriptionError",
        "message": "setpoint: register: there is none 'Hold'; no answer",
        "lastTransitionTime": "2023-11-14T22:13:20Z",
    }


def test_the_time_is_when_it_began_to_be_so() -> None:
    first = with_health([], WRONG, AT)
    other = with_health(first, WRONG[:1], LATER)
    assert (other[0]["reason"], other[0]["lastTransitionTime"]) == ("DeviceAway", "2023-11-14T22:13:20Z")
    well = with_health(other, (), LATER)
    assert well[0] | {"message": ""} == {
        "type": "Healthy",
        "status": "True",
        "reason": "NoProblem",
        "message": "",
        "lastTransitionTime": "2023-11-14T22:14:20Z",
    }


def test_conditions_of_others_stay() -> None:
    mine = {"type": "Mine", "status": "Unknown"}
    assert with_health([mine, {"type": "Healthy", "status": "True"}], WRONG, AT)[0] == mine


@pytest.mark.parametrize("known", ["x", 5, {"a": 1}, [5, "x"], [{"status": "True"}]])
def test_conditions_that_are_none_spoil_nothing(known: Any) -> None:
    assert with_health(known, (), AT)[-1]["status"] == "True"


def test_a_message_has_an_end() -> None:
    many = tuple(Fault(f"p{number}", "Timeout", "x" * 256) for number in range(20))
    assert len(with_health(None, many, AT)[0]["message"]) == MAX_MESSAGE


def test_a_state_brings_faults_along_and_one_without_says_nothing_of_them() -> None:
    faults = [{"property": "setpoint", "code": "DescriptionError", "reason": "r"}]
    body: dict[str, Any] = {"device": {"name": "d", "state": "offline", "faults": faults}}
    report = state_report(json.dumps(body), said_ms=AT)
    assert report == Report({}, "offline", 0, {}, (Fault("setpoint", "DescriptionError", "r"),), AT)
    silent = Report({}, "online", AT)
    assert report.then(silent).faults == report.faults and silent.then(report).faults == report.faults
    device = merged({"status": {"state": "online"}}, report, frozenset())
    assert device["status"]["conditions"][0]["reason"] == "DescriptionError"
    assert merged(device, silent, frozenset())["status"]["conditions"] == device["status"]["conditions"]
    assert "conditions" not in merged({}, silent, frozenset())["status"]


def test_faults_that_are_none_are_refused_with_the_name_of_the_field() -> None:
    with pytest.raises(Refused, match=r"^content\.device\.faults\[0\]\.code"):
        state_report({"device": {"state": "online", "faults": [{}]}})


@pytest.mark.parametrize(("have", "want"), [("v1alpha1", "v1beta1"), ("v1beta1", "v1alpha1")])
def test_a_condition_shows_in_both_versions(have: str, want: str) -> None:
    status = {"state": "offline", "conditions": with_health(None, WRONG, AT)}
    device = {"apiVersion": f"devices.kubeedge.io/{have}", "kind": "Device", "metadata": {"name": "d"}, "spec": {}, "status": status}
    other = converted(device, want)
    assert other["status"]["conditions"] == status["conditions"]
    assert "conditions" not in json.dumps(other["metadata"].get("annotations", {}).get(KEPT[have], ""))
    assert converted(other, have) == device
