"""docs/mappers.md: the examples that it names are accepted whole and served, and no field and no quantity is left out of it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from cloudcore.devicecontroller.profile import profile_text
from cloudstub.kinds.schema_shape import prune
from cloudstub.kinds.schema_validate import validate
from edgecore.edged.fields import Surroundings
from edgecore.edged.pod import read_pod
from edgecore.edged.volumes import Host, volumes_of
from mappers.gpio.driver import GpioFamily
from mappers.gpio.simulated import SimulatedPins
from mappers.gpio.visitors import visitor_of as pin_of
from mappers.i2c.address import Address, address_of
from mappers.i2c.driver import I2cDriver
from mappers.i2c.sensors import MAKERS
from mappers.i2c.visitors import visitor_of as registers_of
from mappers.modbus.driver import ModbusDriver
from mappers.sdk import profile
from mappers.sdk.driver import Family
from mappers.sdk.errors import ProfileError
from mappers.sdk.values import DataType
from mappers.serialport import nmea
from mappers.serialport.address import instrument_of
from mappers.serialport.driver import SerialDriver
from mappers.serialport.visitors import visitor_of as said_of
from tests.fakes.crds import schemas
from tests.unit.mappers.gpio import made as gpio
from tests.unit.mappers.i2c import made as i2c
from tests.unit.mappers.serialport import made as serial

TOP = Path(__file__).parents[3]
PAGE = (TOP / "docs" / "mappers.md").read_text()
NAMED = re.findall(r"\.\./examples/([\w-]+)\.yaml", PAGE)
SERVED: dict[str, tuple[str, ...]] = {
    "modbus": ("thermometer-model", "thermometer"),
    "serial": ("oven", "receiver"),
    "i2c": ("weather", "expander"),
    "gpio": ("cabinet",),
}
"""The examples of each protocol; those of Bluetooth are on a page of their own, with a test of their own."""


def family(protocol: str) -> Family:
    made: dict[str, Callable[[], Family]] = {
        "modbus": ModbusDriver.family,
        "serial": SerialDriver.family,
        "i2c": I2cDriver.family,
        "gpio": lambda: GpioFamily(SimulatedPins()),
    }
    return made[protocol]()


def manifests(*names: str) -> list[dict[str, Any]]:
    return [item for name in names for item in yaml.safe_load_all((TOP / "examples" / f"{name}.yaml").read_text())]


def test_the_page_names_every_example_of_a_device() -> None:
    assert set(NAMED) == {name for names in SERVED.values() for name in names}


@pytest.mark.parametrize("protocol", SERVED)
def test_the_examples_are_accepted_and_nothing_of_them_is_dropped(protocol: str) -> None:
    for manifest in manifests(*SERVED[protocol]):
        assert validate(schemas(manifest["kind"])["v1alpha1"], manifest) == []
        assert prune(schemas(manifest["kind"])["v1alpha1"], manifest) == manifest


@pytest.mark.parametrize("protocol", SERVED)
def test_the_examples_are_served_whole(protocol: str) -> None:
    found = manifests(*SERVED[protocol])
    models = [item for item in found if item["kind"] == "DeviceModel"]
    devices = [item for item in found if item["kind"] == "Device"]
    read = profile.parse((profile_text(devices, models) or "").encode())
    assert read.problems == ()
    assert len(read.devices) == len(devices)
    for device, described in zip(read.devices, sorted(devices, key=lambda item: str(item["metadata"]["name"])), strict=True):
        driver, reachable, problems = family(protocol).driver_for(device)
        assert family(protocol).serves(device.protocol)
        assert problems == ()
        assert {each.name for each in reachable} == {twin["propertyName"] for twin in described["status"]["twins"]}
        driver.close()


def test_the_pod_of_the_page_gets_the_bus() -> None:
    (pod,) = (item for block in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL) for item in yaml.safe_load_all(block) if "kind" in item)
    pod["metadata"] |= {"namespace": "default", "uid": "u"}
    plan = read_pod(pod)
    around = Surroundings("edge1", "127.0.0.1", cpu=4, memory=1024)
    assert volumes_of(plan, {}, around) == [Host("bus", "/dev/i2c-1", "CharDevice")]


def fields(read: Callable[[], object]) -> list[str]:
    """What a description may have, as its reader says it of one that has something else."""
    with pytest.raises(ProfileError) as refused:
        read()
    return str(refused.value).partition("known: ")[2].split(", ")


HERE = Address(1, 0x20)
READERS: dict[str, Callable[[], object]] = {
    "a serial device": lambda: instrument_of(serial.device(strange=1)),
    "a serial property": lambda: said_of(
        serial.wanted(DataType.STRING, send="x", writable=True, write="{value}", strange=1), is_nmea=False
    ),
    "a position": lambda: said_of(serial.wanted(quantity="speed", strange=1), is_nmea=True),
    "a chip": lambda: address_of(i2c.device(strange=1)),
    "registers": lambda: registers_of(i2c.wanted(strange=1), HERE, None),
    "a quantity": lambda: registers_of(i2c.wanted(quantity="a0", strange=1), HERE, MAKERS["ads1115"](i2c.settings())),
    "an input": lambda: pin_of(gpio.wanted(DataType.STRING, mode="input", strange=1)),
    "an output": lambda: pin_of(gpio.wanted(DataType.STRING, mode="output", strange=1)),
    "pwm": lambda: pin_of(gpio.wanted(DataType.INT, mode="pwm", frequency=25, strange=1)),
    "a counter": lambda: pin_of(gpio.wanted(DataType.INT, mode="counter", strange=1)),
    **{f"a {name}": lambda name=name: address_of(i2c.device(sensor=name, strange=1)) for name in MAKERS},  # type: ignore[misc]
}


@pytest.mark.parametrize("reader", READERS)
def test_every_field_is_on_the_page(reader: str) -> None:
    found = fields(READERS[reader])
    assert found
    assert [name for name in found if f"`{name}`" not in PAGE and f"`{name} " not in PAGE] == []


def test_every_sensor_and_quantity_is_on_the_page() -> None:
    names = [*nmea.QUANTITIES, *MAKERS, *(each for make in MAKERS.values() for each in make(i2c.settings()).quantities)]
    hidden = {"a1", "a2"}
    assert [name for name in names if f"`{name}`" not in PAGE and name not in hidden] == []
