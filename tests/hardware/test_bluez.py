"""The Bluetooth driver with the kernel's Bluetooth and bluetoothd as on a board. The radio is bumble's, behind the kernel's virtual HCI
(``hci_vhci``), and so is the peripheral.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import threading
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("bumble")
from bumble.controller import Controller
from bumble.core import AdvertisingData
from bumble.link import LocalLink
from bumble.transport import open_transport

from tests.contract.mappers.test_bluetooth import FAN, HUMIDITY, LAMP, LEVEL, TEMPERATURE, eventually, is_away, serve
from tests.fakes.bluez import Peripheral
from tests.unit.mappers.bluetooth.made import MAC

pytestmark = pytest.mark.skipif(not Path("/dev/vhci").exists() or os.geteuid() != 0, reason="needs a kernel with hci_vhci")


class Link(LocalLink):
    """bumble's takes whatever a controller says for said from its random address; a kernel connects from its public one."""

    def send_acl_data(self, sender_controller: Any, destination_address: Any, transport: Any, data: bytes) -> None:
        connection = sender_controller.le_connections.get(destination_address)
        receiver = self.find_le_controller(destination_address)
        if connection is not None and receiver is not None:
            asyncio.get_running_loop().call_soon(receiver.on_link_acl_data, connection.self_address, transport, data)


class Ether:
    """What is between the kernel's adapter and the peripherals. ``run`` does work in its thread."""

    def __init__(self) -> None:
        self.link = Link()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="ether", daemon=True)
        self._thread.start()
        self._transport = self.run(self._start())

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(60)

    def close(self) -> None:
        self.run(self._transport.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    async def _start(self) -> Any:
        transport = await open_transport("vhci")
        self._controller = Controller(
            "adapter", host_source=transport.source, host_sink=transport.sink, link=self.link, public_address="C0:00:00:00:00:01"
        )
        return transport


@pytest.fixture(scope="module")
def ether() -> Iterator[Ether]:
    made = Ether()
    subprocess.run(["systemctl", "start", "bluetooth"], check=True)
    eventually(lambda: "Powered: yes" in _bluetoothctl("power", "on") + _bluetoothctl("show"))
    yield made
    made.close()


@pytest.fixture
def tag(ether: Ether) -> Iterator[Peripheral]:
    made = Peripheral(ether, MAC, "weather tag")  # type: ignore[arg-type]
    made.offer(
        "181a",
        _2a19=("READ|NOTIFY", b"\x50"),
        _2a6e=("READ", b"\x66\x08"),
        _2a56=("READ|WRITE", b"\x00"),
        _2a57=("WRITE_WITHOUT_RESPONSE", b"\x00"),
    )
    made.switch_on()
    yield made
    made.switch_off()
    _bluetoothctl("remove", MAC)


def _bluetoothctl(*words: str) -> str:
    return subprocess.run(["bluetoothctl", *words], capture_output=True, text=True, check=False, timeout=30).stdout


def test_bluetoothd_finds_a_peripheral_which_is_read_and_written(tag: Peripheral) -> None:
    driver = serve(LEVEL, TEMPERATURE, FAN, LAMP)
    driver.open()
    assert (driver.read(LEVEL), driver.read(TEMPERATURE), driver.read(FAN)) == (80, 21.5, "OFF")
    driver.write(FAN, "ON")
    assert (tag.held["2a56"], driver.read(FAN)) == (b"\x01", "ON")
    driver.write(LAMP, 7)
    eventually(lambda: tag.held["2a57"] == b"\x07")
    driver.close()


def test_what_a_peripheral_tells_comes_through_bluetoothd(tag: Peripheral) -> None:
    driver = serve(LEVEL)
    told: list[str] = []
    driver.on_news(told.append)
    driver.open()
    tag.tell("2a19", b"\x21")
    eventually(lambda: told == ["level"])
    assert driver.read(LEVEL) == 0x21
    driver.close()


def test_a_peripheral_that_goes_away_is_away_and_found_again(tag: Peripheral) -> None:
    driver = serve(LEVEL)
    driver.open()
    assert driver.read(LEVEL) == 80
    tag.switch_off()
    eventually(lambda: is_away(driver, LEVEL))
    driver.close()
    tag.held["2a19"] = b"\x31"
    tag.switch_on()
    driver.open()
    assert driver.read(LEVEL) == 0x31
    driver.close()


def test_a_sensor_that_only_broadcasts_is_read_without_a_connection(ether: Ether) -> None:
    sensor = Peripheral(ether, "F0:00:00:00:00:01", "bthome")  # type: ignore[arg-type]
    sensor.switch_on((AdvertisingData.SERVICE_DATA_16_BIT_UUID, b"\xd2\xfc\x2d\x01"))
    driver = serve(HUMIDITY, macAddress="F0:00:00:00:00:01")
    driver.open()
    assert driver.read(HUMIDITY) == 301
    sensor.say((AdvertisingData.SERVICE_DATA_16_BIT_UUID, b"\xd2\xfc\x2e\x01"))
    eventually(lambda: driver.read(HUMIDITY) == 302)
    assert "Connected: yes" not in _bluetoothctl("info", "F0:00:00:00:00:01")
    driver.close()
    sensor.switch_off()


def test_a_connection_that_a_killed_mapper_left_in_bluetoothd_is_taken_over(tag: Peripheral) -> None:
    left = serve(LEVEL)
    left.open()
    driver = serve(LEVEL)
    driver.open()
    assert driver.read(LEVEL) == 80
    driver.close()
