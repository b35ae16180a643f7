from __future__ import annotations

from typing import Any

import pytest

from cloudcore.devicecontroller import translate
from tests.unit.cloudcore.devicecontroller.devices import device, twin


def a_device(version: str = "41", **changes: Any) -> dict[str, Any]:
    return device(twins=[twin("temperature", "20", "int"), twin("name")], uid="u1", resourceVersion=version, **changes)


def test_a_new_device_is_said_as_the_contract_has_it() -> None:
    owed = translate.membership(a_device(labels={"description": "hot"}), version="41", now_ms=1234)
    route = owed.message.route
    assert (route.source, route.group, route.operation, route.resource) == ("devicecontroller", "twin", "update", "membership")
    assert (owed.key, owed.uid, owed.version, owed.message.header.resource_version) == ("device/thermometer", "u1", "41", "41")
    content = owed.message.content
    assert len(content.pop("event_id")) == 36
    assert content == {
        "timestamp": 1234,
        "added_devices": [
            {
                "id": "thermometer",
                "name": "thermometer",
                "description": "hot",
                "uid": "u1",
                "namespace": "default",
                "twin": {
                    "temperature": {
                        "expected": {"value": "20", "metadata": {"timestamp": 1234}},
                        "optional": False,
                        "metadata": {"type": "int"},
                        "expected_version": {"cloud": 41, "edge": 0},
                    },
                    "name": {
                        "expected": {"value": "", "metadata": {"timestamp": 1234}},
                        "optional": False,
                        "metadata": {"type": "string"},
                        "expected_version": {"cloud": 41, "edge": 0},
                    },
                },
            }
        ],
        "removed_devices": None,
    }


def test_a_removal_wins_over_whatever_still_waits() -> None:
    owed = translate.no_membership(a_device(), now_ms=1)
    assert owed.removal
    assert owed.message.header.resource_version == ""
    assert owed.message.content["added_devices"] is None
    assert [(entry["id"], entry["uid"]) for entry in owed.message.content["removed_devices"]] == [("thermometer", "u1")]


@pytest.mark.parametrize(
    "node_selector",
    [
        {"nodeSelectorTerms": []},
        {"nodeSelectorTerms": [{}]},
        {"nodeSelectorTerms": [{"matchExpressions": []}]},
        {"nodeSelectorTerms": [{"matchExpressions": [{"key": "k", "operator": "Exists"}]}]},
        {"nodeSelectorTerms": [{"matchExpressions": [{"values": []}]}]},
        {"nodeSelectorTerms": [{"matchExpressions": [{"values": [""]}]}]},
        {"nodeSelectorTerms": [{"matchExpressions": [{"values": [5]}]}]},
        {"nodeSelectorTerms": "edge1"},
        "edge1",
    ],
)
def test_a_malformed_selector_is_refused_with_its_path(node_selector: Any) -> None:
    subject = device()
    subject["spec"]["nodeSelector"] = node_selector
    with pytest.raises(translate.MalformedDevice, match=r"^spec\.nodeSelector"):
        translate.node_of(subject)


def test_no_selector_means_no_node() -> None:
    subject = device()
    subject["spec"]["nodeSelector"] = None
    assert translate.node_of(subject) == ""
    del subject["spec"]["nodeSelector"]
    assert translate.node_of(subject) == ""
    assert translate.node_of(device(node="edge7")) == "edge7"


@pytest.mark.parametrize(
    ("changed", "is_new"),
    [
        (device(twins=[twin("t", "20", reported="21")]), False),
        (device(twins=[twin("t", "25")]), True),
        (device(twins=[twin("t", "20", "int")]), True),
        (device(twins=[twin("t", "20"), twin("u")]), True),
        (device(twins=[]), True),
        (device(twins=[twin("t", "20")], labels={"description": "x"}), True),
        (device(twins=[twin("t", "20")], labels={"other": "x"}), False),
        (device(twins=[twin("t", "20")], protocol={"bluetooth": {}}), False),
    ],
)
def test_only_the_wish_goes_down(changed: dict[str, Any], is_new: bool) -> None:
    assert (translate.digest(changed) != translate.digest(device(twins=[twin("t", "20")]))) is is_new


def test_a_wish_is_as_old_as_its_mark_says() -> None:
    marked = translate.marked(a_device("41"), "41")
    marked["metadata"]["resourceVersion"] = "50"
    assert translate.wish_version(marked) == "41"


@pytest.mark.parametrize("annotation", ["", "41", "41:0000", "99:{digest}", "x:{digest}", "0:{digest}", 7])
def test_a_mark_that_does_not_fit_is_no_mark(annotation: Any) -> None:
    subject = a_device("50")
    text = annotation.format(digest=translate.digest(subject)) if isinstance(annotation, str) else annotation
    subject["metadata"]["annotations"] = {translate.DESIRED_ANNOTATION: text}
    assert translate.wish_version(subject) == "50"


@pytest.mark.parametrize("twins", [None, "x", [None, 3, {}], [{"propertyName": "a", "desired": 5}], {}])
def test_twins_of_any_shape_crash_nothing(twins: Any) -> None:
    subject = a_device() | {"status": {"twins": twins}}
    assert translate.membership(subject, version="1", now_ms=1).key == "device/thermometer"
