"""The I2C driver on the kernel's ``i2c-stub``: smbus2 and ``/dev/i2c-N`` are what they are on a board, the chips are their registers only.

The stub knows SMBus transfers only, so a SHT3x cannot be tried on it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import smbus2

from mappers.i2c.driver import I2cDriver
from mappers.i2c.sensors import bme280
from mappers.i2c.simulatedchips import SimulatedBme280
from mappers.sdk.errors import DeviceAway
from mappers.sdk.profile import Device
from mappers.sdk.testkit import Bench, DriverContract
from tests.contract.mappers.test_i2c import expander
from tests.unit.mappers.i2c.made import device, wanted

STUBS = [path for path in Path("/sys/bus/i2c/devices").glob("i2c-*/name") if path.read_text().strip() == "SMBus stub driver"]
REGISTERS, NOBODY, WEATHER = 0x20, 0x21, 0x76

pytestmark = pytest.mark.skipif(not STUBS, reason="needs a kernel with i2c-stub")


@pytest.fixture(scope="module")
def number() -> int:
    return int(STUBS[0].parent.name.removeprefix("i2c-"))


@pytest.fixture
def bus(number: int) -> Iterator[smbus2.SMBus]:
    with smbus2.SMBus(number) as opened:
        yield opened


class TestI2cStub(DriverContract):
    @pytest.fixture
    def bench(self, number: int) -> Bench:
        samples = {"level": (7, 200), "target": (-40.5, 21.5), "relay": (True, False), "label": ("up", "down")}
        return Bench(I2cDriver.family(), expander(bus=number), samples, expander(bus=number, address=NOBODY))


def weather(number: int, **config: object) -> Device:
    names = ("temperature", "humidity", "pressure")
    return device(
        *(wanted(name=name, quantity=name) for name in names), **{"bus": number, "address": WEATHER, "sensor": "bme280", **config}
    )


def test_what_is_written_is_what_another_program_sees(number: int, bus: smbus2.SMBus) -> None:
    driver, reachable, _ = I2cDriver.family().driver_for(expander(bus=number))
    relay = next(each for each in reachable if each.name == "relay")
    driver.open()
    bus.write_byte_data(REGISTERS, 0x09, 0x81)
    driver.write(relay, True)
    assert bus.read_byte_data(REGISTERS, 0x09) == 0x89
    driver.close()


def test_a_bme280_is_read_as_rpi_bme280_reads_it(number: int, bus: smbus2.SMBus) -> None:
    peer = pytest.importorskip("bme280")
    chip = SimulatedBme280(drifts=False)
    chip.put(bme280.CONTROL, 0x25)
    for register, byte in enumerate(chip.held):
        # The stub keeps a word for each register and gives a reader of words no byte of the next, as a chip does.
        bus.write_word_data(WEATHER, register, byte | chip.held[(register + 1) % 256] << 8)
    driver, reachable, _ = I2cDriver.family().driver_for(weather(number))
    driver.open()
    ours = {each.name: driver.read(each) for each in reachable}
    driver.close()
    theirs = peer.sample(bus, WEATHER, peer.load_calibration_params(bus, WEATHER))
    assert ours == {
        "temperature": pytest.approx(theirs.temperature, abs=0.01),
        "humidity": pytest.approx(theirs.humidity, abs=0.05),
        "pressure": pytest.approx(theirs.pressure, abs=0.05),
    }


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"address": NOBODY}, "nobody is at this address, or the bus itself is gone"),
        ({"address": REGISTERS}, "no BME280 or BMP280"),
        ({"bus": 99}, "/dev/i2c-99: there is no such bus"),
        ({"address": REGISTERS, "sensor": "sht3x"}, "the bus cannot do this kind of transfer"),
    ],
)
def test_what_the_kernel_refuses_is_said_in_words_that_help(number: int, config: dict[str, object], said: str) -> None:
    described = {"bus": number, "address": WEATHER, "sensor": "bme280", **config}
    driver, _, _ = I2cDriver.family().driver_for(device(wanted(quantity="temperature"), **described))
    with pytest.raises(DeviceAway, match=said):
        driver.open()
    driver.close()
