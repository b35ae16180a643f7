"""What sensors' bytes mean, by the worked examples of their data sheets, and what a chip that is another one, or broken, costs."""

from __future__ import annotations

from decimal import Decimal

import pytest

from mappers.i2c.address import Address
from mappers.i2c.sensors import MAKERS, ads1115, bme280, ds3231, ina219, sht3x
from mappers.i2c.sensors.ads1115 import Ads1115
from mappers.i2c.sensors.bme280 import Bme280
from mappers.i2c.sensors.ina219 import Ina219
from mappers.i2c.sensors.sht3x import Sht3x
from mappers.i2c.simulated import SimulatedBus, WiredChip
from mappers.i2c.simulatedchips import Bank, SimulatedAds1115, SimulatedBme280, SimulatedChip, SimulatedIna219, SimulatedSht3x, Words
from mappers.sdk.errors import DeviceAway, DeviceRefused, ProfileError
from tests.unit.mappers.i2c.made import settings

EXAMPLE = bme280.Calibration((27504, 26435, -1000), (36477, -10685, 3024, 2855, 140, -7, 15500, -14600, 6000))


def wired(chip: SimulatedChip) -> WiredChip:
    return SimulatedBus({0x20: chip}).chip(Address(1, 0x20))


def test_bosch_works_out_25_08_degrees_and_100653_pascals() -> None:
    fine = bme280.fine_temperature(519888, EXAMPLE)
    assert round(fine) == 128422
    assert round(fine / 5120, 2) == 25.08
    assert bme280.pascals(415148, fine, EXAMPLE) == pytest.approx(100653.27, abs=0.5)


def test_two_humidity_numbers_share_a_byte() -> None:
    found = bme280.calibration_of(bytes(25) + b"\x4b", bytes([0x72, 0x01, 0x00, 0x13, 0x2F, 0x03, 0x1E]))
    assert found.h == (75, 370, 0, 19 * 16 + 15, 3 * 16 + 2, 30)
    negative = bme280.calibration_of(bytes(26), bytes([0, 0, 0, 0xFF, 0xF1, 0xFE, 0x80]))
    assert negative.h[3:] == (-16 + 1, -32 + 15, -128)


def test_sensirion_works_out_the_checksum_of_beef() -> None:
    assert sht3x.crc(b"\xbe\xef") == 0x92
    assert sht3x.measured(b"\x00\x00\x81\xff\xff\xac") == {"temperature": Decimal("-45.0"), "humidity": Decimal("100.0")}


def test_texas_works_out_ten_amperes_and_119_8_watts() -> None:
    found = ina219.measured(b"\x07\xd0", b"\x5d\x98", 0.002)
    assert found == {
        "voltage": Decimal("11.98"),
        "current": Decimal("10.0"),
        "power": Decimal("119.8"),
        "shunt-voltage": Decimal("0.02"),
    }
    assert ina219.measured(b"\xfc\x18", b"\0\2", 0.1)["current"] == Decimal("-0.1")


@pytest.mark.parametrize(
    ("data", "full_scale", "volts"), [(b"\x7f\xff", 4.096, 4.095875), (b"\x80\x00", 2.048, -2.048), (b"\x00\x01", 6.144, 187.5e-6)]
)
def test_a_conversion_is_a_part_of_the_full_scale(data: bytes, full_scale: float, volts: float) -> None:
    assert ads1115.volts(data, full_scale) == pytest.approx(volts)


@pytest.mark.parametrize(
    ("data", "degrees"),
    [(b"\x19\x40", "25.25"), (b"\xe6\xc0", "-25.25"), (b"\x00\x00", "0"), (b"\x7f\xc0", "127.75"), (b"\xff\xc0", "-0.25")],
)
def test_maxim_works_out_25_and_a_quarter_degrees(data: bytes, degrees: str) -> None:
    assert ds3231.degrees(data) == Decimal(degrees)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ("56341205271126", "2026-11-27 12:34:56+00:00"),
        ("00000001010100", "2000-01-01 00:00:00+00:00"),
        ("59594101311299", "2099-12-31 01:59:59+00:00"),
        ("59597201311299", "2099-12-31 12:59:59+00:00"),
        ("59595201311299", "2099-12-31 00:59:59+00:00"),
        ("00000001018100", "2100-01-01 00:00:00+00:00"),
    ],
)
def test_a_clock_of_24_or_12_hours_in_either_century(data: str, said: str) -> None:
    assert str(ds3231.moment(bytes.fromhex(data))) == said


@pytest.mark.parametrize("data", ["ffffffffffffff", "00000001311100"[:8] + "301326", "6a000001010100"])
def test_registers_that_are_no_time_are_refused(data: str) -> None:
    with pytest.raises(DeviceRefused, match="are no time"):
        ds3231.moment(bytes.fromhex(data))


