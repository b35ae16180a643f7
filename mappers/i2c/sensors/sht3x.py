"""Sensirion SHT30, SHT31, SHT35 (temperature, humidity). Data sheet SHT3x-DIS. Each measurement is asked for (single shot)."""

from __future__ import annotations

from collections.abc import Mapping

from mappers.i2c.chip import Chip
from mappers.i2c.sensors.sensor import Known, Pause, pause
from mappers.sdk.errors import DeviceAway, DeviceRefused
from mappers.sdk.quantity import decimal
from mappers.sdk.strictly import Strictly

STOP = b"\x30\x93"
"""Ends the periodic measuring that another program may have begun."""

READ_STATUS = b"\xf3\x2d"
MEASURE_ONCE = b"\x24\x00"
"""High repeatability, without stretching the clock: not every adapter bears that."""

_MEASUREMENT_SECONDS = 0.0155
_TRIES = 3
_TRY_SECONDS = 0.005


class Sht3x:
    quantities = ("temperature", "humidity")
    texts: frozenset[str] = frozenset()

    def __init__(self, config: Strictly, *, pause: Pause = pause) -> None:
        self._pause = pause

    def begin(self, chip: Chip) -> None:
        chip.transfer(STOP, 0)
        self._pause(0.001)
        try:
            word(chip.transfer(READ_STATUS, 3))
        except DeviceRefused as exc:
            raise DeviceAway(f"it is no SHT3x: {exc}") from exc

    def measure(self, chip: Chip, quantity: str) -> Mapping[str, Known]:
        chip.transfer(MEASURE_ONCE, 0)
        self._pause(_MEASUREMENT_SECONDS)
        return measured(self._result(chip))

    def _result(self, chip: Chip) -> bytes:
        """It does not acknowledge as long as it measures, which cold ones do for longer."""
        for _ in range(_TRIES - 1):
            try:
                return chip.transfer(b"", 6)
            except DeviceAway:
                self._pause(_TRY_SECONDS)
        return chip.transfer(b"", 6)


def measured(data: bytes) -> Mapping[str, Known]:
    """Two words to degrees Celsius and percent. Raises DeviceRefused: a checksum is wrong."""
    temperature, humidity = word(data[0:3]), word(data[3:6])
    return {"temperature": decimal(-45 + 175 * temperature / 65535, 2), "humidity": decimal(100 * humidity / 65535, 2)}


def word(data: bytes) -> int:
    """Two bytes and their checksum."""
    if crc(data[:2]) != data[2]:
        raise DeviceRefused(f"the checksum of {data[:2].hex()} is 0x{crc(data[:2]):02x}, not 0x{data[2]:02x}")
    return int.from_bytes(data[:2])


def crc(data: bytes) -> int:
    """CRC-8, polynomial 0x31, begun with 0xff (data sheet 4.12)."""
    found = 0xFF
    for byte in data:
        found ^= byte
        for _ in range(8):
            found = (found << 1 ^ 0x31 if found & 0x80 else found << 1) & 0xFF
    return found
