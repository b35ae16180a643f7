"""Modbus devices for the SDK. Devices on one line share its connection; one that does not answer costs the others its time limit once
in each of its retries, which grow further apart (``mappers.sdk.worker``)."""

from __future__ import annotations

from mappers.modbus import convert
from mappers.modbus.address import RTU, TCP, Address, address_of
from mappers.modbus.lines import Lines, SharedLine, turn
from mappers.modbus.registers import Visitor, visitor_of
from mappers.sdk.errors import DeviceAway, ProfileError
from mappers.sdk.profile import Device, Property
from mappers.sdk.values import Value


class ModbusDriver:
    """One device (a slave, or unit) on a line."""

    def __init__(self, address: Address, visitors: dict[str, Visitor], lines: Lines) -> None:
        self._address = address
        self._visitors = visitors
        self._lines = lines
        self._shared: SharedLine | None = None

    @staticmethod
    def family() -> ModbusFamily:
        return ModbusFamily(Lines())

    def open(self) -> None:
        if self._shared is None:
            self._shared = self._lines.join(self._address.line)
        with turn(self._address.line, self._shared) as link:
            link.connect()

    def read(self, wanted: Property) -> Value:
        visitor = self._visitors[wanted.name]
        with turn(self._address.line, self._joined()) as link:
            registers = link.read(visitor.table, visitor.offset, visitor.limit, unit=self._address.unit)
        return convert.decode(registers, visitor, wanted)

    def write(self, wanted: Property, value: Value) -> None:
        visitor = self._visitors[wanted.name]
        registers = convert.encode(value, visitor, wanted)
        with turn(self._address.line, self._joined()) as link:
            link.write(visitor.table, visitor.offset, registers, unit=self._address.unit)

    def close(self) -> None:
        shared, self._shared = self._shared, None
        if shared is not None:
            self._lines.leave(self._address.line, shared)

    def _joined(self) -> SharedLine:
        if self._shared is None:
            raise DeviceAway(f"{self._address.line.name} is not open")
        return self._shared


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
        return ModbusDriver(address, visitors, self._lines), reachable, tuple(problems)
