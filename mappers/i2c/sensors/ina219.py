"""Texas Instruments INA219: voltage, current and power of a supply. Data sheet SBOS448.

The current is computed from the voltage over the shunt, which needs no calibration register and is as exact as the shunt.
"""

from __future__ import annotations

from collections.abc import Mapping

from mappers.i2c.chip import Chip
from mappers.i2c.sensors.sensor import Known
from mappers.sdk.errors import DeviceAway
from mappers.sdk.quantity import decimal
from mappers.sdk.strictly import Strictly

CONFIG, SHUNT, BUS = 0x00, 0x01, 0x02

CONTINUOUS = 0x399F
"""32 V, 320 mV over the shunt, 12 bits, both measured all the time: also what it wakes up with."""

_SHUNT_VOLTS, _BUS_VOLTS = 10e-6, 4e-3
"""Of one step."""


class Ina219:
    quantities = ("voltage", "current", "power", "shunt-voltage")
    texts: frozenset[str] = frozenset()

    def __init__(self, config: Strictly) -> None:
        self._ohms = config.number("shuntOhms", 0.1, least=1e-5, most=100)

    def begin(self, chip: Chip) -> None:
        chip.write(CONFIG, CONTINUOUS.to_bytes(2))
        found = int.from_bytes(chip.read(CONFIG, 2))
        if found != CONTINUOUS:
            raise DeviceAway(f"it is no INA219: it was told 0x{CONTINUOUS:04x} and holds 0x{found:04x}")

    def measure(self, chip: Chip, quantity: str) -> Mapping[str, Known]:
        return measured(chip.read(SHUNT, 2), chip.read(BUS, 2), self._ohms)


def measured(shunt: bytes, bus: bytes, ohms: float) -> Mapping[str, Known]:
    """Both registers to volts, amperes and watts."""
    dropped = int.from_bytes(shunt, signed=True) * _SHUNT_VOLTS
    volts = (int.from_bytes(bus) >> 3) * _BUS_VOLTS
    amperes = dropped / ohms
    return {
        "voltage": decimal(volts, 3),
        "current": decimal(amperes, 6),
        "power": decimal(volts * amperes, 6),
        "shunt-voltage": decimal(dropped, 5),
    }
