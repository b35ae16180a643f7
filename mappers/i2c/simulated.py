"""``bramble-mapper i2c --simulate``: a desk with one of each known sensor, and a port expander that is described by its registers.

The driver and the sensors are the real ones; only the bus is made up.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

from mappers.i2c import faults
from mappers.i2c.address import Address
from mappers.i2c.simulatedchips import (
    Bank,
    SimulatedAds1115,
    SimulatedBme280,
    SimulatedChip,
    SimulatedDs3231,
    SimulatedIna219,
    SimulatedSht3x,
    silent,
)
from mappers.sdk import madeup
from mappers.sdk.errors import DeviceAway
from mappers.sdk.madeup import READ, WRITE, Described

BUS = 1


class SimulatedBus:
    """``chips`` by address. As on a wire, one message goes at a time."""

    def __init__(self, chips: Mapping[int, SimulatedChip]) -> None:
        self.chips = dict(chips)
        self._lock = threading.Lock()

    def exchange(self, address: int, written: bytes | None, count: int) -> bytes:
        """One transaction. Raises OSError as the kernel does: nobody acknowledges."""
        with self._lock:
            chip = self.chips.get(address)
            if chip is None:
                raise silent()
            if written is not None:
                chip.write(written)
            return chip.read(count) if count else b""

    def chip(self, address: Address) -> WiredChip:
        if address.bus != BUS:
            raise DeviceAway(f"/dev/i2c-{address.bus}: the simulation has bus {BUS} only")
        return WiredChip(self, address)


class WiredChip:
    """What the driver takes for a chip behind the kernel."""

    def __init__(self, bus: SimulatedBus, address: Address) -> None:
        self._bus = bus
        self._address = address

    def read(self, register: int, count: int) -> bytes:
        return self._exchanged(bytes([register]), count)

    def write(self, register: int, data: bytes) -> None:
        self._exchanged(bytes([register]) + data, 0)

    def transfer(self, data: bytes, count: int) -> bytes:
        return self._exchanged(data or None, count)

    def close(self) -> None:
        pass

    def _exchanged(self, written: bytes | None, count: int) -> bytes:
        try:
            return self._bus.exchange(self._address.chip, written, count)
        except OSError as exc:
            raise faults.of_transfer(exc, self._address) from exc


def desk() -> SimulatedBus:
    return SimulatedBus(
        {
            0x20: Bank({0x09: b"\x05"}),
            0x40: SimulatedIna219(),
            0x44: SimulatedSht3x(),
            0x48: SimulatedAds1115(),
            0x68: SimulatedDs3231(),
            0x76: SimulatedBme280(),
        }
    )


def profile() -> bytes:
    number: dict[str, Any] = {"dataType": "float", **READ}
    text: dict[str, Any] = {"dataType": "string", **READ}
    switch: dict[str, Any] = {"dataType": "boolean", **WRITE}
    sensors: Mapping[str, tuple[int, dict[str, Any], Mapping[str, str]]] = {
        "bme280": (0x76, {}, {"temperature": "temperature", "humidity": "humidity", "pressure": "pressure"}),
        "sht3x": (0x44, {}, {"temperature": "temperature", "humidity": "humidity"}),
        "ads1115": (0x48, {}, {"supply": "a0", "level": "a1", "difference": "a0-a1"}),
        "ina219": (0x40, {"shuntOhms": 0.002}, {"voltage": "voltage", "current": "current", "power": "power"}),
        "ds3231": (0x68, {}, {"temperature": "temperature", "time": "time"}),
    }
    devices: dict[str, tuple[dict[str, Any], Described]] = {}
    for sensor, (chip, settings, quantities) in sensors.items():
        described = {name: (text if name == "time" else number, {"quantity": quantity}) for name, quantity in quantities.items()}
        devices[f"simulated-{sensor}"] = ({"bus": BUS, "address": chip, "sensor": sensor, **settings}, described)
    outputs: Described = {f"relay-{bit}": (switch, {"register": 0x09, "shift": bit, "bits": 1}) for bit in range(4)}
    return madeup.profile("i2c", devices | {"simulated-expander": ({"bus": BUS, "address": 0x20}, outputs)})
