"""The driver on made-up devices: what ``bramble-mapper bluetooth --simulate`` serves."""

from __future__ import annotations

import threading

import pytest

from mappers.sdk.errors import DeviceAway
from mappers.sdk.values import DataType
from tests.unit.mappers.bluetooth.made import device, simulated, wanted

LEVEL = wanted(name="level")
FAN = wanted(DataType.STRING, name="fan", uuid="f000aa02", writable=True, writes={"ON": [1], "OFF": [0]})
HUMIDITY = wanted(name="humidity", uuid="service-data:fcd2", startIndex=1, endIndex=0)

LIMIT = 10.0


def test_a_made_up_device_is_read_and_written_and_tells_of_changes_by_itself() -> None:
    driver, properties, problems = simulated().driver_for(device(LEVEL, FAN))
    assert (properties, problems) == ((LEVEL, FAN), ())
    told = threading.Event()
    driver.on_news(lambda name: told.set() if name == "level" else None)
    driver.open()
    assert driver.read(LEVEL) == 20
    driver.write(FAN, "OFF")
    assert driver.read(FAN) == "OFF"
    assert told.wait(LIMIT)
    assert driver.read(LEVEL) in (19, 21)
    driver.close()
    with pytest.raises(DeviceAway):
        driver.read(LEVEL)
    driver.close()


def test_a_made_up_sensor_broadcasts() -> None:
    driver, _, _ = simulated().driver_for(device(HUMIDITY))
    driver.open()
    assert driver.read(HUMIDITY) in range(1, 255)
    driver.close()
    with pytest.raises(DeviceAway):
        driver.read(HUMIDITY)


def test_a_visitor_with_a_mistake_leaves_the_others_alone() -> None:
    wrong = wanted(name="wrong", uuid="x")
    _, properties, problems = simulated().driver_for(device(LEVEL, wrong))
    assert properties == (LEVEL,)
    assert problems[0].startswith("propertyVisitors[0].visitorConfig.characteristicUUID: ")
