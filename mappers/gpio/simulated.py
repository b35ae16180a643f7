"""``bramble-mapper gpio --simulate``: a cabinet with a door contact, a lamp, a fan and a water meter, on pins that are made up.

The driver is the real one. The door opens and closes every few seconds, the meter turns.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from mappers.gpio.pins import Edge, Pins, Pull
from mappers.gpio.visitors import PROTOCOL
from mappers.sdk import madeup
from mappers.sdk.driver import Family, Simulation
from mappers.sdk.errors import DeviceAway
from mappers.sdk.madeup import READ, WRITE

BEAT_SECONDS = 1.0

CABINET = "simulated-cabinet"
DOOR, LAMP, FAN, METER = 17, 27, 18, 22

_DOOR_BEATS = 3


class SimulatedPins:
    """``drive`` is what a wire does to an input from outside; ``duty`` what an output's PWM is at."""

    def __init__(self) -> None:
        self.duty: dict[int, float] = {}
        self._levels: dict[int, bool] = {}
        self._inputs: set[int] = set()
        self._outputs: set[int] = set()
        self._watchers: dict[int, tuple[Edge, Callable[[], None]]] = {}

    def set_input(self, pin: int, pull: Pull) -> None:
        self._outputs.discard(pin)
        self._inputs.add(pin)
        self._levels.setdefault(pin, pull is Pull.UP)

    def set_output(self, pin: int, level: bool | None) -> None:
        self._inputs.discard(pin)
        self._outputs.add(pin)
        self._levels[pin] = self._levels.get(pin, False) if level is None else level

    def read(self, pin: int) -> bool:
        self._require(pin, self._inputs | self._outputs)
        return self._levels[pin]

    def write(self, pin: int, level: bool) -> None:
        self._require(pin, self._outputs)
        self._levels[pin] = level

    def watch(self, pin: int, edge: Edge, debounce_ms: int, seen: Callable[[], None]) -> None:
        self._require(pin, self._inputs)
        self._watchers[pin] = edge, seen

    def start_pwm(self, pin: int, frequency: float, percent: float) -> None:
        self.set_output(pin, False)
        self.duty[pin] = percent

    def set_duty(self, pin: int, percent: float) -> None:
        self._require(pin, set(self.duty))
        self.duty[pin] = percent

    def release(self, pin: int) -> None:
        self._inputs.discard(pin)
        self._outputs.discard(pin)
        self._watchers.pop(pin, None)
        self.duty.pop(pin, None)

    def let_go(self, pin: int) -> None:
        pass

    def drive(self, pin: int, level: bool) -> None:
        before, self._levels[pin] = self._levels.get(pin, False), level
        edge, seen = self._watchers.get(pin, (Edge.BOTH, lambda: None))
        if before != level and edge in (Edge.BOTH, Edge.RISING if level else Edge.FALLING):
            seen()

    def _require(self, pin: int, among: set[int]) -> None:
        if pin not in among:
            raise DeviceAway(f"GPIO{pin} is not set up for this")


@contextmanager
def cabinet(family: Callable[[Pins], Family]) -> Iterator[Simulation]:
    pins, ended = SimulatedPins(), threading.Event()
    moving = threading.Thread(target=_move, args=(pins, ended), name="simulated-cabinet", daemon=True)
    moving.start()
    try:
        yield Simulation(family(pins), profile())
    finally:
        ended.set()
        moving.join()


def profile() -> bytes:
    described = {
        "door": (
            {"dataType": "string", **READ},
            {"pin": DOOR, "mode": "input", "pull": "up", "debounceMs": 50, "onText": "open", "offText": "closed"},
        ),
        "lamp": ({"dataType": "boolean", **WRITE}, {"pin": LAMP, "mode": "output", "activeLow": True, "initial": "off"}),
        "fan": ({"dataType": "int", **WRITE, "minimum": 0, "maximum": 100, "unit": "%"}, {"pin": FAN, "mode": "pwm", "frequency": 25}),
        "water": (
            {"dataType": "float", **WRITE, "unit": "l"},
            {"pin": METER, "mode": "counter", "edge": "falling", "pull": "up", "scale": 0.5},
        ),
    }
    return madeup.profile(PROTOCOL, {CABINET: ({}, described)})


def _move(pins: SimulatedPins, ended: threading.Event) -> None:
    beats = 0
    while not ended.wait(BEAT_SECONDS):
        beats += 1
        pins.drive(METER, beats % 2 == 0)
        if beats % _DOOR_BEATS == 0:
            pins.drive(DOOR, not (beats // _DOOR_BEATS) % 2)
