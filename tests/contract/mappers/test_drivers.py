"""Every driver keeps the contract of mappers.sdk.driver, told by the test kit that ships."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace

import pytest

from mappers.modbus.driver import ModbusDriver
from mappers.sdk.profile import Device, Property
from mappers.sdk.testkit import Bench, DriverContract
from mappers.sdk.values import DataType, Limits

HOLDING = "HoldingRegister"


@pytest.fixture(scope="module")
def silence() -> Iterator[int]:
    """The port of somebody who lets everybody in and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield int(listener.getsockname()[1])


@pytest.fixture(scope="module")
def nobody() -> Iterator[int]:
    """A port that is taken, so that nobody else can be there, and on which nobody listens."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield int(bound.getsockname()[1])


@pytest.fixture(scope="module")
def slave() -> Iterator[int]:
    command = [sys.executable, "-m", "mappers.modbus.simulated", "--port", "0", "--still"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield int(process.stdout.readline().rpartition(":")[2])
    finally:
        process.terminate()
        assert process.wait(10) == 0


class TestModbus(DriverContract):
    @pytest.fixture
    def bench(self, slave: int, nobody: int, silence: int) -> Bench:
        samples = {"setpoint": (180, 215), "target": (18.5, 21.5), "fan": (True, False), "label": ("up", "down")}
        wrong = replace(thermometer(slave), config={})
        return Bench(ModbusDriver.family(), thermometer(slave), samples, thermometer(nobody), thermometer(silence), wrong)


def thermometer(port: int) -> Device:
    visitors = {
        "temperature": Property("temperature", DataType.FLOAT, False, visitor={"register": HOLDING, "offset": 0, "limit": 1, "scale": 0.1}),
        "setpoint": Property("setpoint", DataType.INT, True, visitor={"register": HOLDING, "offset": 1, "limit": 1}),
        "target": Property(
            "target", DataType.FLOAT, True, Limits(-40, 90), visitor={"register": HOLDING, "offset": 2, "limit": 2, "scale": 0.1}
        ),
        "fan": Property("fan", DataType.BOOLEAN, True, visitor={"register": "CoilRegister", "offset": 0, "limit": 1}),
        "label": Property("label", DataType.STRING, True, visitor={"register": HOLDING, "offset": 10, "limit": 8}),
        "humidity": Property("humidity", DataType.INT, False, visitor={"register": "InputRegister", "offset": 0, "limit": 1}),
    }
    config = {"ip": "127.0.0.1", "port": port, "slaveID": "1"}
    return Device("thermometer", "thermometer", "modbus-tcp", config, tuple(visitors.values()), "protocols[0].protocol_config")
