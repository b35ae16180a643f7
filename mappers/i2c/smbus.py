"""The door to smbus2: one chip through the kernel's ``/dev/i2c-N``. The kernel ends every transfer within its adapter's time limit."""

from __future__ import annotations

from typing import Any

import smbus2

from mappers.i2c import faults
from mappers.i2c.address import Address


class SmbusChip:
    """Has a file of its own, because the kernel keeps the address with the file. Not for two threads at once."""

    def __init__(self, address: Address) -> None:
        """Raises DeviceAway."""
        self._address = address
        try:
            self._bus: Any = smbus2.SMBus(address.bus)
        except OSError as exc:
            raise faults.of_bus(exc, address) from exc

    def read(self, register: int, count: int) -> bytes:
        try:
            return bytes(self._bus.read_i2c_block_data(self._address.chip, register, count))
        except OSError as exc:
            raise faults.of_transfer(exc, self._address) from exc

    def write(self, register: int, data: bytes) -> None:
        try:
            self._bus.write_i2c_block_data(self._address.chip, register, list(data))
        except OSError as exc:
            raise faults.of_transfer(exc, self._address) from exc

    def transfer(self, data: bytes, count: int) -> bytes:
        try:
            return self._transferred(data, count)
        except OSError as exc:
            raise faults.of_transfer(exc, self._address) from exc

    def close(self) -> None:
        try:
            self._bus.close()
        except OSError:
            pass

    def _transferred(self, data: bytes, count: int) -> bytes:
        chip = self._address.chip
        # Adapters that know SMBus only (and the kernel's stub) can do these two, but no free transfer.
        if len(data) == 1 and not count:
            self._bus.write_byte(chip, data[0])
            return b""
        if count == 1 and not data:
            return bytes([self._bus.read_byte(chip)])
        messages = [smbus2.i2c_msg.write(chip, data)] if data else []
        if count:
            messages.append(smbus2.i2c_msg.read(chip, count))
        self._bus.i2c_rdwr(*messages)
        return bytes(messages[-1]) if count else b""
