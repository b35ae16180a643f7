"""The GPIO driver through rpi-lgpio, which is the module RPi.GPIO of new boards, on a chip that is made up below lgpio."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from mappers.gpio.driver import GpioDriver, GpioFamily
from mappers.gpio.rpigpio import _prepare
from mappers.sdk.errors import DeviceAway
from mappers.sdk.profile import Property
from mappers.sdk.values import DataType
from tests.fakes.gpiochip import GpioChip
from tests.unit.mappers.gpio.made import device, wanted

REVISION = "c03111"
"""Of a Raspberry Pi 4."""

DOOR = wanted(name="door", pin=17, mode="input", pull="up", debounceMs=20)
LAMP = wanted(name="lamp", writable=True, pin=27, mode="output", activeLow=True)
FAN = wanted(DataType.INT, name="fan", writable=True, pin=18, mode="pwm", frequency=25)
METER = wanted(DataType.INT, name="meter", pin=22, mode="counter", edge="falling")


@pytest.fixture
def chip(monkeypatch: pytest.MonkeyPatch) -> GpioChip:
    made = GpioChip()
    made.install(monkeypatch)
    monkeypatch.setenv("RPI_LGPIO_REVISION", REVISION)
    return made


@pytest.fixture
def family(chip: GpioChip) -> GpioFamily:
    return GpioDriver.family()


def serve(family: GpioFamily, *properties: Property, name: str = "cabinet-1") -> GpioDriver:
    driver, reachable, problems = family.driver_for(device(*properties, name=name))
    assert (reachable, problems) == (properties, ())
    return driver


def test_an_input_has_its_pull_and_tells_of_each_edge_once_until_it_is_read(chip: GpioChip, family: GpioFamily) -> None:
    driver = serve(family, DOOR)
    told: list[str] = []
    driver.on_news(told.append)
    driver.open()
    assert driver.read(DOOR) is True
    assert chip.lines[17].debounce == 0.02
    for level in (0, 1, 0, 1, 0):
        chip.drive(17, level)
    assert told == ["door"]
    assert driver.read(DOOR) is False
    chip.drive(17, 1)
    assert told == ["door", "door"]
    driver.close()
    chip.drive(17, 0)
    assert told == ["door", "door"]


def test_an_output_that_is_active_low_is_low_when_it_is_on(chip: GpioChip, family: GpioFamily) -> None:
    driver = serve(family, LAMP)
    driver.open()
    driver.write(LAMP, True)
    assert (chip.lines[27].level, driver.read(LAMP)) == (0, True)
    driver.write(LAMP, False)
    assert (chip.lines[27].level, driver.read(LAMP)) == (1, False)
    driver.close()


@pytest.mark.parametrize(("initial", "level"), [("keep", 1), ("on", 1), ("off", 0)])
def test_an_output_begins_as_it_is_told(chip: GpioChip, family: GpioFamily, initial: str, level: int) -> None:
    chip.lines[27].level = 1
    driver = serve(family, wanted(name="lamp", writable=True, pin=27, mode="output", initial=initial))
    driver.open()
    assert chip.lines[27].level == level
    driver.close()


@pytest.mark.parametrize(("when_closed", "level"), [("keep", 1), ("on", 1), ("off", 0)])
def test_an_output_is_left_as_it_is_told(chip: GpioChip, family: GpioFamily, when_closed: str, level: int) -> None:
    lamp = wanted(name="lamp", writable=True, pin=27, mode="output", whenClosed=when_closed)
    driver = serve(family, lamp)
    driver.open()
    driver.write(lamp, True)
    driver.close()
    assert chip.lines[27].level == level
    again = serve(family, lamp)
    again.open()
    assert again.read(lamp) is bool(level)
    again.close()


def test_pwm_has_its_frequency_and_stops_with_the_device(chip: GpioChip, family: GpioFamily) -> None:
    driver = serve(family, FAN)
    for _ in range(2):
        driver.open()
        assert (driver.read(FAN), chip.lines[18].pwm) == (0, (25.0, 0.0))
        driver.write(FAN, 40)
        assert (driver.read(FAN), chip.lines[18].pwm) == (40, (25.0, 40.0))
        driver.close()
        assert (chip.lines[18].pwm, chip.lines[18].level) == (None, 0)


def test_a_counter_counts_its_edges_and_keeps_its_count_while_the_device_is_served(chip: GpioChip, family: GpioFamily) -> None:
    driver = serve(family, METER)
    told: list[str] = []
    driver.on_news(told.append)
    driver.open()
    for number in range(1000):
        chip.drive(22, number % 2)
    assert driver.read(METER) == 499
    assert 1 <= len(told) < 50
    driver.close()
    chip.drive(22, 0)
    driver.open()
    assert driver.read(METER) == 499
    driver.close()


def test_edges_of_many_threads_are_all_counted(chip: GpioChip, family: GpioFamily) -> None:
    both = wanted(DataType.INT, name="meter", pin=22, mode="counter", edge="both")
    driver = serve(family, both)
    driver.open()
    callback = chip.lines[22].callbacks[0]
    threads = [threading.Thread(target=lambda: [callback(0, 22, 1, 0) for _ in range(2000)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert driver.read(both) == 8000
    driver.close()


def test_a_pin_of_another_device_or_program_is_told_and_costs_nobody_else(chip: GpioChip, family: GpioFamily) -> None:
    first, second = serve(family, DOOR), serve(family, DOOR, LAMP, name="cabinet-2")
    first.open()
    with pytest.raises(DeviceAway, match="GPIO17 is used by device cabinet-1"):
        second.open()
    second.close()
    assert first.read(DOOR) is True
    first.close()
    second.open()
    second.close()
    chip.taken.add(17)
    with pytest.raises(DeviceAway, match=r"GPIO17: GPIO busy \(another program has it\)"):
        first.open()
    first.close()
    chip.taken.clear()
    first.open()
    assert first.read(DOOR) is True
    first.close()


def test_a_pin_that_is_described_twice_is_refused_once(family: GpioFamily) -> None:
    _, reachable, problems = family.driver_for(device(DOOR, wanted(name="again", pin=17, mode="input"), LAMP))
    assert [each.name for each in reachable] == ["door", "lamp"]
    assert problems == ("propertyVisitors[0].visitorConfig.configData.pin: 17 is used by door already",)


def run_off_a_board(script: str, tmp_path: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """In another process: RPi.GPIO looks at its board once, when it is imported."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("RPI_", "LG_"))}
    return subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, env={**kept, "PYTHONPATH": str(Path(__file__).parents[3]), **environment},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


