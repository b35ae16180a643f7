"""Analog Devices (Maxim) DS3231: a clock and its temperature. Data sheet 19-5170.

It is read only. A clock that is to be the board's is the kernel's business (``dtoverlay=i2c-rtc,ds3231``), which then keeps its address.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal

from mappers.i2c.chip import Chip
from mappers.i2c.sensors.sensor import Known
from mappers.sdk.errors import DeviceRefused
from mappers.sdk.strictly import Strictly

TIME, STATUS, TEMPERATURE = 0x00, 0x0F, 0x11
_STOOD_STILL = 0x80
_TWELVE_HOURS, _AFTERNOON, _CENTURY = 0x40, 0x20, 0x80


class Ds3231:
    quantities = ("temperature", "time", "stopped")
    texts = frozenset({"time"})

    def __init__(self, config: Strictly) -> None:
        pass

    def begin(self, chip: Chip) -> None:
        chip.read(STATUS, 1)

    def measure(self, chip: Chip, quantity: str) -> Mapping[str, Known]:
        has_stood = bool(chip.read(STATUS, 1)[0] & _STOOD_STILL)
        return {
            "temperature": degrees(chip.read(TEMPERATURE, 2)),
            "stopped": Decimal(has_stood),
            # A clock without its battery tells a time that nobody set.
            "time": None if has_stood else f"{moment(chip.read(TIME, 7)):%Y-%m-%dT%H:%M:%SZ}",
        }


def degrees(data: bytes) -> Decimal:
    """Ten bits in two's complement, a quarter of a degree each."""
    return Decimal(int.from_bytes(data, signed=True) >> 6) / 4


def moment(data: bytes) -> datetime:
    """Seven registers of binary coded decimals, as UTC. Raises DeviceRefused: they are no time."""
    try:
        return datetime(
            2000 + 100 * bool(data[5] & _CENTURY) + _number(data[6]),
            _number(data[5] & 0x1F),
            _number(data[4]),
            _hour(data[2]),
            _number(data[1]),
            _number(data[0]),
            tzinfo=UTC,
        )
    except ValueError as exc:
        raise DeviceRefused(f"its registers {data.hex()} are no time") from exc


def _hour(byte: int) -> int:
    if not byte & _TWELVE_HOURS:
        return _number(byte)
    return _number(byte & 0x1F) % 12 + 12 * bool(byte & _AFTERNOON)


def _number(byte: int) -> int:
    """Raises ValueError."""
    return int(f"{byte:02x}")
