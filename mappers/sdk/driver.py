"""What a protocol gives the SDK. A driver is used by one thread at a time, that of its device."""

from __future__ import annotations

from typing import Protocol

from mappers.sdk.profile import Device, Property
from mappers.sdk.values import Value


class Driver(Protocol):
    """One device. Every call returns or fails within the protocol's time limit."""

    def open(self) -> None:
        """Make the device reachable; called again after ``close``. Raises DeviceAway."""

    def read(self, wanted: Property) -> Value:
        """What the device holds. Raises DeviceAway, DeviceRefused."""

    def write(self, wanted: Property, value: Value) -> None:
        """Raises DeviceAway, DeviceRefused, ValueRefused (the property cannot hold such a value)."""

    def close(self) -> None:
        """Let go of the device; may be called at any time, also twice. Never fails."""


class Family(Protocol):
    """All devices of one protocol in one mapper: what they share (a serial line, a connection) is its business."""

    def serves(self, protocol: str) -> bool:
        """Whether devices whose profile says ``protocol`` (``modbus-tcp``) are its own."""

    def driver_for(self, device: Device) -> tuple[Driver, tuple[Property, ...], tuple[str, ...]]:
        """The driver, the properties that it can reach, and what is wrong with the others, each text beginning with its path.

        Raises:
            ProfileError: the device as a whole cannot be reached as it is described.
        """


class DriverClass(Protocol):
    """What an entry point of the group ``bramble.mappers`` names."""

    def family(self) -> Family: ...
