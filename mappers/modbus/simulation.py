"""``bramble-mapper modbus --simulate``: the simulated thermometer as a process of its own, and the profile that describes it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from mappers.modbus.address import TCP
from mappers.sdk.driver import Family, Simulation
from mappers.sdk.errors import MapperError

DEVICE = "simulated-thermometer"

_END_SECONDS = 5.0


@contextmanager
def thermometer(family: Callable[[], Family]) -> Iterator[Simulation]:
    """Raises MapperError when the simulator does not start."""
    # A process, because it runs on an event loop and the mapper on threads. Where the modules are only this program knows.
    paths = os.pathsep.join(filter(None, sys.path))
    command = [sys.executable, "-m", "mappers.modbus.simulated", "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": paths})
    try:
        line = process.stdout.readline() if process.stdout else ""
        port = line.strip().rpartition(":")[2]
        if not port.isdigit():
            raise MapperError("the simulated thermometer does not start")
        yield Simulation(family(), profile(int(port)))
    finally:
        process.terminate()
        try:
            process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def profile(port: int) -> bytes:
    tenths: dict[str, Any] = {"register": "HoldingRegister", "limit": 1, "scale": 0.1}
    described: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
        "temperature": ({"dataType": "float", "accessMode": "ReadOnly"}, tenths | {"offset": 0}),
        "setpoint": ({"dataType": "float", "accessMode": "ReadWrite", "minimum": 5, "maximum": 35}, tenths | {"offset": 1}),
        "humidity": ({"dataType": "float", "accessMode": "ReadOnly"}, tenths | {"register": "InputRegister", "offset": 0}),
        "fan": ({"dataType": "boolean", "accessMode": "ReadWrite"}, {"register": "CoilRegister", "offset": 0, "limit": 1}),
    }
    line = f"{TCP}-{DEVICE}"
    return json.dumps(
        {
            "deviceInstances": [{"id": DEVICE, "name": DEVICE, "protocol": line, "model": DEVICE}],
            "deviceModels": [{"name": DEVICE, "properties": [{"name": name} | kind for name, (kind, _) in described.items()]}],
            "protocols": [{"name": line, "protocol": TCP, "protocol_config": {"ip": "127.0.0.1", "port": port, "slaveID": "1"}}],
            "propertyVisitors": [
                {"name": name, "propertyName": name, "modelName": DEVICE, "protocol": "modbus", "visitorConfig": visitor}
                for name, (_, visitor) in described.items()
            ],
        }
    ).encode()
