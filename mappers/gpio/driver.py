"""Pins of the board for the SDK: inputs that tell of their edges, outputs, PWM, counters."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from decimal import Decimal

from mappers.gpio import simulated
from mappers.gpio.pins import Edge, Pins
from mappers.gpio.rpigpio import RpiPins
from mappers.gpio.visitors import (
    PROTOCOL,
    Counter,
    Input,
    Output,
    Pwm,
    Visitor,
    check_device,
    decode_level,
    encode_count,
    encode_level,
    encode_percent,
    pin_twice,
    visitor_of,
)
from mappers.sdk import values
from mappers.sdk.driver import Simulation
from mappers.sdk.errors import DeviceAway, DeviceRefused, ProfileError
from mappers.sdk.profile import Device, Property
from mappers.sdk.quantity import as_value
from mappers.sdk.values import Value

COUNT_NEWS_SECONDS = 0.1
"""At most so often a counter is told of as news: it may count thousands a second."""


class Claims:
    """Which device has which pin: one setting of a pin would silently undo another."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._owners: dict[int, str] = {}

    def take(self, device: str, pins: list[int]) -> None:
        """All of them or none. Raises DeviceAway."""
        with self._lock:
            for pin in pins:
                owner = self._owners.get(pin, device)
                if owner != device:
                    raise DeviceAway(f"GPIO{pin} is used by device {owner}")
            self._owners.update(dict.fromkeys(pins, device))

    def give(self, device: str) -> None:
        with self._lock:
            self._owners = {pin: owner for pin, owner in self._owners.items() if owner != device}


class GpioDriver:
    """One device: some pins."""

    def __init__(self, device: str, visitors: Mapping[str, Visitor], pins: Pins, claims: Claims) -> None:
        self._device = device
        self._visitors = visitors
        self._pins = pins
        self._claims = claims
        self._told: Callable[[str], None] = lambda name: None
        self._lock = threading.Lock()
        self._is_open = False
        self._percents: dict[str, Decimal] = {}
        self._counts: dict[str, int] = {}
        self._news_at: dict[str, float] = {}
        self._unread: set[str] = set()

    @staticmethod
    def family() -> GpioFamily:
        """Raises MapperError where there are no pins."""
        return GpioFamily(RpiPins())

    @staticmethod
    def simulation() -> AbstractContextManager[Simulation]:
        return simulated.cabinet(GpioFamily)

    def on_news(self, told: Callable[[str], None]) -> None:
        self._told = told

    def open(self) -> None:
        if self._is_open:
            return
        self._claims.take(self._device, [visitor.pin for visitor in self._visitors.values()])
        self._is_open = True
        for name, visitor in self._visitors.items():
            self._set_up(name, visitor)

    def read(self, wanted: Property) -> Value:
        visitor = self._visitor(wanted)
        # First, so that an edge after the level was read is news again.
        self._unread.discard(wanted.name)
        match visitor:
            case Input() | Output():
                return decode_level(self._pins.read(visitor.pin), visitor, wanted)
            case Pwm():
                return as_value(self._percents[wanted.name], wanted, visitor.scale)
            case Counter():
                return as_value(Decimal(self._counts.get(wanted.name, 0)), wanted, visitor.scale)

    def write(self, wanted: Property, value: Value) -> None:
        visitor = self._visitor(wanted)
        values.check(value, wanted.data_type, wanted.limits)
        match visitor:
            case Input():
                raise DeviceRefused("an input cannot be written")
            case Output():
                self._pins.write(visitor.pin, encode_level(value, visitor, wanted))
            case Pwm():
                percent = encode_percent(value, visitor, wanted)
                self._pins.set_duty(visitor.pin, float(percent))
                self._percents[wanted.name] = percent
            case Counter():
                count = encode_count(value, visitor, wanted)
                with self._lock:
                    self._counts[wanted.name] = count

    def close(self) -> None:
        if not self._is_open:
            return
        self._is_open = False
        for visitor in self._visitors.values():
            self._put_away(visitor)
        self._claims.give(self._device)

    def _set_up(self, name: str, visitor: Visitor) -> None:
        pins, pin = self._pins, visitor.pin
        match visitor:
            case Input():
                pins.set_input(pin, visitor.pull)
                pins.watch(pin, Edge.BOTH, visitor.debounce_ms, lambda: self._changed(name))
            case Output():
                pins.set_output(pin, None if visitor.initial is None else visitor.initial != visitor.is_active_low)
            case Pwm():
                pins.start_pwm(pin, visitor.frequency, 0.0)
                self._percents[name] = Decimal(0)
            case Counter():
                pins.set_input(pin, visitor.pull)
                pins.watch(pin, visitor.edge, visitor.debounce_ms, lambda: self._counted(name))

    def _put_away(self, visitor: Visitor) -> None:
        if not isinstance(visitor, Output):
            self._pins.release(visitor.pin)
            return
        try:
            if visitor.when_closed is not None:
                self._pins.write(visitor.pin, visitor.when_closed != visitor.is_active_low)
        except DeviceAway:
            # It could not be set up, so there is nothing to switch.
            pass
        self._pins.let_go(visitor.pin)

    def _changed(self, name: str) -> None:
        """By the thread of the pins. Told once until it is read: what bounces faster than that is read as it stands then."""
        if name not in self._unread:
            self._unread.add(name)
            self._told(name)

    def _counted(self, name: str) -> None:
        """By the thread of the pins."""
        with self._lock:
            self._counts[name] = self._counts.get(name, 0) + 1
        now = time.monotonic()
        if now - self._news_at.get(name, -COUNT_NEWS_SECONDS) >= COUNT_NEWS_SECONDS:
            self._news_at[name] = now
            self._told(name)

    def _visitor(self, wanted: Property) -> Visitor:
        if wanted.name not in self._visitors:
            raise DeviceRefused(f"it has no pin for {wanted.name}")
        if not self._is_open:
            raise DeviceAway(f"the pins of {self._device} are not open")
        return self._visitors[wanted.name]


class GpioFamily:
    """Devices of ``customizedProtocol`` ``gpio``."""

    def __init__(self, pins: Pins) -> None:
        self._pins = pins
        self._claims = Claims()

    def serves(self, protocol: str) -> bool:
        return protocol == PROTOCOL

    def driver_for(self, device: Device) -> tuple[GpioDriver, tuple[Property, ...], tuple[str, ...]]:
        check_device(device)
        visitors: dict[str, Visitor] = {}
        problems: list[str] = []
        for wanted in device.properties:
            try:
                found = visitor_of(wanted)
                twice = pin_twice(visitors, wanted, found)
                if twice is not None:
                    raise twice
                visitors[wanted.name] = found
            except ProfileError as fault:
                problems.append(str(fault))
        reachable = tuple(wanted for wanted in device.properties if wanted.name in visitors)
        return GpioDriver(device.id, visitors, self._pins, self._claims), reachable, tuple(problems)
