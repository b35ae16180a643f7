"""The serial driver keeps the contract of mappers.sdk.driver, through pyserial on pseudo-terminals."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from mappers.sdk.profile import Device, Property
from mappers.sdk.testkit import Bench, DriverContract
from mappers.sdk.values import DataType, Limits
from mappers.serialport.driver import SerialDriver
from mappers.serialport.simulated import Line, Oven, Receiver
from tests.unit.mappers.serialport.made import device, wanted


@pytest.fixture(scope="module")
def oven() -> Iterator[str]:
    with Line(Oven().answer) as line:
        yield line.path


@pytest.fixture(scope="module")
def receiver() -> Iterator[str]:
    with Line(lambda line: b"", Receiver().beat) as line:
        yield line.path


@pytest.fixture(scope="module")
def silence() -> Iterator[str]:
    with Line(lambda line: b"") as line:
        yield line.path


class TestAsked(DriverContract):
    @pytest.fixture
    def bench(self, oven: str, silence: str) -> Bench:
        samples = {"setpoint": (180.0, 215.5), "heating": ("on", "off"), "running": (True, False)}
        wrong = replace(baked(oven), config={})
        return Bench(SerialDriver.family(), baked(oven), samples, baked("/dev/no-such-port"), baked(silence), wrong)


class TestTalking(DriverContract):
    @pytest.fixture
    def bench(self, receiver: str, silence: str) -> Bench:
        return Bench(SerialDriver.family(), positioned(receiver), {}, positioned("/dev/no-such-port"), positioned(silence))


def baked(path: str) -> Device:
    switch = {"send": "HEAT?", "pattern": "HEAT={value}", "write": "HEAT {value}", "acknowledge": "OK"}
    properties: tuple[Property, ...] = (
        wanted(name="temperature", send="TEMP?", pattern="TEMP={value} C"),
        wanted(
            name="setpoint",
            writable=True,
            limits=Limits(20, 250),
            send="SET?",
            pattern="SET={value} C",
            write="SET {value}",
            acknowledge="OK",
        ),
        wanted(DataType.STRING, name="heating", writable=True, values={"on": "ON", "off": "OFF"}, **switch),
        wanted(DataType.BOOLEAN, name="running", writable=True, values={"true": "ON", "false": "OFF"}, **switch),
    )
    return device(*properties, name="oven", serialPort=path)


def positioned(path: str) -> Device:
    properties = (
        *(wanted(name=name, quantity=name) for name in ("latitude", "speed")),
        wanted(DataType.STRING, name="time", quantity="time"),
    )
    return device(*properties, name="receiver", serialPort=path, format="nmea")
