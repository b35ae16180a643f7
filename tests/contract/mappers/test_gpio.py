"""The GPIO driver keeps the contract of mappers.sdk.driver: on made-up pins, and through rpi-lgpio on a made-up chip."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from mappers.gpio.driver import GpioDriver, GpioFamily
from mappers.gpio.simulated import SimulatedPins
from mappers.sdk.profile import Device
from mappers.sdk.testkit import Bench, DriverContract
from mappers.sdk.values import DataType, Limits
from tests.fakes.gpiochip import GpioChip
from tests.unit.mappers.gpio.made import device, wanted

SAMPLES = {"lamp": (True, False), "mode": ("run", "stop"), "fan": (25, 75), "dimmer": (0.25, 1.0), "water": (12.5, 0.0)}


def cabinet(name: str = "cabinet-1") -> Device:
    return device(
        wanted(name="door", pin=4, mode="input", pull="up"),
        wanted(name="lamp", writable=True, pin=17, mode="output"),
        wanted(DataType.STRING, name="mode", writable=True, pin=18, mode="output", activeLow=True, onText="run", offText="stop"),
        wanted(DataType.INT, name="fan", writable=True, limits=Limits(0, 100), pin=22, mode="pwm", frequency=25),
        wanted(DataType.FLOAT, name="dimmer", writable=True, pin=23, mode="pwm", frequency=200, scale=0.01),
        wanted(DataType.FLOAT, name="water", writable=True, pin=24, mode="counter", scale=0.5),
        name=name,
    )


@contextmanager
def bench_on(family: GpioFamily) -> Iterator[Bench]:
    """The absent device is one whose pin another has."""
    holder, _, _ = family.driver_for(device(wanted(name="door", pin=5, mode="input"), name="holder"))
    holder.open()
    absent = device(wanted(name="door", pin=5, mode="input"), name="absent")
    yield Bench(family, cabinet(), SAMPLES, absent, misdescribed=device(wanted(name="door", pin=40, mode="input"), name="wrong"))
    holder.close()


class TestMadeUpPins(DriverContract):
    @pytest.fixture
    def bench(self) -> Iterator[Bench]:
        with bench_on(GpioFamily(SimulatedPins())) as bench:
            yield bench


class TestRpiLgpio(DriverContract):
    @pytest.fixture
    def bench(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
        GpioChip().install(monkeypatch)
        # The revision of a Raspberry Pi 4, which rpi-lgpio asks for when it is imported.
        monkeypatch.setenv("RPI_LGPIO_REVISION", "c03111")
        with bench_on(GpioDriver.family()) as bench:
            yield bench
