"""Modbus devices for the SDK. Devices on one line share its connection in fair turns; what one that does not answer may cost the others is
for ``mappers.modbus.breaker`` to say."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager

from mappers.modbus import batches, convert, simulation
from mappers.modbus.address import RTU, TCP, Address, address_of
from mappers.modbus.batches import Batch
from mappers.modbus.lines import Lines, SharedLine
from mappers.modbus.link import Refusal
from mappers.modbus.registers import Visitor, visitor_of
from mappers.modbus.slaves import Slave
from mappers.sdk import values
from mappers.sdk.driver import Simulation
from mappers.sdk.errors import DeviceAway, DeviceRefused, ProfileError, ValueRefused
from mappers.sdk.profile import Device, Property
from mappers.sdk.values import Value

logger = logging.getLogger(__name__)

_NOT_SO = (1, 2, 3)
"""Exceptions by which a slave says that this stretch of registers cannot be read, today or tomorrow."""


class ModbusDriver:
    """One device (a slave, or unit) on a line."""

    def __init__(self, address: Address, visitors: dict[str, Visitor], lines: Lines, *, name: str = "") -> None:
        self._name = name
        self._address = address
        self._visitors = visitors
        self._lines = lines
        self._plan = batches.plan(visitors)
        self._shared: SharedLine | None = None

    @staticmethod
    def family() -> ModbusFamily:
        return ModbusFamily(Lines())

    @staticmethod
    def simulation() -> AbstractContextManager[Simulation]:
        return simulation.thermometer(ModbusDriver.family)

    def open(self) -> None:
        if self._shared is None:
            self._shared = self._lines.join(self._address.line, self._address.unit)
        self._slave().connect()

    def read(self, wanted: Property) -> Value:
        visitor = self._visitor(wanted)
        return convert.decode(self._slave().read(visitor.table, visitor.offset, visitor.limit), visitor, wanted)

    def read_all(self, wanted: Sequence[Property]) -> Mapping[str, Value | DeviceRefused]:
        known = {each.name: each for each in wanted if each.name in self._visitors}
        found: dict[str, Value | DeviceRefused] = {each.name: DeviceRefused(f"it has no registers for {each.name}") for each in wanted}
        for batch in tuple(self._plan):
            if any(name in known for name, _ in batch.visitors):
                self._read_batch(batch, known, found)
        return found

    def write(self, wanted: Property, value: Value) -> None:
        visitor = self._visitor(wanted)
        values.check(value, wanted.data_type, wanted.limits)
        if not visitor.table.is_writable:
            raise ValueRefused(f"{wanted.name} is in a {visitor.table}, which cannot be written")
        if visitor.bit is not None:
            convert.with_bit(0, value, visitor)
            self._slave().change(visitor.table, visitor.offset, lambda held: convert.with_bit(held, value, visitor))
            return
        self._slave().write(visitor.table, visitor.offset, convert.encode(value, visitor, wanted))

    def close(self) -> None:
        """Lets go of the line, which others may use on."""
        shared, self._shared = self._shared, None
        if shared is not None:
            self._lines.leave(shared, self._address.unit)

    def _read_batch(self, batch: Batch, known: Mapping[str, Property], found: dict[str, Value | DeviceRefused]) -> None:
        try:
            answer = self._slave().read(batch.table, batch.offset, batch.count)
        except DeviceRefused as refusal:
            parts = batches.split(batch) if isinstance(refusal, Refusal) and refusal.exception in _NOT_SO else []
            if parts:
                self._remember(batch, parts)
            else:
                found |= {name: refusal for name, _ in batch.visitors if name in known}
            for part in parts:
                self._read_batch(part, known, found)
            return
        for name, visitor in batch.visitors:
            if name in known:
                found[name] = _decoded(batch.part(visitor, answer), visitor, known[name])

    def _remember(self, batch: Batch, parts: list[Batch]) -> None:
        last = batch.offset + batch.count - 1
        logger.info("%s refuses registers %d to %d in one piece; reading them in %d", self._name, batch.offset, last, len(parts))
        place = self._plan.index(batch)
        self._plan[place : place + 1] = parts

    def _visitor(self, wanted: Property) -> Visitor:
        if wanted.name not in self._visitors:
            raise DeviceRefused(f"it has no registers for {wanted.name}")
        return self._visitors[wanted.name]

    def _slave(self) -> Slave:
        if self._shared is None:
            raise DeviceAway(f"{self._address.line.name} is not open")
        return Slave(self._shared, self._address)


def _decoded(registers: Sequence[int], visitor: Visitor, wanted: Property) -> Value | DeviceRefused:
    try:
        return convert.decode(registers, visitor, wanted)
    except DeviceRefused as refusal:
        return refusal


class ModbusFamily:
    """``modbus-tcp`` and ``modbus-rtu``."""

    def __init__(self, lines: Lines) -> None:
        self._lines = lines

    def serves(self, protocol: str) -> bool:
        return protocol in (TCP, RTU)

    def driver_for(self, device: Device) -> tuple[ModbusDriver, tuple[Property, ...], tuple[str, ...]]:
        address = address_of(device)
        visitors: dict[str, Visitor] = {}
        problems: list[str] = []
        for wanted in device.properties:
            try:
                visitors[wanted.name] = visitor_of(wanted)
            except ProfileError as fault:
                problems.append(str(fault))
        reachable = tuple(wanted for wanted in device.properties if wanted.name in visitors)
        return ModbusDriver(address, visitors, self._lines, name=device.id), reachable, tuple(problems)
