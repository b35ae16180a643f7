"""Chips that are known without a description, by the name that a Device gives."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from mappers.i2c.sensors.ads1115 import Ads1115
from mappers.i2c.sensors.bme280 import Bme280
from mappers.i2c.sensors.ds3231 import Ds3231
from mappers.i2c.sensors.ina219 import Ina219
from mappers.i2c.sensors.sensor import Sensor
from mappers.i2c.sensors.sht3x import Sht3x
from mappers.sdk.strictly import Strictly

MAKERS: Mapping[str, Callable[[Strictly], Sensor]] = {
    "bme280": Bme280,
    "sht3x": Sht3x,
    "ads1115": Ads1115,
    "ina219": Ina219,
    "ds3231": Ds3231,
}
"""Each takes its own settings out of the Device's ``configData``."""
