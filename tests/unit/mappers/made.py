"""Profiles and properties as the tests need them."""

from __future__ import annotations

import json
from typing import Any

from mappers.sdk.profile import Property
from mappers.sdk.values import NO_LIMITS, DataType, Limits


def wanted(
    data_type: DataType = DataType.INT, *, name: str = "p", writable: bool = True, limits: Limits = NO_LIMITS, **visitor: Any
) -> Property:
    """A property whose visitorConfig is ``visitor``, by default one holding register."""
    config = {"register": "HoldingRegister", "limit": 1} | visitor
    return Property(name, data_type, writable, limits, visitor=config, path="propertyVisitors[0].visitorConfig")


def profile(**changes: Any) -> dict[str, Any]:
    """One thermometer, as CloudCore writes it: zeros are omitted."""
    made: dict[str, Any] = {
        "deviceInstances": [{"id": "thermometer", "name": "thermometer", "protocol": "modbus-tcp-thermometer", "model": "m"}],
        "deviceModels": [
            {
                "name": "m",
                "properties": [
                    {"name": "temperature", "dataType": "int", "accessMode": "ReadOnly", "defaultValue": 0},
                    {"name": "setpoint", "dataType": "int", "accessMode": "ReadWrite", "defaultValue": 0, "minimum": 50, "maximum": 350},
                ],
            }
        ],
        "protocols": [
            {
                "name": "modbus-tcp-thermometer",
                "protocol": "modbus-tcp",
                "protocol_config": {"ip": "127.0.0.1", "port": 5020, "slaveID": "1"},
            }
        ],
        "propertyVisitors": [
            visitor("temperature", register="HoldingRegister", limit=1, scale=1),
            visitor("setpoint", register="HoldingRegister", offset=1, limit=1, scale=1),
        ],
    }
    return made | changes


def visitor(name: str, **config: Any) -> dict[str, Any]:
    return {"name": name, "propertyName": name, "modelName": "m", "protocol": "modbus", "visitorConfig": config}


def encoded(body: Any) -> bytes:
    return json.dumps(body).encode()
