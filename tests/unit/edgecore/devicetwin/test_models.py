"""What the profiles of mappers tell DeviceTwin about properties (contract 5.2)."""

from __future__ import annotations

import json

import pytest

from edgecore.devicetwin.merge import TwinRefused
from edgecore.devicetwin.models import Facts, check_desired, kind_of, models_of, out_of_limits, profile_in
from edgecore.devicetwin.shadow import Twin
from viaduct.device import MsgTwin, TwinValue

PROFILE = {
    "deviceInstances": [{"id": "d1", "name": "d1", "model": "thermo"}, {"id": "d2", "model": "gone"}],
    "deviceModels": [
        {
            "name": "thermo",
            "properties": [
                {
                    "name": "setpoint",
                    "dataType": "int",
                    "accessMode": "ReadWrite",
                    "defaultValue": 0,
                    "minimum": 5,
                    "maximum": 30,
                    "unit": "°C",
                },
                {"name": "temperature", "dataType": "int", "accessMode": "ReadOnly", "unit": "°C"},
            ],
        }
    ],
}
MODEL = models_of([json.dumps(PROFILE)])["d1"]


def test_a_device_has_the_facts_of_its_model() -> None:
    assert MODEL.facts("setpoint") == Facts("int", True, 5, 30, "°C")
    assert MODEL.facts("temperature") == Facts("int", False, None, None, "°C")
    assert MODEL.facts("other") == Facts()
    assert "d2" not in models_of([json.dumps(PROFILE)])


@pytest.mark.parametrize("text", ["", "null", "[]", "{", '{"deviceModels":7}', '{"deviceInstances":[7,{"id":7}]}', "[" * 100_000])
def test_a_profile_that_is_none_says_nothing(text: str) -> None:
    assert models_of([text]) == {}


def test_a_profile_lies_in_a_config_map() -> None:
    assert profile_in('{"data":{"deviceProfile.json":"{}"}}', "deviceProfile.json") == "{}"
    assert profile_in('{"data":null}', "deviceProfile.json") == profile_in("7", "x") == ""


@pytest.mark.parametrize(
    ("value", "is_within"),
    [("5", True), ("30", True), ("4", False), ("31", False), ("30.01", False), ("nan", False), ("inf", False), ("", True), ("warm", True)],
)
def test_a_desired_value_is_within_the_limits_of_its_model(value: str, is_within: bool) -> None:
    reason = out_of_limits(MODEL, "setpoint", value)
    assert bool(reason) is not is_within
    if reason:
        assert reason == f"the value {value} of setpoint is outside its limits: model thermo allows 5 to 30"


def test_what_is_reported_has_no_limits() -> None:
    check_desired(MODEL, {"setpoint": MsgTwin(actual=TwinValue("99")), "temperature": MsgTwin(TwinValue("99")), "x": None})
    with pytest.raises(TwinRefused, match="5 to 30"):
        check_desired(MODEL, {"setpoint": MsgTwin(TwinValue("99"))})


@pytest.mark.parametrize(
    ("minimum", "maximum", "limits"),
    [
        (0, 10, "0 to 10"),
        (None, 10, "10 or less"),
        (0, None, "0 or more"),
        ("-4.5", "7", "-4.5 to 7"),
        (10, 0, ""),
        ("a", True, ""),
        (None, None, ""),
    ],
)
def test_limits_are_numbers_or_none(minimum: object, maximum: object, limits: str) -> None:
    entry = {"name": "p", "dataType": "float", "minimum": minimum, "maximum": maximum}
    profile = {"deviceInstances": [{"id": "d", "model": "m"}], "deviceModels": [{"name": "m", "properties": [entry]}]}
    assert models_of([json.dumps(profile)])["d"].facts("p").limits == limits


@pytest.mark.parametrize(
    ("declared", "modelled", "kind"),
    [
        ("string", "int", "int"),
        ("", "double", "float"),
        ("string", "", "string"),
        ("float", "int", "float"),
        ("boolean", "string", "boolean"),
        ("json", "", "json"),
    ],
)
def test_a_twin_without_a_type_has_that_of_its_model(declared: str, modelled: str, kind: str) -> None:
    assert kind_of(Twin(type=declared), Facts(modelled)) == kind