def test_a_clock_that_stood_still_does_not_know_the_time() -> None:
    sensor = MAKERS["ds3231"](settings())
    found = sensor.measure(wired(Bank({ds3231.STATUS: b"\x88", ds3231.TEMPERATURE: b"\x19\x40"})), "time")
    assert found == {"temperature": Decimal("25.25"), "stopped": Decimal(1), "time": None}


def test_a_bmp280_has_no_humidity() -> None:
    sensor = Bme280(settings())
    chip = wired(SimulatedBme280(identity=bme280.BMP280, drifts=False))
    sensor.begin(chip)
    assert sensor.measure(chip, "temperature") == {"temperature": Decimal("25.08"), "pressure": Decimal("1006.53")}
    with pytest.raises(DeviceRefused, match="BMP280, which has no humidity"):
        sensor.measure(chip, "humidity")


@pytest.mark.parametrize(
    ("kind", "chip", "said"),
    [
        ("bme280", Bank({bme280.IDENTITY: b"\x61"}), "no BME280 or BMP280: its identity is 0x61"),
        ("sht3x", Bank(), "no SHT3x: the checksum of"),
        ("ina219", Words({}), ""),
        ("ina219", Bank(), ""),
    ],
)
def test_another_chip_at_the_address_is_told(kind: str, chip: SimulatedChip, said: str) -> None:
    sensor = MAKERS[kind](settings())
    if not said:
        chip = _Deaf()
        said = "no INA219: it was told 0x399f and holds 0x0000"
    with pytest.raises(DeviceAway, match=said):
        sensor.begin(wired(chip))


class _Deaf(Words):
    def __init__(self) -> None:
        super().__init__({})

    def put(self, register: int, word: int) -> None:
        pass


class _Stuck(SimulatedBme280):
    def read(self, count: int) -> bytes:
        return b"\x08" if self.pointer == bme280.STATUS else super().read(count)


class _StuckConverter(SimulatedAds1115):
    def put(self, register: int, word: int) -> None:
        self.held[register] = word & 0x7FFF


def test_a_chip_that_does_not_end_its_measurement_is_given_up() -> None:
    waited: list[float] = []
    for sensor, chip, quantity in (
        (Bme280(settings(), pause=waited.append), _Stuck(), "temperature"),
        (Ads1115(settings(), pause=waited.append), _StuckConverter(), "a0"),
    ):
        sensor.begin(wired(chip))
        with pytest.raises(DeviceRefused, match="does not end its"):
            sensor.measure(wired(chip), quantity)
    assert sum(waited) < 0.1


def test_a_sht3x_that_takes_longer_is_waited_for_and_one_that_is_gone_is_not() -> None:
    now = [0.0]

    def pause(seconds: float) -> None:
        now[0] += seconds

    slow = SimulatedSht3x(drifts=False, clock=lambda: now[0] - 0.004)
    sensor = Sht3x(settings(), pause=pause)
    sensor.begin(wired(slow))
    assert sensor.measure(wired(slow), "humidity")["humidity"] == Decimal("50.0")
    gone = SimulatedBus({}).chip(Address(1, 0x44))
    with pytest.raises(DeviceAway):
        sensor.measure(gone, "humidity")


def test_a_damaged_word_is_refused() -> None:
    with pytest.raises(DeviceRefused, match="the checksum of 0000 is 0x81, not 0x80"):
        sht3x.measured(b"\x00\x00\x80\xff\xff\xac")


def test_a_sensor_that_was_not_asked_to_measure_has_nothing_to_say() -> None:
    with pytest.raises(DeviceRefused, match="has not measured"):
        bme280.compensated(b"\x80\0\0\x80\0\0\x80\0", EXAMPLE)
    assert bme280.compensated(b"\x80\0\0" + (519888 << 4).to_bytes(3) + b"\0\0", EXAMPLE)["pressure"] is None


@pytest.mark.parametrize(
    ("kind", "config", "said"),
    [
        ("ads1115", {"range": 5}, "range: expected 6.144, 4.096, 2.048, 1.024, 0.512, 0.256, got 5"),
        ("ads1115", {"range": "4.096"}, "range: expected a number, got text"),
        ("ina219", {"shuntOhms": 0}, "shuntOhms: expected 1e-05 to 100, got 0"),
    ],
)
def test_a_sensors_own_settings_are_checked(kind: str, config: dict[str, object], said: str) -> None:
    with pytest.raises(ProfileError) as refused:
        MAKERS[kind](settings(**config))
    assert str(refused.value).endswith(f".{said}")


def test_an_ina219_of_another_shunt_measures_another_current() -> None:
    chip = SimulatedIna219(drifts=False)
    assert Ina219(settings(shuntOhms=0.002)).measure(wired(chip), "current")["current"] == Decimal("10.0")
    assert Ina219(settings(shuntOhms=0.1)).measure(wired(chip), "current")["current"] == Decimal("0.2")
