"""Devices for Home Assistant (P6.10; decision 0082)."""

from __future__ import annotations

import json
import re
from typing import Any

import jsonschema
import pytest

from edgecore.devicetwin.homeassistant import HomeAssistant, departing
from edgecore.devicetwin.models import UNKNOWN, Facts, Model
from edgecore.devicetwin.shadow import Shadow, Twin
from tests.unit.edgecore.devicetwin.discovery_schema import DISCOVERY
from viaduct.tree import Tree

TREE = Tree("bramble", "edge1")
TOLD = HomeAssistant(version="1.2.3")
FACTS = {
    "setpoint": Facts("int", True, 5, 30, "°C"),
    "temperature": Facts("float", False, unit="degC"),
    "fan": Facts("boolean", True),
    "door": Facts("boolean", False),
    "label": Facts("string", True),
    "serial": Facts("string", False),
    "energy": Facts("int", False, unit="kWh"),
    "humidity": Facts("int", False, unit="%"),
    "gain": Facts("double", True),
}
TWINS = {name: Twin(type={"double": "float"}.get(facts.type, facts.type)) for name, facts in FACTS.items()} | {
    "schedule": Twin(type="json"),
    "local/x": Twin(type="int"),
    "old": Twin(type="deleted"),
}
SHADOW = Shadow("d1", "thermo", state="online", twins=TWINS)
MODEL = Model("thermo-9000", FACTS)


def _config(shadow: Shadow = SHADOW, model: Model = MODEL) -> dict[str, Any]:
    config: dict[str, Any] = json.loads(TOLD.config(TREE, shadow, model))
    jsonschema.validate(config, DISCOVERY)
    return config


def test_a_device_is_told_whole_in_one_message() -> None:
    config = _config()
    assert config["device"] == {"identifiers": ["bramble_edge1__d1"], "name": "thermo", "model": "thermo-9000"}
    assert config["origin"] == {"name": "Bramble", "sw_version": "1.2.3"}
    assert TOLD.topic("edge1", "d1") == "homeassistant/device/bramble_edge1__d1/config"
    assert TOLD.topic("edge1", "d1").startswith(TOLD.all_of("edge1"))


def test_each_type_and_access_mode_has_its_component() -> None:
    platforms = {part["name"]: part["platform"] for part in _config()["components"].values()}
    assert platforms == {
        "setpoint": "number",
        "temperature": "sensor",
        "fan": "switch",
        "door": "binary_sensor",
        "label": "text",
        "serial": "sensor",
        "energy": "sensor",
        "humidity": "sensor",
        "gain": "number",
        "schedule": "sensor",
        "local/x": "sensor",
    }


def test_a_number_has_the_limits_and_unit_of_its_model() -> None:
    assert _config()["components"]["setpoint"] == {
        "name": "setpoint",
        "state_topic": "bramble/edge1/d1/setpoint",
        "command_topic": "bramble/edge1/d1/setpoint/set",
        "unit_of_measurement": "°C",
        "device_class": "temperature",
        "platform": "number",
        "min": 5,
        "max": 30,
        "step": 1,
        "mode": "box",
        "unique_id": "bramble_edge1__d1__setpoint",
    }


@pytest.mark.parametrize(("low", "high"), [(None, None), (2_000_000_000, None), (None, -2_000_000_000), (7, 7), (0, None), (None, 0)])
def test_a_number_always_has_two_limits_and_the_lower_one_is_lower(low: int | None, high: int | None) -> None:
    shadow = Shadow("d", twins={"n": Twin(type="int")})
    (part,) = _config(shadow, Model("m", {"n": Facts("int", True, low, high)}))["components"].values()
    assert part["min"] < part["max"]
    assert low is None or part["min"] == low
    assert high is None or part["max"] >= high


def test_sensors_have_units_and_classes() -> None:
    components = _config()["components"]
    assert components["temperature"]["unit_of_measurement"] == "°C" and components["temperature"]["state_class"] == "measurement"
    assert components["energy"]["device_class"] == "energy" and components["energy"]["state_class"] == "total_increasing"
    assert components["humidity"]["unit_of_measurement"] == "%" and "device_class" not in components["humidity"]


def test_without_a_model_everything_is_a_sensor() -> None:
    assert {part["platform"] for part in _config(model=UNKNOWN)["components"].values()} == {"sensor", "binary_sensor"}
    assert not any("command_topic" in part for part in _config(model=UNKNOWN)["components"].values())


def test_a_device_is_available_with_its_node_and_once_its_mapper_has_said_so_itself() -> None:
    told = _config()["availability"]
    assert [entry["topic"] for entry in told] == ["bramble/edge1/status", "bramble/edge1/d1/availability"]
    silent = _config(Shadow("d1", "thermo", twins=TWINS))["availability"]
    assert [entry["topic"] for entry in silent] == ["bramble/edge1/status"]


def test_names_are_in_the_letters_that_are_allowed_and_no_two_are_alike() -> None:
    topics = {
        TOLD.topic(node, device) for node, device in [("a.b", "c"), ("a", "b.c"), ("a_b", "c"), ("a", "b_c"), ("a-b", "c"), ("a", "_c")]
    }
    assert len(topics) == 6
    assert all(re.fullmatch(r"homeassistant/device/[a-zA-Z0-9_-]+/config", topic) for topic in topics)
    assert "local_2Fx" in _config()["components"]


def test_a_device_without_properties_is_not_told() -> None:
    assert TOLD.config(TREE, Shadow("d1", twins={"old": Twin(type="deleted")}), MODEL) == ""


def test_a_component_that_goes_is_said_to_go_before_it_is_left_out() -> None:
    before = TOLD.config(TREE, SHADOW, MODEL)
    after = TOLD.config(TREE, Shadow("d1", "thermo", twins={"setpoint": TWINS["setpoint"], "fan": Twin(type="int")}), MODEL)
    between = json.loads(departing(before, after))
    jsonschema.validate(between, DISCOVERY)
    assert between["components"]["temperature"] == {"platform": "sensor"}
    assert between["components"]["fan"] == {"platform": "switch"}, "it becomes a number, which is another component"
    assert between["components"]["setpoint"] == json.loads(after)["components"]["setpoint"]


def test_nothing_needs_to_be_said_between_when_nothing_goes() -> None:
    config = TOLD.config(TREE, SHADOW, MODEL)
    assert departing("", config) == departing(config, config) == departing("garbage{", config) == departing(config, "") == ""
    assert departing('{"components":[]}', config) == departing("[" * 100_000, config) == ""
