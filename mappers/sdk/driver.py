"""What a protocol gives the SDK. A driver is used by one thread at a time, that of its device."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from mappers.sdk.errors import DeviceRefused
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


@runtime_checkable
class Telling(Protocol):
    """What a driver may offer besides: its device tells by itself that something has changed."""

    def on_news(self, told: Callable[[str], None]) -> None:
        """``told`` may be called from any thread with the name of a property that is worth reading before the next poll."""


@runtime_checkable
class Batching(Protocol):
    """What a driver may offer besides: it reads several properties with fewer questions than one for each."""

    def read_all(self, wanted: Sequence[Property]) -> Mapping[str, Value | DeviceRefused]:
        """By name, for each of ``wanted``: the value, or why this one cannot be read. Raises DeviceAway."""


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


@dataclass(frozen=True, slots=True)
class Simulation:
    """``profile``: a ``deviceProfile.json`` of devices that ``family`` serves though there are none; empty where it makes them up from
    whatever profile the settings name."""

    family: Family
    profile: bytes


@runtime_checkable
class Simulated(Protocol):
    """What a driver class offers beside ``family`` so that ``--simulate`` works."""

    def simulation(self) -> AbstractContextManager[Simulation]:
        """Lasts until it is left. Raises MapperError."""
