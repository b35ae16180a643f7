"""A device in memory that keeps the promises of ``mappers.sdk.driver``; ``tests/contract/test_drivers.py`` holds it to them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from mappers.sdk.errors import DeviceAway, DeviceRefused, ProfileError, ValueRefused
from mappers.sdk.profile import Device, Property
from mappers.sdk.values import Value


@dataclass
class FakeDevice:
    """``held``: values by property. ``sticky``: properties that take a value and keep their own. ``hold_up``: reads wait for it.
    ``mute``: properties that cannot be read before they were written. ``told``: what a device calls that has news. ``again_in``: when
    it says that trying again makes sense."""

    held: dict[str, Value] = field(default_factory=dict)
    is_away: bool = False
    sticky: set[str] = field(default_factory=set)
    hold_up: threading.Event | None = None
    written: list[tuple[str, Value]] = field(default_factory=list)
    mute: set[str] = field(default_factory=set)
    told: Callable[[str], None] = lambda name: None
    opened: int = 0
    again_in: float | None = None
    _is_open: bool = False

    def on_news(self, told: Callable[[str], None]) -> None:
        self.told = told

    def open(self) -> None:
        self.opened += 1
        if self.is_away:
            raise DeviceAway("it is switched off", again_in=self.again_in)
        self._is_open = True

    def read(self, wanted: Property) -> Value:
        self._reach(wanted)
        if wanted.name in self.mute:
            raise DeviceRefused("it can only be written, and was not yet")
        return self.held[wanted.name]

    def write(self, wanted: Property, value: Value) -> None:
        self._reach(wanted)
        if isinstance(value, int) and value > 65535:
            raise ValueRefused("it does not fit")
        self.written.append((wanted.name, value))
        self.mute.discard(wanted.name)
        if wanted.name not in self.sticky:
            self.held[wanted.name] = value

    def close(self) -> None:
        self._is_open = False

    def _reach(self, wanted: Property) -> None:
        if self.hold_up is not None:
            self.hold_up.wait(10)
        if self.is_away or not self._is_open:
            raise DeviceAway("it does not answer")
        if wanted.name not in self.held:
            raise DeviceRefused("there is no such register")


@dataclass
class FakeBatchingDevice(FakeDevice):
    """Reads all at once. ``questions``: what was asked together."""

    questions: list[tuple[str, ...]] = field(default_factory=list)

    def read_all(self, wanted: Sequence[Property]) -> Mapping[str, Value | DeviceRefused]:
        self._reach(wanted[0])
        self.questions.append(tuple(each.name for each in wanted))
        return {each.name: self.held.get(each.name, DeviceRefused("there is no such register")) for each in wanted}


@dataclass
class FakeFamily:
    """Serves ``modbus-tcp``; devices by id."""

    devices: dict[str, FakeDevice] = field(default_factory=dict)

    def serves(self, protocol: str) -> bool:
        return protocol == "modbus-tcp"

    def driver_for(self, device: Device) -> tuple[FakeDevice, tuple[Property, ...], tuple[str, ...]]:
        if "ip" not in device.config:
            raise ProfileError(f"{device.path}.ip", "is missing")
        made = self.devices.setdefault(device.id, FakeDevice({wanted.name: 100 for wanted in device.properties}))
        return made, device.properties, ()


@dataclass
class FakeBroker:
    """Remembers what was published and subscribed to. Nothing is taken while ``is_away``."""

    is_away: bool = False
    said: list[tuple[str, str]] = field(default_factory=list)
    filters: set[str] = field(default_factory=set)

    def publish(self, topic: str, payload: str) -> bool:
        if not self.is_away:
            self.said.append((topic, payload))
        return not self.is_away

    def subscribe(self, filters: object) -> None:
        self.filters |= set(filters)  # type: ignore[call-overload]

    def unsubscribe(self, filters: object) -> None:
        self.filters -= set(filters)  # type: ignore[call-overload]
