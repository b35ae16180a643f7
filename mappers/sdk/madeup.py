"""The profile of devices that a simulator makes up, in the shape of a protocol of one's own (decision 0070). Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from mappers.sdk.profile import CUSTOMIZED

Described = Mapping[str, tuple[Mapping[str, Any], Mapping[str, Any]]]
"""By property: its entry in the model, and its visitor."""

READ: Mapping[str, Any] = {"accessMode": "ReadOnly"}
WRITE: Mapping[str, Any] = {"accessMode": "ReadWrite"}


def profile(protocol: str, devices: Mapping[str, tuple[Mapping[str, Any], Described]]) -> bytes:
    """``deviceProfile.json`` of these devices, each with its ``configData`` and its properties, each of a model of its own name."""
    return json.dumps(
        {
            "deviceInstances": [{"id": name, "name": name, "protocol": name, "model": name} for name in devices],
            "deviceModels": [
                {"name": name, "properties": [{"name": each, **kind} for each, (kind, _) in properties.items()]}
                for name, (_, properties) in devices.items()
            ],
            "protocols": [
                {"name": name, "protocol": CUSTOMIZED, "protocol_config": {"protocolName": protocol, "configData": config}}
                for name, (config, _) in devices.items()
            ],
            "propertyVisitors": [
                {
                    "name": each,
                    "propertyName": each,
                    "modelName": name,
                    "protocol": CUSTOMIZED,
                    "visitorConfig": {"protocolName": protocol, "configData": visitor},
                }
                for name, (_, properties) in devices.items()
                for each, (_, visitor) in properties.items()
            ],
        }
    ).encode()
