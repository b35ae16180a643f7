"""What a Bluetooth adapter can do, whatever it is: BlueZ (``bluez``) or one that is made up (``simulated``).

Everything here runs in the event loop (``eventloop``) and raises DeviceAway or DeviceRefused only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Sighting:
    """A device was heard. ``service_data`` by 128-bit UUID; ``handle`` is what the radio connects by."""

    mac: str
    name: str = ""
    service_data: Mapping[str, bytes] = field(default_factory=dict)
    manufacturer_data: Mapping[int, bytes] = field(default_factory=dict)
    handle: Any = None


@dataclass(frozen=True, slots=True)
class Abilities:
    """Of one characteristic, as the device declares them."""

    can_read: bool = False
    can_write: bool = False
    can_write_unanswered: bool = False
    can_notify: bool = False


class Link(Protocol):
    """A connection to a device."""

    def abilities(self) -> Mapping[str, Abilities]:
        """By 128-bit UUID."""

    async def read(self, uuid: str) -> bytes: ...

    async def write(self, uuid: str, data: bytes, *, answered: bool) -> None: ...

    async def subscribe(self, uuid: str, heard: Callable[[bytes], None]) -> None: ...

    async def close(self) -> None:
        """Never fails."""


class Radio(Protocol):
    """One adapter."""

    async def listen(self, heard: Callable[[Sighting], None]) -> None:
        """Tell what is heard until ``rest``; devices that are connected already count as heard."""

    async def rest(self) -> None:
        """Never fails."""

    async def connect(self, sighting: Sighting, gone: Callable[[], None]) -> Link:
        """``gone`` is called once when the connection ends by itself."""
