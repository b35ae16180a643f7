"""Twenty slaves on one serial bus, one dead and one flapping, and a mapper process that polls them: what the slaves saw of it."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from tests.fakes.fieldbus import Slaves, serial_bus

UNITS = range(1, 21)
DEAD = 4
FLAPPING = 11
OTHERS = tuple(unit for unit in UNITS if unit not in (DEAD, FLAPPING))


@dataclass
class Seen:
    """``periods``: seconds between two polls of each of the others. ``recoveries``: seconds from each return of the flapping slave to the
    poll that it answered, and how often each of the others was polled meanwhile."""

    seconds: float
    periods: dict[int, list[float]] = field(default_factory=dict)
    recoveries: list[float] = field(default_factory=list)
    meanwhile: list[float] = field(default_factory=list)


def profile(port: str, units: range = UNITS) -> dict[str, Any]:
    """One property, of one holding register, for each unit."""
    visitor = {"register": "HoldingRegister", "limit": 1}
    return {
        "deviceInstances": [{"id": f"d{unit}", "name": f"d{unit}", "protocol": f"p{unit}", "model": "m"} for unit in units],
        "deviceModels": [{"name": "m", "properties": [{"name": "level", "dataType": "int", "accessMode": "ReadWrite"}]}],
        "protocols": [
            {"name": f"p{unit}", "protocol": "modbus-rtu", "protocol_config": {"serialPort": port, "baudRate": 19200, "slaveID": unit}}
            for unit in units
        ],
        "propertyVisitors": [{"name": "level", "propertyName": "level", "modelName": "m", "protocol": "modbus", "visitorConfig": visitor}],
    }


@contextmanager
def mapper(path: Path, *, poll: float, broker: str = "tcp://127.0.0.1:1") -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", "mappers.sdk.cli", "modbus", "--profile", str(path), "--broker", broker, "--poll", str(poll)]
    process = subprocess.Popen([*command, "--log-level", "error"])
    try:
        yield process
    finally:
        process.terminate()
        process.wait(10)


def watch(folder: Path, *, cycle: float, warm_up: float, flaps: int, away: float) -> Seen:
    """``flaps`` times the flapping slave is ``away`` seconds and then there for as long."""
    with serial_bus(folder) as (port, slaves):
        for unit in UNITS:
            slaves.add(unit, "holding", 0, [unit])
        slaves.silent = {DEAD}
        described = folder / "deviceProfile.json"
        described.write_text(json.dumps(profile(port)))
        with mapper(described, poll=cycle):
            _await_first_polls(slaves)
            time.sleep(warm_up)
            began, returns = time.monotonic(), []
            for _ in range(flaps):
                slaves.silent = {DEAD, FLAPPING}
                time.sleep(away)
                slaves.silent = {DEAD}
                returns.append(time.monotonic())
                time.sleep(away)
            seen = Seen(time.monotonic() - began)
        for unit in OTHERS:
            seen.periods[unit] = [later - sooner for sooner, later in pairwise(slaves.times(unit, began))]
        for returned in returns:
            heard = min(slaves.times(FLAPPING, returned), default=float("inf"))
            seen.recoveries.append(heard - returned)
            seen.meanwhile.append(sum(at < heard for unit in OTHERS for at in slaves.times(unit, returned)) / len(OTHERS))
    return seen


def _await_first_polls(slaves: Slaves, within: float = 30.0) -> None:
    deadline = time.monotonic() + within
    while not all(slaves.times(unit) for unit in UNITS):
        if time.monotonic() > deadline:
            raise TimeoutError("the mapper did not poll all slaves")
        time.sleep(0.05)
