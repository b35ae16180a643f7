"""How a device is told to Home Assistant: the device discovery of its MQTT integration, 2024.11 and later (P6.10; decision 0082). Pure.

The payload is as https://www.home-assistant.io/integrations/mqtt/#device-discovery-payload has it, with the long names of the keys.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from edgecore.devicetwin import units
from edgecore.devicetwin.models import Facts, Model, kind_of
from edgecore.devicetwin.shadow import Shadow, Twin
from viaduct.device import to_text
from viaduct.tree import Tree

FARTHEST = 1_000_000_000
"""A number needs two limits there; this one stands for none."""

_FINEST_STEP = 0.001
_LONGEST_STATE = 255
_CUT = f"{{{{ value[:{_LONGEST_STATE}] }}}}"
_IS_ONLINE = "{{ 'online' if value == 'online' else 'offline' }}"
_NOT_PLAIN = re.compile(r"[^A-Za-z0-9-]")

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class HomeAssistant:
    """``prefix`` of its discovery topics; ``status``: where it says ``online`` when it starts; ``version``: ours."""

    prefix: str = "homeassistant"
    status: str = "homeassistant/status"
    version: str = ""

    def all_of(self, node: str) -> str:
        """How every discovery topic of ``node`` begins."""
        return f"{self.prefix}/device/{_object_id(node, '')}"

    def topic(self, node: str, device: str) -> str:
        return f"{self.prefix}/device/{_object_id(node, device)}/config"

    def config(self, tree: Tree, shadow: Shadow, model: Model) -> str:
        """The payload for a device; empty where it has no properties yet."""
        identity = _object_id(tree.node, shadow.id)
        components = {
            _plain(name): _component(tree, shadow.id, name, twin, model.facts(name)) | {"unique_id": f"{identity}__{_plain(name)}"}
            for name, twin in sorted(shadow.twins.items())
            if not twin.gone
        }
        if not components:
            return ""
        device: Json = {"identifiers": [identity], "name": shadow.name or shadow.id}
        if model.name:
            device["model"] = model.name
        return to_text(
            {
                "device": device,
                "origin": {"name": "Bramble", "sw_version": self.version},
                "availability_mode": "all",
                "availability": _availability(tree, shadow),
                "components": components,
            }
        )


def departing(before: str, after: str) -> str:
    """What to say between two configs so that components which are in the first only are removed; empty where there are none.

    Home Assistant removes one when its config is empty but for the platform, and not when it is just left out.
    """
    old, new = _components(before), _components(after)
    gone = {
        key: {"platform": config["platform"]}
        for key, config in old.items()
        if "platform" in config and new.get(key, {}).get("platform") != config["platform"]
    }
    if not gone or not after:
        return ""
    kept = {key: config for key, config in new.items() if key not in gone}
    return to_text(json.loads(after) | {"components": kept | gone})


def _component(tree: Tree, device: str, name: str, twin: Twin, facts: Facts) -> Json:
    kind = kind_of(twin, facts)
    about: Json = {"name": name, "state_topic": tree.value(device, name)}
    if facts.writable:
        about["command_topic"] = tree.set(device, name)
    if kind in ("int", "float"):
        return about | _number(kind, facts)
    if kind == "boolean":
        return about | {"platform": "switch" if facts.writable else "binary_sensor", "payload_on": "true", "payload_off": "false"}
    if kind == "json" or not facts.writable:
        about.pop("command_topic", None)
        return about | {"platform": "sensor", "value_template": _CUT}
    return about | {"platform": "text", "min": 1, "max": _LONGEST_STATE, "value_template": _CUT}


def _number(kind: str, facts: Facts) -> Json:
    unit = units.spelled(facts.unit)
    of = units.device_class(unit)
    about: Json = ({"unit_of_measurement": unit} if unit else {}) | ({"device_class": of} if of else {})
    if not facts.writable:
        return about | {"platform": "sensor", "state_class": units.state_class(of)}
    low = facts.minimum if facts.minimum is not None else min(-FARTHEST, (facts.maximum or 0) - 1)
    high = facts.maximum if facts.maximum is not None else max(FARTHEST, (facts.minimum or 0) + 1)
    step = 1 if kind == "int" else _FINEST_STEP
    return about | {"platform": "number", "min": low, "max": high if high > low else low + step, "step": step, "mode": "box"}


def _availability(tree: Tree, shadow: Shadow) -> list[Json]:
    """That of the node, and of the device where its mapper tells it: else it would never be available."""
    node: Json = {"topic": tree.status}
    return [node, {"topic": tree.availability(shadow.id), "value_template": _IS_ONLINE}] if shadow.state else [node]


def _components(config: str) -> dict[str, Json]:
    try:
        found = json.loads(config) if config else {}
    except (ValueError, RecursionError):
        return {}
    parts = found.get("components") if isinstance(found, dict) else None
    return {key: part for key, part in parts.items() if isinstance(part, dict)} if isinstance(parts, dict) else {}


def _object_id(node: str, device: str) -> str:
    """Two underscores stand between the names and nowhere in them."""
    return f"bramble_{_plain(node)}__{_plain(device)}"


def _plain(name: str) -> str:
    """In the letters that Home Assistant allows, other names for other names."""
    return _NOT_PLAIN.sub(lambda found: "".join(f"_{byte:02X}" for byte in found[0].encode()), name)
