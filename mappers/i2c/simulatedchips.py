"""Made-up chips: what each says on the bus, byte for byte as its data sheet has it. What they measure drifts.

A chip hears ``write`` and ``read`` as the bus brings them: bytes after its address. One that does not acknowledge raises ``silent()``.
"""

from __future__ import annotations

import errno
import random
import struct
import time
from collections.abc import Callable
from typing import Protocol

from mappers.i2c.sensors import ads1115, bme280, ds3231, ina219, sht3x


class SimulatedChip(Protocol):
    def write(self, data: bytes) -> None: ...

    def read(self, count: int) -> bytes: ...


def silent() -> OSError:
    return OSError(errno.EREMOTEIO, "Remote I/O error")


class Bank:
    """Registers of one byte each, one after the other, as most chips have them."""

    def __init__(self, held: dict[int, bytes] | None = None) -> None:
        self.held = bytearray(256)
        self.pointer = 0
        for first, data in (held or {}).items():
            self.held[first : first + len(data)] = data

    def write(self, data: bytes) -> None:
        if data:
            self.pointer = data[0]
        for byte in data[1:]:
            self.put(self.pointer, byte)
            self.pointer = (self.pointer + 1) % 256

    def read(self, count: int) -> bytes:
        found = bytes(self.held[(self.pointer + place) % 256] for place in range(count))
        self.pointer = (self.pointer + count) % 256
        return found

    def put(self, register: int, byte: int) -> None:
        self.held[register] = byte


class Words:
    """Registers of two bytes each, the pointer staying where it was set."""

    def __init__(self, held: dict[int, int]) -> None:
        self.held = dict(held)
        self.pointer = 0

    def write(self, data: bytes) -> None:
        if data:
            self.pointer = data[0]
        if len(data) >= 3:
            self.put(self.pointer, int.from_bytes(data[1:3]))

    def read(self, count: int) -> bytes:
        return (self.get(self.pointer) & 0xFFFF).to_bytes(2)[:count].ljust(count, b"\xff")

    def put(self, register: int, word: int) -> None:
        self.held[register] = word

    def get(self, register: int) -> int:
        return self.held.get(register, 0)


class SimulatedBme280(Bank):
    """The calibration and the readings are the example of Bosch's data sheet: 25.08 degrees, 1006.53 hPa."""

    def __init__(self, *, identity: int = bme280.BME280, drifts: bool = True) -> None:
        first = struct.pack("<HhhHhhhhhhhh", 27504, 26435, -1000, 36477, -10685, 3024, 2855, 140, -7, 15500, -14600, 6000)
        super().__init__(
            {bme280.IDENTITY: bytes([identity]), bme280.CALIBRATION: first + b"\0\x4b", bme280.HUMIDITY_CALIBRATION: _HUMIDITY}
        )
        self.temperature, self.pressure, self.humidity = 519888, 415148, 29500
        self._drifts = drifts
        self._lay_down(0x80000, 0x80000, 0x8000)

    def put(self, register: int, byte: int) -> None:
        super().put(register, byte)
        if register == bme280.CONTROL and byte & 3:
            if self._drifts:
                self.temperature += random.randint(-60, 60)
            self._lay_down(self.pressure, self.temperature, self.humidity)
            # Forced mode ends by itself.
            self.held[register] &= 0xFC

    def _lay_down(self, pressure: int, temperature: int, humidity: int) -> None:
        data = (pressure << 4).to_bytes(3) + (temperature << 4).to_bytes(3) + humidity.to_bytes(2)
        self.held[bme280.DATA : bme280.DATA + 8] = data


_HUMIDITY = struct.pack("<hBbBbb", 370, 0, 19, 0x2F, 3, 30)
"""h2 370, h3 0, h4 19 x 16 + 15, h5 3 x 16 + 2, h6 30."""


class SimulatedSht3x:
    """Answers only what it was asked for, and not before it is done."""

    def __init__(self, *, drifts: bool = True, clock: Callable[[], float] = time.monotonic) -> None:
        self.temperature, self.humidity = 0x6666, 0x8000
        self._drifts = drifts
        self._clock = clock
        self._answer = b""
        self._done_at = 0.0

    def write(self, data: bytes) -> None:
        self._done_at = self._clock()
        if data == sht3x.READ_STATUS:
            self._answer = _word(0x8010)
        elif data == sht3x.MEASURE_ONCE:
            self.temperature += random.randint(-20, 20) if self._drifts else 0
            self._answer = _word(self.temperature) + _word(self.humidity)
            self._done_at += 0.0125
        else:
            self._answer = b""

    def read(self, count: int) -> bytes:
        if not self._answer or self._clock() < self._done_at:
            raise silent()
        return self._answer[:count].ljust(count, b"\xff")


def _word(number: int) -> bytes:
    data = number.to_bytes(2)
    return data + bytes([sht3x.crc(data)])


class SimulatedAds1115(Words):
    """``volts``: at its inputs a0 to a3."""

    def __init__(self, *, drifts: bool = True) -> None:
        super().__init__({ads1115.CONFIG: 0x8583})
        self.volts = [3.3, 1.25, 0.5, 0.0]
        self._drifts = drifts

    def put(self, register: int, word: int) -> None:
        super().put(register, word | 0x8000 if register == ads1115.CONFIG else word)
        if register == ads1115.CONFIG and word & 0x8000:
            if self._drifts:
                self.volts[1] = 1.25 + random.uniform(-0.01, 0.01)
            self.held[ads1115.CONVERSION] = self._converted(word)

    def _converted(self, config: int) -> int:
        name = next(name for name, bits in ads1115.INPUTS.items() if bits == config >> 12 & 7)
        full = next((volts for gain, volts in ads1115.RANGES.values() if gain == config >> 9 & 7), 0.256)
        seen = [self.volts[int(each[1])] for each in name.split("-")]
        raw = round((seen[0] - sum(seen[1:])) / full * 32768)
        return min(max(raw, -32768), 32767)


class SimulatedIna219(Words):
    """A supply of 11.98 V into 10 A over 2 milliohms, the example of the data sheet, or what ``volts`` and ``dropped`` say."""

    def __init__(self, *, drifts: bool = True) -> None:
        super().__init__({ina219.CONFIG: ina219.CONTINUOUS})
        self.volts, self.dropped = 11.98, 0.02
        self._drifts = drifts

    def get(self, register: int) -> int:
        if self._drifts and register == ina219.SHUNT:
            self.dropped = min(max(self.dropped + random.uniform(-1e-4, 1e-4), 0.01), 0.03)
        if register == ina219.SHUNT:
            return round(self.dropped / 10e-6)
        if register == ina219.BUS:
            # The second bit says that a conversion is done.
            return round(self.volts / 4e-3) << 3 | 2
        return super().get(register)


class SimulatedDs3231(Bank):
    """Tells the time of ``clock`` (seconds since 1970, UTC)."""

    def __init__(self, *, clock: Callable[[], float] = time.time) -> None:
        super().__init__({ds3231.TEMPERATURE: b"\x19\x40"})
        self._clock = clock

    def read(self, count: int) -> bytes:
        now = time.gmtime(self._clock())
        parts = (now.tm_sec, now.tm_min, now.tm_hour, now.tm_wday + 1, now.tm_mday, now.tm_mon, now.tm_year % 100)
        self.held[ds3231.TIME : ds3231.TIME + 7] = bytes(int(str(part), 16) for part in parts)
        return super().read(count)