FAMILY = "from mappers.sdk import registry, errors\ntry: registry.family_of('gpio')\nexcept errors.MapperError as exc: print(exc)"


def test_off_a_raspberry_pi_the_mapper_says_so_and_leaves_nothing_behind(tmp_path: Path) -> None:
    done = run_off_a_board(FAMILY, tmp_path, TMPDIR=str(tmp_path))
    assert done.stdout == "the pins of this board cannot be used: This module can only be run on a Raspberry Pi!\n"
    assert list(tmp_path.iterdir()) == []


def test_a_board_whose_chip_may_not_be_opened_says_what_to_do(tmp_path: Path) -> None:
    script = FAMILY + (
        "\nfrom tests.unit.mappers.gpio.made import device, wanted\n"
        "driver, _, _ = registry.family_of('gpio').driver_for(device(wanted(mode='input')))\n"
        "try: driver.open()\nexcept errors.DeviceAway as exc: print(exc)"
    )
    done = run_off_a_board(script, tmp_path, RPI_LGPIO_REVISION=REVISION, RPI_LGPIO_CHIP="99")
    assert "GPIO17: can not open gpiochip (the mapper's user must be in the group gpio" in done.stdout


def test_without_the_module_its_package_is_named(tmp_path: Path) -> None:
    hidden = "import sys; sys.modules['RPi'] = None\n" + FAMILY
    assert "install python3-rpi-lgpio" in run_off_a_board(hidden, tmp_path).stdout


def test_the_mapper_of_another_protocol_does_not_load_it(tmp_path: Path) -> None:
    script = (
        "import sys\nfrom mappers.sdk import registry\nfor name in ('modbus', 'serial', 'i2c'): registry.family_of(name)\n"
        "print(sorted({'RPi', 'RPi.GPIO', 'lgpio', 'bleak'} & set(sys.modules)))"
    )
    assert run_off_a_board(script, tmp_path).stdout == "[]\n"


def test_what_was_set_for_lgpio_stays(tmp_path: Path) -> None:
    environment: dict[str, Any] = {"LG_WD": str(tmp_path), "RPI_LGPIO_REVISION": "x"}
    _prepare(environment)
    assert environment == {"LG_WD": str(tmp_path), "RPI_LGPIO_REVISION": "x"}
