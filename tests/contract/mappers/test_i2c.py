"""The I2C driver keeps the contract of mappers.sdk.driver: a known sensor and a described chip, through smbus2 on a made-up kernel."""

from __future__ import annotations

import pytest

from mappers.i2c.driver import I2cDriver
from mappers.i2c.simulated import SimulatedBus
from mappers.i2c.simulatedchips import Bank, SimulatedBme280
from mappers.sdk.profile import Device
from mappers.sdk.testkit import Bench, DriverContract
from mappers.sdk.values import DataType, Limits
from tests.fakes.i2cdev import Kernel
from tests.unit.mappers.i2c.made import device, wanted


@pytest.fixture(autouse=True)
def kernel(monkeypatch: pytest.MonkeyPatch) -> Kernel:
    """Bus 1 as it should be; on bus 2 something holds a line low."""
    made = Kernel({1: SimulatedBus({0x20: Bank(), 0x76: SimulatedBme280()}), 2: _Hanging({})})
    made.install(monkeypatch)
    return made


class _Hanging(SimulatedBus):
    def exchange(self, address: int, written: bytes | None, count: int) -> bytes:
        raise TimeoutError(110, "Connection timed out")


class TestSensor(DriverContract):
    @pytest.fixture
    def bench(self) -> Bench:
        return Bench(I2cDriver.family(), weather(), {}, weather(address=0x77), weather(bus=2), weather(sensor="bme281"))


class TestRegisters(DriverContract):
    @pytest.fixture
    def bench(self) -> Bench:
        samples = {"level": (7, 200), "target": (-40.5, 21.5), "relay": (True, False), "label": ("up", "down")}
        return Bench(I2cDriver.family(), expander(), samples, expander(bus=9), expander(bus=2), expander(strange=1))


def weather(**config: object) -> Device:
    names = ("temperature", "humidity", "pressure")
    return device(*(wanted(name=name, quantity=name) for name in names), **{"address": 0x76, "sensor": "bme280", **config})


def expander(**config: object) -> Device:
    return device(
        wanted(DataType.INT, name="level", writable=True, register=0x10),
        wanted(DataType.FLOAT, name="target", writable=True, limits=Limits(-100, 100), register=0x12, length=2, signed=True, scale=0.5),
        wanted(DataType.BOOLEAN, name="relay", writable=True, register=0x09, shift=3, bits=1),
        wanted(DataType.STRING, name="label", writable=True, register=0x40, length=8),
        wanted(DataType.INT, name="all", register=0x09),
        **config,
    )
