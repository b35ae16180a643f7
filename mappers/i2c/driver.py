"""Chips on I2C buses for the SDK: known sensors, and chips that their model describes by registers."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Protocol

from mappers.i2c import simulated
from mappers.i2c.address import PROTOCOL, Address, address_of
from mappers.i2c.chip import Chip
from mappers.i2c.sensors.sensor import Known, Sensor
from mappers.i2c.smbus import SmbusChip
from mappers.i2c.visitors import Quantity, Registers, Visitor, decode, encode, visitor_of
from mappers.sdk.driver import Simulation
from mappers.sdk.errors import DeviceAway, DeviceRefused, ProfileError
from mappers.sdk.profile import Device, Property
from mappers.sdk.quantity import as_value
from mappers.sdk.turns import Turns
from mappers.sdk.values import Value

FRESH_SECONDS = 0.5
"""How long the other quantities of a measurement may wait to be read."""

PATIENCE = 10.0
"""Seconds that a device waits for another Device that names the same chip."""


class OpenChip(Chip, Protocol):
    def close(self) -> None: ...


Open = Callable[[Address], OpenChip]
"""Raises DeviceAway."""


class I2cDriver:
    """One chip."""

    def __init__(self, address: Address, sensor: Sensor | None, visitors: Mapping[str, Visitor], open_chip: Open, turns: Turns) -> None:
        self._address = address
        self._sensor = sensor
        self._visitors = visitors
        self._open_chip = open_chip
        self._turns = turns
        self._chip: OpenChip | None = None
        self._measured: dict[str, Known] = {}
        self._measured_at = 0.0

    @staticmethod
    def family() -> I2cFamily:
        return I2cFamily(SmbusChip)

    @staticmethod
    def simulation() -> AbstractContextManager[Simulation]:
        bus = simulated.desk()
        return nullcontext(Simulation(I2cFamily(bus.chip), simulated.profile()))

    def open(self) -> None:
        if self._chip is None:
            self._chip = self._open_chip(self._address)
        with self._turn() as chip:
            if self._sensor is not None:
                self._begin(self._sensor, chip)

    def read(self, wanted: Property) -> Value:
        visitor = self._visitor(wanted)
        with self._turn() as chip:
            if isinstance(visitor, Registers):
                return decode(self._held(chip, visitor), visitor, wanted)
            return self._quantity(chip, visitor, wanted)

    def write(self, wanted: Property, value: Value) -> None:
        visitor = self._visitor(wanted)
        if isinstance(visitor, Quantity):
            raise DeviceRefused("what is measured cannot be written")
        with self._turn() as chip:
            before = self._held(chip, visitor) if visitor.is_part else b""
            self._put(chip, visitor, encode(value, visitor, wanted, before))

    def close(self) -> None:
        chip, self._chip = self._chip, None
        self._measured = {}
        if chip is not None:
            chip.close()

    def _begin(self, sensor: Sensor, chip: OpenChip) -> None:
        try:
            sensor.begin(chip)
        except DeviceRefused as exc:
            raise DeviceAway(f"{self._address}: {exc}") from exc

    def _quantity(self, chip: OpenChip, visitor: Quantity, wanted: Property) -> Value:
        assert self._sensor is not None, "a quantity without a sensor is refused with the visitor"
        # Each measurement serves each of its quantities once: what is read together was measured together.
        if visitor.name not in self._measured or time.monotonic() - self._measured_at > FRESH_SECONDS:
            self._measured = dict(self._sensor.measure(chip, visitor.name))
            self._measured_at = time.monotonic()
        found = self._measured.pop(visitor.name)
        if found is None:
            raise DeviceRefused(f"it says that it does not know its {visitor.name}")
        return found if isinstance(found, str) else as_value(found, wanted, visitor.scale)

    def _held(self, chip: OpenChip, where: Registers) -> bytes:
        if where.first is None:
            return chip.transfer(b"", where.length)
        if self._address.register_bytes == 1:
            return chip.read(where.first, where.length)
        return chip.transfer(where.first.to_bytes(2), where.length)

    def _put(self, chip: OpenChip, where: Registers, data: bytes) -> None:
        if where.first is None:
            chip.transfer(data, 0)
        elif self._address.register_bytes == 1:
            chip.write(where.first, data)
        else:
            chip.transfer(where.first.to_bytes(2) + data, 0)

    def _visitor(self, wanted: Property) -> Visitor:
        if wanted.name not in self._visitors:
            raise DeviceRefused(f"nothing says where {wanted.name} is")
        return self._visitors[wanted.name]

    @contextmanager
    def _turn(self) -> Iterator[OpenChip]:
        """The chip, to oneself: a measurement is several transfers."""
        if self._chip is None:
            raise DeviceAway(f"{self._address} is not open")
        if not self._turns.take(PATIENCE):
            raise DeviceAway(f"{self._address} is busy for more than {PATIENCE:g} s")
        try:
            yield self._chip
        finally:
            self._turns.give()


class I2cFamily:
    """Devices of ``customizedProtocol`` ``i2c``."""

    def __init__(self, open_chip: Open) -> None:
        self._open_chip = open_chip
        self._lock = threading.Lock()
        self._turns: dict[Address, Turns] = {}

    def serves(self, protocol: str) -> bool:
        return protocol == PROTOCOL

    def driver_for(self, device: Device) -> tuple[I2cDriver, tuple[Property, ...], tuple[str, ...]]:
        address, sensor = address_of(device)
        visitors: dict[str, Visitor] = {}
        problems: list[str] = []
        for wanted in device.properties:
            try:
                visitors[wanted.name] = visitor_of(wanted, address, sensor)
            except ProfileError as fault:
                problems.append(str(fault))
        reachable = tuple(wanted for wanted in device.properties if wanted.name in visitors)
        with self._lock:
            # By bus and chip alone: two Devices may name one chip.
            turns = self._turns.setdefault(Address(address.bus, address.chip), Turns())
        return I2cDriver(address, sensor, visitors, self._open_chip, turns), reachable, tuple(problems)
