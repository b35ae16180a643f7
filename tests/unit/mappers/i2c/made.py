"""I2C properties and devices as the tests need them."""

from __future__ import annotations

from typing import Any

from mappers.sdk.profile import Device, Property
from mappers.sdk.strictly import Strictly
from mappers.sdk.values import NO_LIMITS, DataType, Limits

VISITOR_PATH = "propertyVisitors[0].visitorConfig.configData"
CONFIG_PATH = "protocols[0].protocol_config.configData"


def wanted(
    data_type: DataType = DataType.FLOAT, *, name: str = "p", writable: bool = False, limits: Limits = NO_LIMITS, **visitor: Any
) -> Property:
    """A property whose ``configData`` is ``visitor``."""
    return Property(name, data_type, writable, limits, visitor=visitor, path=VISITOR_PATH)


def device(*properties: Property, name: str = "chip-1", **config: Any) -> Device:
    return Device(name, "chip", "i2c", {"address": 0x20, **config}, properties, path=CONFIG_PATH)


def settings(**config: Any) -> Strictly:
    return Strictly(config, CONFIG_PATH)
