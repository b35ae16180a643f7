"""What the driver needs of a board's pins. The door to RPi.GPIO gives it, the simulator does too."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import Protocol

FIRST_PIN, LAST_PIN = 0, 27
"""Of a Raspberry Pi's header, by the chip's numbers (BCM), which is how ``pinout`` and the board's prints name them: GPIO17."""


class Pull(StrEnum):
    NONE = "none"
    UP = "up"
    DOWN = "down"


class Edge(StrEnum):
    RISING = "rising"
    FALLING = "falling"
    BOTH = "both"


class Pins(Protocol):
    """Levels: True is high. Every call but ``release`` raises DeviceAway (another program has the pin, it is not allowed)."""

    def set_input(self, pin: int, pull: Pull) -> None: ...

    def set_output(self, pin: int, level: bool | None) -> None:
        """``level`` None: as it is."""

    def read(self, pin: int) -> bool:
        """Of an output: what it was set to."""

    def write(self, pin: int, level: bool) -> None: ...

    def watch(self, pin: int, edge: Edge, debounce_ms: int, seen: Callable[[], None]) -> None:
        """``seen`` is called by another thread at each edge of an input. ``debounce_ms`` 0: at every one."""

    def start_pwm(self, pin: int, frequency: float, percent: float) -> None:
        """An output that is high for ``percent`` of each period."""

    def set_duty(self, pin: int, percent: float) -> None: ...

    def release(self, pin: int) -> None:
        """The pin is an input again, without a pull and unwatched. Never fails."""

    def let_go(self, pin: int) -> None:
        """An output stays as it is. Never fails."""
