"""What the cloud orders about devices (contract 5.3, 6.6; P6)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from edgecore.devicetwin import orders, rows
from edgecore.devicetwin.models import Facts, Model
from edgecore.devicetwin.shadow import Shadow, Twin
from edgecore.devicetwin.turn import Turn
from edgecore.store.twins import AttrRow, DeviceRow, TwinRow
from viaduct.device import Attribute, Device, MsgTwin, TwinValue, Version, membership_content, twin_update_content
from viaduct.message import new_message

NOW = 1_700_000_000_000


def _device(value: str = "5", *, cloud: int = 7, uid: str = "u1", **more: Any) -> Device:
    twins = {"setpoint": MsgTwin(TwinValue(value, 3), None, False, "int", Version(cloud, 0))}
    return Device("d1", "d1", twins=more.pop("twins", twins), uid=uid, **more)


def _held(version: str = "7", uid: str = "u1") -> dict[str, Shadow]:
    twins = {
        "setpoint": Twin(TwinValue("5", 1), TwinValue("5", 1), False, "int", Version(7, 0), Version(0, 3)),
        "dropped": Twin(TwinValue("1", 1), None, False, "int", Version(7, 0)),
        "own": Twin(None, TwinValue("1", 1), True, "string", None, Version(0, 1)),
    }
    return {"d1": Shadow("d1", "d1", state="online", uid=uid, version=version, attributes={"room": Attribute("7", False)}, twins=twins)}


def _say(
    shadows: dict[str, Shadow],
    resource: str,
    content: Any,
    version: str = "",
    *,
    ledger: bool = False,
    models: dict[str, Model] | None = None,
) -> Turn:
    turn = Turn(shadows, "edge1", NOW, models=models or {})
    message = new_message(
        source="devicecontroller",
        group="twin",
        operation="update",
        resource=resource,
        now_ms=NOW,
        content=content,
        resource_version=version,
        msg_id="m1",
    )
    orders.handle(message, turn, ledger=ledger)
    return turn


def _added(shadows: dict[str, Shadow], device: Device, version: str, models: dict[str, Model] | None = None) -> Turn:
    return _say(shadows, "membership", membership_content(added=(device,), event_id="e", timestamp=1), version, models=models)


def _removed(shadows: dict[str, Shadow], device: Device, version: str = "9") -> Turn:
    return _say(shadows, "membership", membership_content(removed=(device,), event_id="e", timestamp=1), version)


def _topics(turn: Turn) -> list[str]:
    return [said.topic.removeprefix("$hw/events/") for said in turn.publishes]


def _acknowledged(turn: Turn) -> bool:
    return [(m.header.parent_msg_id, m.route.operation, m.content) for m in turn.to_cloud] == [("m1", "response", "OK")]


def test_an_added_device_is_announced_with_its_twins_and_without_their_versions() -> None:
    turn = _added({}, _device(), "7")
    assert _topics(turn) == ["node/edge1/membership/updated", "device/d1/twin/update/document", "device/d1/twin/update/delta"]
    event = json.loads(turn.publishes[0].payload)
    twin = {"expected": {"value": "5", "metadata": {"timestamp": NOW}}, "optional": False, "metadata": {"type": "int"}}
    assert event["added_devices"] == [{"id": "d1", "name": "d1", "twin": {"setpoint": twin}}]
    assert event["removed_devices"] is None
    assert _acknowledged(turn)
    assert (turn.shadows["d1"].uid, turn.shadows["d1"].version) == ("u1", "7")


def test_kubeedges_messages_have_no_version_and_get_no_acknowledgement() -> None:
    turn = _added({}, _device(uid=""), "")
    assert turn.to_cloud == [] and "d1" in turn.shadows


def test_a_known_device_becomes_equal_to_what_the_cloud_says_and_is_not_announced_again() -> None:
    turn = _added(_held(), _device("6", cloud=8), "8")
    shadow = turn.shadows["d1"]
    assert _topics(turn) == ["device/d1/updated", "device/d1/twin/update/document", "device/d1/twin/update/delta"]
    assert json.loads(turn.publishes[0].payload)["attributes"] == {"room": None}
    assert shadow.twins["setpoint"].expected == TwinValue("6", NOW)
    assert shadow.twins["dropped"].gone and not shadow.twins["own"].gone
    assert (shadow.version, shadow.state, dict(shadow.attributes)) == ("8", "online", {})


@pytest.mark.parametrize(("version", "held"), [("6", "7"), ("9", "10"), ("999", "1000")])
def test_an_older_version_never_overwrites_a_newer_one(version: str, held: str) -> None:
    before = _held(held)
    turn = _added(dict(before), _device("1", cloud=int(version)), version)
    assert turn.shadows == before and not turn.writes and _acknowledged(turn)


def test_the_same_version_again_changes_no_twin_and_publishes_nothing() -> None:
    turn = _added(
        _held(),
        _device(
            attributes={"room": Attribute("7")},
            twins={**_device().twins, "dropped": MsgTwin(TwinValue("1"), None, False, "int", Version(7, 0))},
        ),
        "7",
    )  # type: ignore[dict-item]
    assert turn.publishes == [] and _acknowledged(turn)


def test_a_device_of_another_uid_is_another_device_even_with_a_lower_version() -> None:
    turn = _added(_held("700"), _device("6", cloud=3, uid="u2"), "3")
    assert _topics(turn)[:2] == ["node/edge1/membership/updated", "node/edge1/membership/updated"]
    assert json.loads(turn.publishes[0].payload)["removed_devices"] == [{"id": "d1"}]
    assert list(turn.shadows["d1"].twins) == ["setpoint"] and turn.shadows["d1"].uid == "u2"


def test_a_removed_device_is_announced_by_its_id_and_forgotten() -> None:
    turn = _removed(_held(), Device("d1", uid="u1"))
    assert _topics(turn) == ["node/edge1/membership/updated"]
    assert turn.shadows == {} and turn.writes and _acknowledged(turn)


@pytest.mark.parametrize(("uid", "ledger"), [("u1", False), ("u1", True), ("", True)])
def test_a_removal_without_a_version_is_acknowledged_too(uid: str, ledger: bool) -> None:
    content = membership_content(removed=(Device("d1", uid=uid),), event_id="e", timestamp=1)
    turn = _say(_held(), "membership", content, "", ledger=ledger)
    assert turn.shadows == {} and _acknowledged(turn)


def test_a_removal_by_kubeedge_is_done_without_an_answer() -> None:
    turn = _say(_held(), "membership", membership_content(removed=(Device("d1"),), event_id="e", timestamp=1), "")
    assert turn.shadows == {} and turn.to_cloud == []


@pytest.mark.parametrize("device", [Device("other"), Device("d1", uid="u0")])
def test_removing_what_is_not_here_is_done_already(device: Device) -> None:
    turn = _removed(_held(), device)
    assert list(turn.shadows) == ["d1"] and not turn.writes and _acknowledged(turn)


def test_a_desired_value_is_kept_announced_and_acknowledged() -> None:
    content = twin_update_content({"setpoint": MsgTwin(TwinValue("6", 3), None, False, "int", Version(8, 0))}, timestamp=1, uid="u1")
    turn = _say(_held(), "device/d1/twin/cloud_updated", content, "8")
    assert _topics(turn) == ["device/d1/twin/update/document", "device/d1/twin/update/delta"]
    assert turn.shadows["d1"].version == "8" and _acknowledged(turn) and not turn.owes


LIMITED = {"d1": Model("thermo", {"setpoint": Facts("int", True, 0, 30)})}


def test_a_desired_value_that_the_model_does_not_allow_leaves_the_one_before() -> None:
    turn = _added(_held(), _device("31", cloud=8), "8", LIMITED)
    twin = turn.shadows["d1"].twins["setpoint"]
    assert (twin.expected, twin.expected_version) == (TwinValue("5", 1), Version(7, 0))
    assert turn.warnings == ["device d1: the value 31 of setpoint is outside its limits: model thermo allows 0 to 30; refused"]
    assert _acknowledged(turn) and turn.shadows["d1"].version == "8"
    turn = _added(turn.shadows, _device("30", cloud=9), "9", LIMITED)
    assert turn.shadows["d1"].twins["setpoint"].expected == TwinValue("30", NOW)


def test_a_property_whose_first_desired_value_is_not_allowed_is_there_without_one() -> None:
    turn = _added({}, _device("-1"), "7", LIMITED)
    twin = turn.shadows["d1"].twins["setpoint"]
    assert (twin.expected, twin.type, twin.differs) == (TwinValue("", NOW), "int", False)


def test_a_single_desired_value_that_is_not_allowed_is_refused_alike() -> None:
    update = {"setpoint": MsgTwin(TwinValue("31"), None, False, "int", Version(8, 0))}
    turn = _say(_held(), "device/d1/twin/cloud_updated", twin_update_content(update, timestamp=1, uid="u1"), "8", models=LIMITED)
    assert turn.shadows["d1"].twins["setpoint"].expected == TwinValue("5", 1)
    assert "allows 0 to 30" in turn.warnings[0]


def test_a_late_desired_value_brings_no_device_back() -> None:
    content = twin_update_content({"setpoint": MsgTwin(TwinValue("6"), type="int", expected_version=Version(8, 0))}, timestamp=1, uid="u1")
    turn = _say({}, "device/d1/twin/cloud_updated", content, "8")
    assert turn.shadows == {} and not turn.writes and _acknowledged(turn) and turn.warnings
    turn = _say(_held(uid="u2"), "device/d1/twin/cloud_updated", content, "8")
    assert turn.shadows == _held(uid="u2")


def test_in_plain_mode_a_value_set_here_is_told_to_the_cloud_again() -> None:
    shadows = {"d1": Shadow("d1", twins={"setpoint": Twin(TwinValue("8", 1), None, False, "int", Version(7, 2))})}
    content = twin_update_content({"setpoint": MsgTwin(TwinValue("6"), None, False, "int", Version(9, 0))}, timestamp=1)
    turn = _say(shadows, "device/d1/twin/cloud_updated", content)
    assert turn.owes and turn.publishes == [] and turn.to_cloud == []


def test_detail_adds_what_is_new_and_removes_what_is_not_listed() -> None:
    shadows = _held() | {"d2": Shadow("d2")}
    turn = _say(shadows, "membership/detail", {"event_id": "", "timestamp": 1, "devices": [{"id": "d1"}, {"id": "d3"}]})
    assert sorted(turn.shadows) == ["d1", "d3"]


def test_detail_with_a_device_that_cannot_be_read_removes_nothing() -> None:
    turn = _say(_held(), "membership/detail", {"devices": [{"id": "a/b"}]})
    assert list(turn.shadows) == ["d1"] and turn.warnings


@pytest.mark.parametrize(
    ("resource", "content"),
    [
        ("membership", "garbage"),
        ("membership", None),
        ("membership", {"added_devices": 5}),
        ("device/d1/twin/cloud_updated", {"twin": 5}),
        ("device/d1/twin/cloud_updated", {}),
        ("device/a+b/twin/cloud_updated", {"twin": {}}),
        ("pod/x", {}),
        ("", {}),
    ],
)
def test_a_malformed_order_is_refused_for_good_and_changes_nothing(resource: str, content: Any) -> None:
    turn = _say(_held(), resource, content, "8")
    assert turn.shadows == _held() and not turn.writes and turn.publishes == []
    (answer,) = turn.to_cloud
    assert (answer.route.operation, answer.header.parent_msg_id, answer.content["code"], answer.content["retry"]) == (
        "error",
        "m1",
        400,
        False,
    )


def test_a_device_called_membership_is_just_a_device() -> None:
    shadows = {"membership": Shadow("membership", uid="u1", version="7")}
    content = twin_update_content({"t": MsgTwin(TwinValue("6"), type="int", expected_version=Version(8, 0))}, timestamp=1, uid="u1")
    turn = _say(shadows, "device/membership/twin/cloud_updated", content, "8")
    assert list(turn.shadows["membership"].twins) == ["t"]


def test_a_device_survives_the_way_to_its_rows_and_back() -> None:
    twins = {
        "a": Twin(TwinValue("", 1), TwinValue("21.5 °C", 2), False, "int", Version(7, 1), Version(0, 3)),
        "b": Twin(None, None, True, "deleted", Version(7, 0)),
        "c": Twin(TwinValue("x"), None, True, ""),
        "d": Twin(),
    }
    shadow = Shadow("d1", "n", "text", "online", "2023-11-14 22:13:20", "u1", "7", {"room": Attribute("7", True, "string")}, twins)
    found = rows.shadows(
        [rows.device_row(shadow)],
        [rows.attribute_row("d1", name, attribute) for name, attribute in shadow.attributes.items()] + [AttrRow("gone", "a")],
        [TwinRow(*rows.twin_values("d1", name, twin)) for name, twin in twins.items()] + [TwinRow("gone", "a")],  # type: ignore[arg-type]
    )
    assert found == {"d1": shadow}
    assert isinstance(rows.device_row(shadow), DeviceRow)


def _attributes(shadows: dict[str, Shadow], attributes: object, device: str = "d1") -> Turn:
    turn = Turn(shadows, "edge1", NOW)
    content = {"event_id": "e", "timestamp": 1, "attributes": attributes}
    orders.handle(
        new_message(
            source="devicecontroller",
            group="twin",
            operation="updated",
            resource=f"device/{device}",
            now_ms=NOW,
            content=content,
            msg_id="m1",
        ),
        turn,
        ledger=False,
    )
    return turn


def test_single_attributes_are_changed_and_the_others_stay() -> None:
    turn = _attributes(_held(), {"floor": {"value": "2nd floor"}})
    assert {name: kept.value for name, kept in turn.shadows["d1"].attributes.items()} == {"room": "7", "floor": "2nd floor"}
    assert _topics(turn) == ["device/d1/updated"]
    assert json.loads(str(turn.publishes[0].payload))["attributes"] == {"floor": {"value": "2nd floor", "optional": False}}


def test_an_attribute_that_is_null_is_removed() -> None:
    turn = _attributes(_held(), {"room": None})
    assert not turn.shadows["d1"].attributes and turn.writes


def test_attributes_that_are_the_same_already_are_not_news() -> None:
    turn = _attributes(_held(), {"room": {"value": "7"}})
    assert not turn.publishes and not turn.writes


@pytest.mark.parametrize(
    ("attributes", "device", "named"), [(5, "d1", "attributes"), ({"a": 5}, "d1", "attributes.a"), ({}, "d9", "device/d9")]
)
def test_attributes_that_cannot_be_taken_are_named_and_change_nothing(attributes: object, device: str, named: str) -> None:
    turn = _attributes(_held(), attributes, device)
    assert named in turn.warnings[0] and not turn.writes
