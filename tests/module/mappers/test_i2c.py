"""The I2C driver through smbus2 on a kernel that is made up below the ioctl, beside libraries of other makers on the same chips."""

from __future__ import annotations

import threading
import time
from types import ModuleType
from typing import Any

import pytest

from mappers.i2c.driver import I2cDriver, I2cFamily
from mappers.i2c.simulated import SimulatedBus
from mappers.i2c.simulatedchips import (
    Bank,
    SimulatedAds1115,
    SimulatedBme280,
    SimulatedChip,
    SimulatedDs3231,
    SimulatedIna219,
    SimulatedSht3x,
)
from mappers.sdk.errors import DeviceAway, DeviceRefused
from mappers.sdk.profile import Property
from mappers.sdk.values import DataType, Value
from tests.fakes.i2cdev import I2C_ONLY_SMBUS, Kernel
from tests.unit.mappers.i2c.made import device, wanted

CHIP = 0x20


def serve(*properties: Property, family: I2cFamily | None = None, **config: Any) -> I2cDriver:
    driver, reachable, problems = (family or I2cDriver.family()).driver_for(device(*properties, **config))
    assert (reachable, problems) == (properties, ())
    return driver


def installed(monkeypatch: pytest.MonkeyPatch, chip: SimulatedChip, **settings: Any) -> Kernel:
    kernel = Kernel({1: SimulatedBus({CHIP: chip})}, **settings)
    kernel.install(monkeypatch)
    return kernel


def measured(sensor: str, *quantities: str, **config: Any) -> dict[str, Value]:
    properties = [wanted(DataType.STRING if name == "time" else DataType.FLOAT, name=name, quantity=name) for name in quantities]
    driver = serve(*properties, sensor=sensor, **config)
    driver.open()
    found = {each.name: driver.read(each) for each in properties}
    driver.close()
    return found


class Busio:
    """What CircuitPython's libraries ask of a bus, on the same chips."""

    def __init__(self, bus: SimulatedBus) -> None:
        self._bus = bus

    def try_lock(self) -> bool:
        return True

    def unlock(self) -> None:
        pass

    def writeto(self, address: int, buffer: Any, *, start: int = 0, end: int | None = None) -> None:
        self._bus.exchange(address, bytes(buffer[start:end]), 0)

    def readfrom_into(self, address: int, buffer: Any, *, start: int = 0, end: int | None = None) -> None:
        place = slice(start, len(buffer) if end is None else end)
        buffer[place] = self._bus.exchange(address, None, place.stop - place.start)

    def writeto_then_readfrom(
        self,
        address: int,
        out: Any,
        into: Any,
        *,
        out_start: int = 0,
        out_end: int | None = None,
        in_start: int = 0,
        in_end: int | None = None,
    ) -> None:
        place = slice(in_start, len(into) if in_end is None else in_end)
        into[place] = self._bus.exchange(address, bytes(out[out_start:out_end]), place.stop - place.start)


