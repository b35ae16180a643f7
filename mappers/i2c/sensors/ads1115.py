"""Texas Instruments ADS1115: four voltages, or differences of them, of 16 bits. Data sheet SBAS444. Each conversion is asked for."""

from __future__ import annotations

from collections.abc import Mapping

from mappers.i2c.chip import Chip
from mappers.i2c.sensors.sensor import Known, Pause, pause
from mappers.sdk.errors import DeviceRefused
from mappers.sdk.quantity import decimal
from mappers.sdk.strictly import Strictly

CONVERSION, CONFIG = 0x00, 0x01

INPUTS: Mapping[str, int] = {"a0-a1": 0, "a0-a3": 1, "a1-a3": 2, "a2-a3": 3, "a0": 4, "a1": 5, "a2": 6, "a3": 7}
"""To the multiplexer's bits."""

RANGES: Mapping[str, tuple[int, float]] = {
    "6.144": (0, 6.144),
    "4.096": (1, 4.096),
    "2.048": (2, 2.048),
    "1.024": (3, 1.024),
    "0.512": (4, 0.512),
    "0.256": (5, 0.256),
}
"""Volts of the full scale to the amplifier's bits. What is measured must stay within the supply whatever the range."""

_START, _ONCE, _RATE_128, _NO_COMPARATOR = 0x8000, 0x0100, 0x0080, 0x0003
_IS_DONE = 0x8000
_CONVERSION_SECONDS = 0.0086
"""At 128 conversions a second, which may be 10 % slower than it says."""

_LOOKS = 10
_LOOK_SECONDS = 0.001


class Ads1115:
    quantities = tuple(INPUTS)
    texts: frozenset[str] = frozenset()

    def __init__(self, config: Strictly, *, pause: Pause = pause) -> None:
        volts = config.number("range", 4.096, least=0.256, most=6.144)
        if f"{volts:.3f}" not in RANGES:
            raise config.refused("range", f"expected {', '.join(RANGES)}, got {volts:g}")
        self._gain, self._volts = RANGES[f"{volts:.3f}"]
        self._pause = pause

    def begin(self, chip: Chip) -> None:
        # It has no identity to ask for; that it answers is all that can be known.
        chip.read(CONFIG, 2)

    def measure(self, chip: Chip, quantity: str) -> Mapping[str, Known]:
        chip.write(CONFIG, command(quantity, self._gain).to_bytes(2))
        self._pause(_CONVERSION_SECONDS)
        for _ in range(_LOOKS):
            if int.from_bytes(chip.read(CONFIG, 2)) & _IS_DONE:
                return {quantity: decimal(volts(chip.read(CONVERSION, 2), self._volts), 7)}
            self._pause(_LOOK_SECONDS)
        raise DeviceRefused("it does not end its conversion")


def command(quantity: str, gain: int) -> int:
    """The configuration that begins one conversion."""
    return _START | INPUTS[quantity] << 12 | gain << 9 | _ONCE | _RATE_128 | _NO_COMPARATOR


def volts(data: bytes, full_scale: float) -> float:
    return int.from_bytes(data, signed=True) * full_scale / 32768
