"""``configData`` of an ``i2c`` Device: which chip on which bus, and what it is. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from mappers.i2c.sensors import MAKERS
from mappers.i2c.sensors.sensor import Sensor
from mappers.sdk.profile import Device
from mappers.sdk.strictly import Strictly

PROTOCOL = "i2c"

DEFAULT_BUS = 1
"""The one on a Raspberry Pi's pins 3 and 5."""

FIRST_ADDRESS, LAST_ADDRESS = 0x08, 0x77
"""The others are reserved by the I2C specification."""


@dataclass(frozen=True, slots=True)
class Address:
    """``register_bytes``: how long the chip's register addresses are, 1 or 2."""

    bus: int
    chip: int
    register_bytes: int = 1

    def __str__(self) -> str:
        return f"0x{self.chip:02x} on /dev/i2c-{self.bus}"


def address_of(device: Device) -> tuple[Address, Sensor | None]:
    """The address, and the sensor that is there; None: a chip that its model describes. Raises ProfileError naming the field."""
    config = Strictly(device.config, device.path)
    bus = config.integer("bus", DEFAULT_BUS, least=0, most=255)
    chip = config.code("address", least=FIRST_ADDRESS, most=LAST_ADDRESS)
    if config.has("sensor"):
        sensor = config.choice("sensor", MAKERS)(config)
        address = Address(bus, chip)
    else:
        sensor = None
        address = Address(bus, chip, config.integer("registerBytes", 1, least=1, most=2))
    config.end()
    return address, sensor
