"""The driver through bleak and D-Bus to peripherals of another maker (bumble): see ``tests.fakes.bluez`` for what stands in for BlueZ."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytest.importorskip("bumble")
from bumble.core import AdvertisingData

from mappers.bluetooth.driver import BluetoothDriver, BluetoothFamily
from mappers.sdk.errors import DeviceAway, DeviceRefused
from mappers.sdk.profile import Property
from mappers.sdk.values import DataType
from tests.fakes.bluez import Air, Peripheral
from tests.unit.mappers.bluetooth.made import MAC, device, wanted

pytestmark = [pytest.mark.system, pytest.mark.skipif(shutil.which("dbus-daemon") is None, reason="needs dbus-daemon")]

LIMIT = 15.0
LEVEL = wanted(name="level")
TEMPERATURE = wanted(
    DataType.FLOAT,
    name="temperature",
    uuid="2a6e",
    startIndex=1,
    endIndex=0,
    orderOfOperations=[{"operationType": "Divide", "operationValue": 100}],
)
FAN = wanted(DataType.STRING, name="fan", uuid="2a56", writable=True, writes={"ON": [1], "OFF": [0]})
LAMP = wanted(name="lamp", uuid="2a57", writable=True)
LOST = wanted(name="lost", uuid="2aff")
HUMIDITY = wanted(name="humidity", uuid="service-data:fcd2", startIndex=1, endIndex=0)
PRESSURE = wanted(name="pressure", uuid="manufacturer-data:0499", startIndex=0, endIndex=1)

_CONFIG = """<busconfig><type>system</type><listen>unix:path={path}</listen><auth>EXTERNAL</auth><policy context="default">
<allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/></policy></busconfig>"""


@pytest.fixture
def bus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    path = tmp_path / "bus"
    config = tmp_path / "bus.conf"
    config.write_text(_CONFIG.format(path=path))
    daemon = subprocess.Popen(["dbus-daemon", f"--config-file={config}", "--nofork"])
    eventually(path.exists)
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", f"unix:path={path}")
    yield f"unix:path={path}"
    daemon.terminate()
    daemon.wait(10)


@pytest.fixture
def air(bus: str) -> Iterator[Air]:
    made = Air(bus, "hci0", "hci1")
    yield made
    made.close()


@pytest.fixture
def tag(air: Air) -> Peripheral:
    made = Peripheral(air, MAC, "weather tag")
    made.offer(
        "181a",
        _2a19=("READ|NOTIFY", b"\x50"),
        _2a6e=("READ", b"\x66\x08"),
        _2a56=("READ|WRITE", b"\x00"),
        _2a57=("WRITE_WITHOUT_RESPONSE", b"\x00"),
    )
    made.switch_on()
    return made


def serve(*properties: Property, **config: str) -> BluetoothDriver:
    driver, reachable, problems = BluetoothDriver.family().driver_for(device(*properties, **config))
    assert (reachable, problems) == (properties, ())
    return driver


def eventually(claim: Callable[[], object]) -> None:
    deadline = time.monotonic() + LIMIT
    while not claim():
        assert time.monotonic() < deadline, "did not come true in time"
        time.sleep(0.02)


def test_a_peripheral_is_found_by_its_address_read_and_written(tag: Peripheral) -> None:
    driver = serve(LEVEL, TEMPERATURE, FAN, LAMP, LOST)
    driver.open()
    assert (driver.read(LEVEL), driver.read(TEMPERATURE), driver.read(FAN)) == (80, 21.5, "OFF")
    driver.write(FAN, "ON")
    assert (tag.held["2a56"], driver.read(FAN)) == (b"\x01", "ON")
    with pytest.raises(DeviceRefused, match="was not yet"):
        driver.read(LAMP)
    driver.write(LAMP, 7)
    eventually(lambda: tag.held["2a57"] == b"\x07")
    assert driver.read(LAMP) == 7
    with pytest.raises(DeviceRefused, match="no characteristic 00002aff"):
        driver.read(LOST)
    with pytest.raises(DeviceRefused, match="does not let this be written"):
        driver.write(LEVEL, 5)
    driver.close()


def test_a_refused_characteristic_is_no_reason_to_hold_the_peripheral_for_away(tag: Peripheral) -> None:
    driver = serve(LEVEL, TEMPERATURE)
    driver.open()
    tag.refuses = {"2a6e"}
    with pytest.raises(DeviceRefused, match=MAC):
        driver.read(TEMPERATURE)
    assert driver.read(LEVEL) == 80
    driver.close()


def test_what_a_peripheral_tells_is_kept_and_not_asked_for(air: Air, tag: Peripheral) -> None:
    driver = serve(LEVEL)
    told: list[str] = []
    driver.on_news(told.append)
    driver.open()
    tag.tell("2a19", b"\x21")
    eventually(lambda: told == ["level"])
    asked = air.bluez.reads
    assert driver.read(LEVEL) == 0x21
    tag.tell("2a19", b"\x22")
    eventually(lambda: driver.read(LEVEL) == 0x22)
    assert air.bluez.reads == asked
    driver.close()


def test_a_peripheral_that_goes_away_is_away_and_found_again_when_it_is_back(tag: Peripheral) -> None:
    driver = serve(LEVEL)
    driver.open()
    tag.tell("2a19", b"\x21")
    eventually(lambda: driver.read(LEVEL) == 0x21)
    tag.switch_off()
    eventually(lambda: is_away(driver, LEVEL))
    driver.close()
    tag.held["2a19"] = b"\x31"
    tag.switch_on()
    driver.open()
    assert driver.read(LEVEL) == 0x31
    driver.close()


def test_a_peripheral_is_found_by_its_name_through_the_adapter_that_was_said(tag: Peripheral, air: Air) -> None:
    driver = serve(LEVEL, name="weather-tag", adapter="hci1")
    driver.open()
    assert driver.read(LEVEL) == 80
    assert not any(path.startswith("/org/bluez/hci0/") for path in air.bluez.objects)
    driver.close()


def test_sensors_that_only_broadcast_are_read_without_a_connection(air: Air) -> None:
    sensor = Peripheral(air, "F0:00:00:00:00:01", "bthome")
    sensor.switch_on(
        (AdvertisingData.SERVICE_DATA_16_BIT_UUID, b"\xd2\xfc\x2d\x01"), (AdvertisingData.MANUFACTURER_SPECIFIC_DATA, b"\x99\x04\x03\xf5")
    )
    absent = wanted(name="absent", uuid="service-data:181a")
    driver = serve(HUMIDITY, PRESSURE, absent, macAddress="F0:00:00:00:00:01")
    told: list[str] = []
    driver.on_news(told.append)
    driver.open()
    assert (driver.read(HUMIDITY), driver.read(PRESSURE)) == (301, 1013)
    with pytest.raises(DeviceRefused, match="does not broadcast this"):
        driver.read(absent)
    told.clear()
    sensor.say((AdvertisingData.SERVICE_DATA_16_BIT_UUID, b"\xd2\xfc\x2e\x01"))
    eventually(lambda: "humidity" in told)
    assert driver.read(HUMIDITY) == 302
    assert not air.bluez._connections
    driver.close()


def test_two_devices_share_an_adapter(air: Air, tag: Peripheral) -> None:
    other = Peripheral(air, "F0:00:00:00:00:02", "other")
    other.offer("180f", _2a19=("READ", b"\x07"))
    other.switch_on()
    family: BluetoothFamily = BluetoothDriver.family()
    first, _, _ = family.driver_for(device(LEVEL))
    second, _, _ = family.driver_for(device(LEVEL, macAddress="F0:00:00:00:00:02"))
    first.open()
    second.open()
    assert (first.read(LEVEL), second.read(LEVEL)) == (80, 7)
    first.close()
    assert second.read(LEVEL) == 7
    second.close()


def test_a_connection_that_a_killed_mapper_left_behind_is_taken_over(tag: Peripheral) -> None:
    # A connected peripheral does not call, so it would never be heard again.
    left = serve(LEVEL)
    left.open()
    driver = serve(LEVEL)
    driver.open()
    assert driver.read(LEVEL) == 80
    driver.close()


def test_an_adapter_that_is_not_there_is_named(air: Air) -> None:
    with pytest.raises(DeviceAway, match="hci7"):
        serve(LEVEL, macAddress=MAC, adapter="hci7").open()


def test_a_board_without_bluetooth_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/nonexistent/bus")
    with pytest.raises(DeviceAway, match="adapter hci0: there is no D-Bus"):
        serve(LEVEL).open()


def is_away(driver: BluetoothDriver, prop: Property) -> bool:
    try:
        driver.read(prop)
    except DeviceAway:
        return True
    return False
