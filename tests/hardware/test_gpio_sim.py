"""The GPIO driver on a chip of the kernel's ``gpio-sim``: rpi-lgpio, lgpio and the character device are what they are on a board.

A wire from outside is the line's ``pull``; what a line carries is its ``value``.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mappers.gpio.driver import GpioDriver, GpioFamily
from mappers.sdk.errors import DeviceAway
from mappers.sdk.profile import Property
from mappers.sdk.testkit import Bench, DriverContract
from mappers.sdk.values import DataType
from tests.contract.mappers.test_gpio import bench_on
from tests.unit.mappers.gpio.made import device, wanted

CONFIGFS = Path("/sys/kernel/config/gpio-sim")
LIMIT = 20.0

pytestmark = pytest.mark.skipif(not CONFIGFS.is_dir(), reason="needs a kernel with gpio-sim")

DOOR = wanted(name="door", pin=17, mode="input", pull="up", debounceMs=50)
LAMP = wanted(name="lamp", writable=True, pin=27, mode="output", activeLow=True)
FAN = wanted(DataType.INT, name="fan", writable=True, pin=18, mode="pwm", frequency=20)
METER = wanted(DataType.INT, name="meter", pin=22, mode="counter", edge="falling", pull="up")


class Chip:
    """54 lines, as a Raspberry Pi's chip has."""

    def __init__(self) -> None:
        chip, bank = CONFIGFS / "board", CONFIGFS / "board" / "bank0"
        bank.mkdir(parents=True)
        (bank / "num_lines").write_text("54")
        (chip / "live").write_text("1")
        self.number = int((bank / "chip_name").read_text().strip().removeprefix("gpiochip"))
        self._lines = Path("/sys/devices/platform") / (chip / "dev_name").read_text().strip() / f"gpiochip{self.number}"

    def drive(self, pin: int, level: int) -> None:
        (self._lines / f"sim_gpio{pin}" / "pull").write_text("pull-up" if level else "pull-down")

    def level(self, pin: int) -> int:
        return int((self._lines / f"sim_gpio{pin}" / "value").read_text())


@pytest.fixture(scope="module")
def chip() -> Chip:
    made = Chip()
    os.environ |= {"RPI_LGPIO_CHIP": str(made.number), "RPI_LGPIO_REVISION": "c03111"}
    return made


@pytest.fixture(scope="module")
def family(chip: Chip) -> GpioFamily:
    return GpioDriver.family()


def serve(family: GpioFamily, *properties: Property) -> GpioDriver:
    driver, reachable, problems = family.driver_for(device(*properties))
    assert (reachable, problems) == (properties, ())
    return driver


def eventually(claim: Callable[[], object]) -> None:
    deadline = time.monotonic() + LIMIT
    while not claim():
        assert time.monotonic() < deadline, "did not come true in time"
        time.sleep(0.005)


class TestGpioSim(DriverContract):
    @pytest.fixture
    def bench(self, family: GpioFamily) -> Iterator[Bench]:
        with bench_on(family) as bench:
            yield bench


def test_an_edge_is_news_and_the_level_is_read(chip: Chip, family: GpioFamily) -> None:
    chip.drive(17, 1)
    driver = serve(family, DOOR)
    told: list[str] = []
    driver.on_news(told.append)
    driver.open()
    assert driver.read(DOOR) is True
    chip.drive(17, 0)
    eventually(lambda: told == ["door"])
    assert driver.read(DOOR) is False
    driver.close()


def test_a_contact_that_bounces_is_one_piece_of_news_and_ends_at_the_true_level(chip: Chip, family: GpioFamily) -> None:
    chip.drive(17, 1)
    driver = serve(family, DOOR)
    told: list[bool] = []
    driver.on_news(lambda name: told.append(bool(driver.read(DOOR))))
    driver.open()
    for number in range(21):
        chip.drive(17, number % 2)
    eventually(lambda: told == [False])
    driver.close()


def test_an_output_drives_its_line_and_stays_when_it_is_closed(chip: Chip, family: GpioFamily) -> None:
    driver = serve(family, LAMP)
    driver.open()
    for is_on in (True, False, True):
        driver.write(LAMP, is_on)
        assert (chip.level(27), driver.read(LAMP)) == (int(not is_on), is_on)
    driver.close()
    assert chip.level(27) == 0
    again = serve(family, LAMP)
    again.open()
    assert again.read(LAMP) is True
    again.close()


def test_pwm_is_seen_on_the_line_and_ends_with_the_device(chip: Chip, family: GpioFamily) -> None:
    driver = serve(family, FAN)
    for _ in range(2):
        driver.open()
        driver.write(FAN, 30)
        eventually(lambda: chip.level(18) == 1)
        eventually(lambda: chip.level(18) == 0)
        driver.close()
        assert chip.level(18) == 0


def test_every_pulse_is_counted(chip: Chip, family: GpioFamily) -> None:
    chip.drive(22, 1)
    driver = serve(family, METER)
    driver.open()
    for number in range(200):
        chip.drive(22, number % 2)
        # The simulation keeps one event of a line at a time.
        time.sleep(0.002)
    eventually(lambda: driver.read(METER) == 100)
    driver.close()


def test_a_pin_of_another_program_is_told_and_served_when_it_is_free(chip: Chip, family: GpioFamily) -> None:
    hold = (
        f"import lgpio, sys; chip = lgpio.gpiochip_open({chip.number}); lgpio.gpio_claim_output(chip, 17)\n"
        "print('held', flush=True); sys.stdin.read()"
    )
    other = subprocess.Popen([sys.executable, "-c", hold], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd="/tmp")
    assert other.stdout is not None
    assert other.stdout.readline() == "held\n"
    driver = serve(family, DOOR)
    with pytest.raises(DeviceAway, match=r"GPIO17: .*busy.*another program has it"):
        driver.open()
    driver.close()
    other.communicate()
    driver.open()
    assert driver.read(DOOR) in (True, False)
    driver.close()
