"""What a sensor needs of the bus: one chip at one address. The door gives it, a simulated bus does, and so do tests."""

from __future__ import annotations

from typing import Protocol


class Chip(Protocol):
    """Every call raises DeviceAway (nobody acknowledges) or DeviceRefused (the bus cannot do this)."""

    def read(self, register: int, count: int) -> bytes:
        """``count`` bytes, 32 at most, from a register of an 8-bit address on."""

    def write(self, register: int, data: bytes) -> None:
        """To a register of an 8-bit address and those that follow."""

    def transfer(self, data: bytes, count: int) -> bytes:
        """Write ``data`` if there is any, then read ``count`` bytes if any, as one transaction."""
