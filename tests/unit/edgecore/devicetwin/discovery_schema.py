"""Home Assistant's device discovery as a JSON schema, written by us from its documentation of 2024.11 and later.

Sources: https://www.home-assistant.io/integrations/mqtt/#device-discovery-payload (what must be there, and that a component which is to be
removed keeps its platform alone), …/#using-availability-topics, and the tables of https://www.home-assistant.io/integrations/sensor.mqtt/,
binary_sensor.mqtt, number.mqtt, switch.mqtt and text.mqtt. Home Assistant ignores keys that it does not know; here they are mistakes.
"""

from __future__ import annotations

from typing import Any

TOPIC = {"type": "string", "minLength": 1, "pattern": "^[^+#\0]*$"}
TEXT = {"type": "string", "minLength": 1}
_COMMON: dict[str, Any] = {"platform": TEXT, "name": TEXT, "unique_id": TEXT, "state_topic": TOPIC, "value_template": TEXT}
_UNIT: dict[str, Any] = {"unit_of_measurement": TEXT, "device_class": TEXT}
_ON_OFF: dict[str, Any] = {"payload_on": TEXT, "payload_off": TEXT}


def _platform(name: str, more: dict[str, Any], needed: list[str]) -> dict[str, Any]:
    return {
        "properties": _COMMON | more | {"platform": {"const": name}},
        "required": ["platform", "unique_id", "name", *needed],
        "additionalProperties": False,
    }


_PLATFORMS = [
    _platform("sensor", _UNIT | {"state_class": {"enum": ["measurement", "total", "total_increasing"]}}, ["state_topic"]),
    _platform("binary_sensor", _ON_OFF, ["state_topic"]),
    _platform("switch", _ON_OFF | {"command_topic": TOPIC}, ["command_topic"]),
    _platform(
        "number",
        _UNIT
        | {
            "command_topic": TOPIC,
            "min": {"type": "number"},
            "max": {"type": "number"},
            "step": {"type": "number", "minimum": 0.001},
            "mode": {"enum": ["auto", "box", "slider"]},
        },
        ["command_topic"],
    ),
    _platform("text", {"command_topic": TOPIC, "min": {"minimum": 0}, "max": {"maximum": 255}}, ["command_topic"]),
    {"properties": {"platform": {"enum": ["sensor", "binary_sensor", "switch", "number", "text"]}}, "maxProperties": 1},
]

DISCOVERY: dict[str, Any] = {
    "type": "object",
    "required": ["device", "origin", "components"],
    "additionalProperties": False,
    "properties": {
        "device": {
            "type": "object",
            "required": ["identifiers", "name"],
            "additionalProperties": False,
            "properties": {"identifiers": {"type": "array", "items": TEXT, "minItems": 1}, "name": TEXT, "model": TEXT},
        },
        "origin": {"type": "object", "required": ["name"], "additionalProperties": False, "properties": {"name": TEXT, "sw_version": TEXT}},
        "availability_mode": {"enum": ["all", "any", "latest"]},
        "availability": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["topic"],
                "additionalProperties": False,
                "properties": {"topic": TOPIC, "value_template": TEXT, "payload_available": TEXT, "payload_not_available": TEXT},
            },
        },
        "components": {
            "type": "object",
            "minProperties": 1,
            "additionalProperties": {"type": "object", "required": ["platform"], "anyOf": _PLATFORMS},
        },
    },
}
