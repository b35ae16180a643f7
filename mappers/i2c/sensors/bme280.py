"""Bosch BME280 (temperature, humidity, pressure) and BMP280 (the same without humidity). Data sheet BST-BME280-DS002.

Each measurement is asked for (forced mode), so the chip sleeps in between and does not warm itself.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass

from mappers.i2c.chip import Chip
from mappers.i2c.sensors.sensor import Known, Pause, pause
from mappers.sdk.errors import DeviceAway, DeviceRefused
from mappers.sdk.quantity import decimal
from mappers.sdk.strictly import Strictly

BME280, BMP280 = 0x60, 0x58
"""What the identity register says."""

IDENTITY, CALIBRATION, HUMIDITY_CALIBRATION = 0xD0, 0x88, 0xE1
CONTROL_HUMIDITY, STATUS, CONTROL, DATA = 0xF2, 0xF3, 0xF4, 0xF7
_ONCE_EACH_FORCED = 0x25
_IS_MEASURING = 0x08
_SKIPPED, _SKIPPED_HUMIDITY = 0x80000, 0x8000
"""What stands in the data registers before the first measurement."""

_LONGEST_MEASUREMENT = 0.0093
"""Seconds with every quantity once (data sheet 9.1)."""

_LOOKS = 10
_LOOK_SECONDS = 0.002


@dataclass(frozen=True, slots=True)
class Calibration:
    """What the factory measured of this one chip: dig_T1 to dig_H6 of the data sheet."""

    t: tuple[int, ...]
    p: tuple[int, ...]
    h: tuple[int, ...] = ()


class Bme280:
    quantities = ("temperature", "humidity", "pressure")
    texts: frozenset[str] = frozenset()

    def __init__(self, config: Strictly, *, pause: Pause = pause) -> None:
        self._pause = pause
        self._calibration: Calibration | None = None

    def begin(self, chip: Chip) -> None:
        identity = chip.read(IDENTITY, 1)[0]
        if identity not in (BME280, BMP280):
            raise DeviceAway(f"it is no BME280 or BMP280: its identity is 0x{identity:02x}")
        self._calibration = calibration_of(chip.read(CALIBRATION, 26), chip.read(HUMIDITY_CALIBRATION, 7) if identity == BME280 else b"")

    def measure(self, chip: Chip, quantity: str) -> Mapping[str, Known]:
        if self._calibration is None:
            raise DeviceAway("it was not opened")
        if quantity == "humidity" and not self._calibration.h:
            raise DeviceRefused("it is a BMP280, which has no humidity")
        # Also after a dip of its supply, which sets every register back.
        chip.write(CONTROL_HUMIDITY, b"\x01")
        chip.write(CONTROL, bytes([_ONCE_EACH_FORCED]))
        self._pause(_LONGEST_MEASUREMENT)
        for _ in range(_LOOKS):
            if not chip.read(STATUS, 1)[0] & _IS_MEASURING:
                return compensated(chip.read(DATA, 8), self._calibration)
            self._pause(_LOOK_SECONDS)
        raise DeviceRefused("it does not end its measurement")


def calibration_of(first: bytes, second: bytes) -> Calibration:
    """From registers 0x88 to 0xA1, and 0xE1 to 0xE7 (empty for a BMP280)."""
    numbers = struct.unpack("<HhhHhhhhhhhh", first[:24])
    if not second:
        return Calibration(numbers[:3], numbers[3:])
    h2, h3, h4, middle, h5, h6 = struct.unpack("<hBbBbb", second)
    # Two numbers of 12 bits share the byte in the middle.
    humidity = (first[25], h2, h3, h4 << 4 | middle & 0x0F, h5 << 4 | middle >> 4, h6)
    return Calibration(numbers[:3], numbers[3:], humidity)


def compensated(data: bytes, calibration: Calibration) -> Mapping[str, Known]:
    """Registers 0xF7 to 0xFE to degrees Celsius, percent and hectopascals. Raises DeviceRefused: nothing was measured."""
    pressure, temperature = int.from_bytes(data[0:3]) >> 4, int.from_bytes(data[3:6]) >> 4
    humidity = int.from_bytes(data[6:8])
    if temperature == _SKIPPED:
        raise DeviceRefused("it has not measured anything")
    fine = fine_temperature(temperature, calibration)
    found: dict[str, Known] = {
        "temperature": decimal(fine / 5120.0, 2),
        "pressure": None if pressure == _SKIPPED else decimal(pascals(pressure, fine, calibration) / 100, 2),
    }
    if calibration.h:
        found["humidity"] = None if humidity == _SKIPPED_HUMIDITY else decimal(percent(humidity, fine, calibration), 2)
    return found


def fine_temperature(raw: int, calibration: Calibration) -> float:
    """``t_fine``: 1/5120 of a degree."""
    t1, t2, t3 = calibration.t
    return (raw / 16384 - t1 / 1024) * t2 + (raw / 131072 - t1 / 8192) ** 2 * t3


def pascals(raw: int, fine: float, calibration: Calibration) -> float:
    p1, p2, p3, p4, p5, p6, p7, p8, p9 = calibration.p
    slope = fine / 2 - 64000
    offset = slope * slope * p6 / 32768 + slope * p5 * 2
    offset = offset / 4 + p4 * 65536
    slope = (1 + (p3 * slope * slope / 524288 + p2 * slope) / 524288 / 32768) * p1
    if slope == 0:
        raise DeviceRefused("its calibration cannot be right")
    found = (1048576 - raw - offset / 4096) * 6250 / slope
    return found + (p9 * found * found / 2147483648 + found * p8 / 32768 + p7) / 16


def percent(raw: int, fine: float, calibration: Calibration) -> float:
    h1, h2, h3, h4, h5, h6 = calibration.h
    warm = fine - 76800
    found = (raw - (h4 * 64 + h5 / 16384 * warm)) * (h2 / 65536 * (1 + h6 / 67108864 * warm * (1 + h3 / 67108864 * warm)))
    found *= 1 - h1 * found / 524288
    return min(max(found, 0.0), 100.0)
