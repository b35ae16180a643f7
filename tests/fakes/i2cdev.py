"""The kernel's ``/dev/i2c-N`` as ``Documentation/i2c/dev-interface`` has it, for libraries that speak to it by ioctl (smbus2).

Everything above the ioctl is the library's own; below are chips that hear and say bytes. Refuses as the kernel does: EREMOTEIO where nobody
acknowledges, ETIMEDOUT where the bus hangs, EBUSY for an address that a driver keeps, EOPNOTSUPP for what the adapter cannot.
"""

from __future__ import annotations

import ctypes
import errno
import os
from typing import Any

import pytest
import smbus2.smbus2 as library

from mappers.i2c.simulated import SimulatedBus

I2C_ONLY_SMBUS = int(library.I2cFunc.SMBUS_EMUL) & ~int(library.I2cFunc.I2C)
EVERYTHING = int(library.I2cFunc.SMBUS_EMUL | library.I2cFunc.I2C)


class Kernel:
    """``buses`` by number. ``kept``: addresses that have a driver. ``hangs``: something holds a line low."""

    def __init__(self, buses: dict[int, SimulatedBus], *, functions: int = EVERYTHING) -> None:
        self.buses = buses
        self.functions = functions
        self.kept: set[int] = set()
        self.hangs = False
        self.is_permitted = True
        self._open: dict[int, tuple[SimulatedBus, int]] = {}

    @property
    def open_files(self) -> int:
        return len(self._open)

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(library, "ioctl", self._ioctl)
        monkeypatch.setattr(library, "os", _Os(self))

    def open(self, path: str) -> int:
        number = int(path.removeprefix("/dev/i2c-"))
        if number not in self.buses:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
        if not self.is_permitted:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
        # A real descriptor, so that a library that forgets to close it is seen.
        descriptor = os.open("/dev/null", os.O_RDWR)
        self._open[descriptor] = self.buses[number], 0
        return descriptor

    def close(self, descriptor: int) -> None:
        del self._open[descriptor]
        os.close(descriptor)

    def _ioctl(self, descriptor: int, request: int, argument: Any) -> int:
        bus, address = self._open[descriptor]
        match request:
            case library.I2C_FUNCS:
                argument.value = self.functions
            case library.I2C_SLAVE:
                if argument in self.kept:
                    raise _fault(errno.EBUSY)
                self._open[descriptor] = bus, argument
            case library.I2C_SMBUS:
                self._smbus(bus, address, argument)
            case library.I2C_RDWR:
                self._messages(bus, argument)
            case _:
                raise _fault(errno.ENOTTY)
        return 0

    def _messages(self, bus: SimulatedBus, argument: Any) -> None:
        if not self.functions & library.I2cFunc.I2C:
            raise _fault(errno.EOPNOTSUPP)
        for number in range(argument.nmsgs):
            message = argument.msgs[number]
            if message.flags & library.I2C_M_RD:
                data = self._exchange(bus, message.addr, None, message.len)
                ctypes.memmove(message.buf, data, len(data))
            else:
                self._exchange(bus, message.addr, ctypes.string_at(message.buf, message.len), 0)

    def _smbus(self, bus: SimulatedBus, address: int, argument: Any) -> None:
        is_read, command, data = argument.read_write == library.I2C_SMBUS_READ, argument.command, argument.data.contents
        match argument.size:
            case library.I2C_SMBUS_QUICK:
                self._exchange(bus, address, b"" if not is_read else None, 0)
            case library.I2C_SMBUS_BYTE if is_read:
                data.byte = self._exchange(bus, address, None, 1)[0]
            case library.I2C_SMBUS_BYTE:
                self._exchange(bus, address, bytes([command]), 0)
            case library.I2C_SMBUS_BYTE_DATA if is_read:
                data.byte = self._exchange(bus, address, bytes([command]), 1)[0]
            case library.I2C_SMBUS_BYTE_DATA:
                self._exchange(bus, address, bytes([command, data.byte]), 0)
            case library.I2C_SMBUS_WORD_DATA if is_read:
                data.word = int.from_bytes(self._exchange(bus, address, bytes([command]), 2), "little")
            case library.I2C_SMBUS_WORD_DATA:
                self._exchange(bus, address, bytes([command]) + data.word.to_bytes(2, "little"), 0)
            case library.I2C_SMBUS_I2C_BLOCK_DATA:
                self._block(bus, address, command, data, is_read)
            case _:
                raise _fault(errno.EOPNOTSUPP)

    def _block(self, bus: SimulatedBus, address: int, command: int, data: Any, is_read: bool) -> None:
        count = data.block[0]
        if not 1 <= count <= 32:
            raise _fault(errno.EINVAL)
        if is_read:
            for place, byte in enumerate(self._exchange(bus, address, bytes([command]), count), 1):
                data.block[place] = byte
        else:
            self._exchange(bus, address, bytes([command, *data.block[1 : count + 1]]), 0)

    def _exchange(self, bus: SimulatedBus, address: int, written: bytes | None, count: int) -> bytes:
        if self.hangs:
            raise _fault(errno.ETIMEDOUT)
        return bus.exchange(address, written, count)


class _Os:
    """What smbus2 asks of the module ``os``."""

    O_RDWR = os.O_RDWR

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel

    def open(self, path: str, flags: int) -> int:
        return self._kernel.open(path)

    def close(self, descriptor: int) -> None:
        self._kernel.close(descriptor)


def _fault(number: int) -> OSError:
    return OSError(number, os.strerror(number))