@pytest.fixture
def circuitpython(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its libraries name these of a board in their types; on this machine there is none."""
    pytest.importorskip("adafruit_bus_device")
    for name, members in (
        ("busio", {"I2C": object, "SPI": object, "UART": object}),
        ("digitalio", {"DigitalInOut": object}),
        ("micropython", {"const": lambda value: value}),
    ):
        module = ModuleType(name)
        module.__dict__.update(members)
        monkeypatch.setitem(__import__("sys").modules, name, module)


@pytest.mark.parametrize(
    ("temperature", "pressure", "humidity"), [(519888, 415148, 29500), (480000, 380000, 20000), (560000, 300000, 40000)]
)
def test_a_bme280_measures_what_rpi_bme280_measures(
    monkeypatch: pytest.MonkeyPatch, temperature: int, pressure: int, humidity: int
) -> None:
    peer = pytest.importorskip("bme280")
    import smbus2

    chip = SimulatedBme280(drifts=False)
    chip.temperature, chip.pressure, chip.humidity = temperature, pressure, humidity
    installed(monkeypatch, chip)
    ours = measured("bme280", "temperature", "humidity", "pressure")
    with smbus2.SMBus(1) as bus:
        theirs = peer.sample(bus, CHIP, peer.load_calibration_params(bus, CHIP))
    assert ours == {
        "temperature": pytest.approx(theirs.temperature, abs=0.01),
        "humidity": pytest.approx(theirs.humidity, abs=0.05),
        "pressure": pytest.approx(theirs.pressure, abs=0.05),
    }


@pytest.mark.usefixtures("circuitpython")
@pytest.mark.parametrize(("temperature", "humidity"), [(0x6666, 0x8000), (0, 0xFFFF), (0xFFFF, 1)])
def test_a_sht3x_measures_what_adafruits_library_measures(monkeypatch: pytest.MonkeyPatch, temperature: int, humidity: int) -> None:
    peer = pytest.importorskip("adafruit_sht31d")
    chip = SimulatedSht3x(drifts=False, clock=lambda: 0.0)
    chip.temperature, chip.humidity = temperature, humidity
    # Time stands still in the chip, so that it answers whoever waits however long.
    monkeypatch.setattr(SimulatedSht3x, "read", lambda self, count: self._answer[:count].ljust(count, b"\xff"))
    kernel = installed(monkeypatch, chip)
    ours = measured("sht3x", "temperature", "humidity")
    theirs = peer.SHT31D(Busio(_with(kernel, 0x44, chip)), 0x44)
    assert ours == {
        "temperature": pytest.approx(theirs.temperature, abs=0.01),
        "humidity": pytest.approx(theirs.relative_humidity, abs=0.01),
    }


@pytest.mark.usefixtures("circuitpython")
@pytest.mark.parametrize(("name", "full_scale", "gain"), [("a0", 4.096, 1), ("a1", 2.048, 2), ("a0-a1", 4.096, 1), ("a2", 0.512, 8)])
def test_an_ads1115_measures_what_adafruits_library_measures(
    monkeypatch: pytest.MonkeyPatch, name: str, full_scale: float, gain: int
) -> None:
    ads1115 = pytest.importorskip("adafruit_ads1x15.ads1115")
    analog_in = pytest.importorskip("adafruit_ads1x15.analog_in")
    kernel = installed(monkeypatch, SimulatedAds1115(drifts=False))
    (ours,) = measured("ads1115", name, range=full_scale).values()
    pins = [int(each[1]) for each in name.split("-")]
    theirs = analog_in.AnalogIn(ads1115.ADS1115(Busio(kernel.buses[1]), gain=gain, address=CHIP), *pins).voltage
    assert ours == pytest.approx(theirs, abs=full_scale / 32000)


@pytest.mark.usefixtures("circuitpython")
def test_an_ina219_measures_what_adafruits_library_measures(monkeypatch: pytest.MonkeyPatch) -> None:
    peer = pytest.importorskip("adafruit_ina219")
    chip = SimulatedIna219(drifts=False)
    chip.volts, chip.dropped = 12.4, 0.0456
    kernel = installed(monkeypatch, chip)
    ours = measured("ina219", "voltage", "shunt-voltage")
    theirs = peer.INA219(Busio(kernel.buses[1]), CHIP)
    assert ours == {"voltage": pytest.approx(theirs.bus_voltage), "shunt-voltage": pytest.approx(theirs.shunt_voltage)}


@pytest.mark.usefixtures("circuitpython")
def test_a_ds3231_tells_what_adafruits_library_tells(monkeypatch: pytest.MonkeyPatch) -> None:
    peer = pytest.importorskip("adafruit_ds3231")
    now = 1795779296.0
    chip = SimulatedDs3231(clock=lambda: now)
    kernel = installed(monkeypatch, chip)
    ours = measured("ds3231", "time", "temperature")
    theirs = peer.DS3231(Busio(_with(kernel, 0x68, chip)))
    year, month, day, hour, minute, second = theirs.datetime[:6]
    assert ours["time"] == f"{year}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z"
    assert ours["temperature"] == pytest.approx(theirs.temperature)
    assert ours["time"] == time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now))


def test_what_is_read_together_was_measured_together(monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch, Counting())
    temperature, humidity = wanted(name="temperature", quantity="temperature"), wanted(name="humidity", quantity="humidity")
    driver = serve(temperature, humidity, sensor="bme280")
    driver.open()
    chip: Any = Counting.latest
    for round_ in range(1, 4):
        driver.read(temperature)
        driver.read(humidity)
        assert chip.measurements == round_
    driver.close()


class Counting(SimulatedBme280):
    latest: Counting | None = None

    def __init__(self) -> None:
        self.measurements = 0
        super().__init__()
        Counting.latest = self

    def _lay_down(self, pressure: int, temperature: int, humidity: int) -> None:
        self.measurements += pressure != 0x80000
        super()._lay_down(pressure, temperature, humidity)


RELAY = wanted(DataType.BOOLEAN, name="relay", writable=True, register=9, shift=3, bits=1)


@pytest.mark.parametrize(
    ("trouble", "said"),
    [
        (lambda kernel: kernel.buses[1].chips.clear(), "0x20 on /dev/i2c-1: nobody acknowledges there"),
        (lambda kernel: setattr(kernel, "hangs", True), "something holds a line low"),
        (lambda kernel: kernel.kept.add(CHIP), "a driver of the kernel keeps this address"),
        (lambda kernel: kernel.buses.clear(), "/dev/i2c-1: there is no such bus: enable it"),
        (lambda kernel: setattr(kernel, "is_permitted", False), "must be in the group i2c"),
    ],
    ids=["nobody", "hangs", "kept", "no bus", "not allowed"],
)
def test_what_the_kernel_refuses_is_said_in_words_that_help(monkeypatch: pytest.MonkeyPatch, trouble: Any, said: str) -> None:
    kernel = installed(monkeypatch, Bank())
    trouble(kernel)
    driver = serve(RELAY)
    with pytest.raises(DeviceAway) as fault:
        driver.open()
        driver.read(RELAY)
    assert said in str(fault.value)
    driver.close()
    assert kernel.open_files == 0


def test_a_chip_that_is_pulled_off_and_put_back_is_served_again(monkeypatch: pytest.MonkeyPatch) -> None:
    chip = SimulatedBme280(drifts=False)
    kernel = installed(monkeypatch, chip)
    temperature = wanted(name="temperature", quantity="temperature")
    driver = serve(temperature, sensor="bme280")
    driver.open()
    assert driver.read(temperature) == 25.08
    del kernel.buses[1].chips[CHIP]
    with pytest.raises(DeviceAway):
        driver.read(temperature)
    driver.close()
    with pytest.raises(DeviceAway):
        driver.open()
    driver.close()
    kernel.buses[1].chips[CHIP] = SimulatedBme280(drifts=False)
    driver.open()
    assert driver.read(temperature) == 25.08
    driver.close()
    assert kernel.open_files == 0


def test_an_adapter_that_knows_smbus_only_serves_registers_and_says_what_it_cannot(monkeypatch: pytest.MonkeyPatch) -> None:
    port = wanted(DataType.INT, name="port", writable=True)
    two = wanted(DataType.INT, name="two", length=2)
    installed(monkeypatch, Bank({0: b"\x11\x22"}), functions=I2C_ONLY_SMBUS)
    driver = serve(RELAY, port, two)
    driver.open()
    driver.write(RELAY, True)
    assert driver.read(RELAY) is True
    with pytest.raises(DeviceRefused, match="the bus cannot do this kind of transfer"):
        driver.read(two)
    driver.close()


def test_a_chip_without_registers_is_read_and_written_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    port = wanted(DataType.INT, name="port", writable=True)
    lamp = wanted(DataType.BOOLEAN, name="lamp", writable=True, shift=7, bits=1)
    installed(monkeypatch, Expander())
    driver = serve(port, lamp)
    driver.open()
    driver.write(port, 0x55)
    driver.write(lamp, True)
    assert (driver.read(port), driver.read(lamp)) == (0xD5, True)
    driver.close()


class Expander:
    """A PCF8574."""

    held = 0xFF

    def write(self, data: bytes) -> None:
        for byte in data:
            self.held = byte

    def read(self, count: int) -> bytes:
        return bytes([self.held]) * count


def test_a_chip_of_wide_addresses_is_read_and_written(monkeypatch: pytest.MonkeyPatch) -> None:
    label = wanted(DataType.STRING, name="label", writable=True, register=0x1234, length=8)
    chip = Eeprom()
    installed(monkeypatch, chip)
    driver = serve(label, registerBytes=2)
    driver.open()
    driver.write(label, "board 7")
    assert driver.read(label) == "board 7"
    assert bytes(chip.held[0x1234:0x123C]) == b"board 7\0"
    driver.close()


class Eeprom:
    """A 24C512 that writes at once."""

    def __init__(self) -> None:
        self.held = bytearray(65536)
        self.place = 0

    def write(self, data: bytes) -> None:
        self.place = int.from_bytes(data[:2])
        self.held[self.place : self.place + len(data) - 2] = data[2:]

    def read(self, count: int) -> bytes:
        return bytes(self.held[self.place : self.place + count])


def test_bits_of_one_register_that_two_devices_write_are_never_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch, Bank())
    family = I2cDriver.family()
    relays = [wanted(DataType.BOOLEAN, name=f"relay-{bit}", writable=True, register=9, shift=bit, bits=1) for bit in range(8)]
    drivers = [serve(relay, family=family, name=f"relay-{bit}") for bit, relay in enumerate(relays)]

    def work(driver: I2cDriver, relay: Property) -> None:
        driver.open()
        for number in range(101):
            driver.write(relay, number % 2 == 0)

    threads = [threading.Thread(target=work, args=pair) for pair in zip(drivers, relays, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert all(driver.read(relay) is True for driver, relay in zip(drivers, relays, strict=True))
    for driver in drivers:
        driver.close()


def _with(kernel: Kernel, address: int, chip: SimulatedChip) -> SimulatedBus:
    """The same chip also where its library insists on finding it."""
    kernel.buses[1].chips[address] = chip
    return kernel.buses[1]
