"""Bluetooth properties and devices as the tests need them."""

from __future__ import annotations

from typing import Any

from mappers.bluetooth.driver import BluetoothDriver
from mappers.sdk.driver import Family
from mappers.sdk.profile import Device, Property
from mappers.sdk.values import NO_LIMITS, DataType, Limits

BATTERY = "00002a19-0000-1000-8000-00805f9b34fb"
MAC = "F0:F1:F2:F3:F4:F5"


def wanted(
    data_type: DataType = DataType.INT,
    *,
    name: str = "p",
    uuid: str = "2a19",
    writable: bool = False,
    limits: Limits = NO_LIMITS,
    writes: dict[str, Any] | None = None,
    **converter: Any,
) -> Property:
    """A property whose ``dataConverter`` is ``converter``."""
    visitor: dict[str, Any] = {"characteristicUUID": uuid, "dataConverter": converter}
    if writes is not None:
        visitor["dataWrite"] = writes
    return Property(name, data_type, writable, limits, visitor=visitor, path="propertyVisitors[0].visitorConfig")


def device(*properties: Property, **config: Any) -> Device:
    return Device("tag-1", "tag", "bluetooth", config or {"macAddress": MAC}, properties, path="protocols[0].protocol_config")


def simulated() -> Family:
    """What ``--simulate`` serves with."""
    with BluetoothDriver.simulation() as simulation:
        return simulation.family
