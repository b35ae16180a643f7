"""A GPIO chip below the library lgpio: its functions as their documentation has them, on lines that a test drives.

``rpi-lgpio`` and our door above it are real. What differs from a board is lgpio itself and the kernel's character device.
"""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest


def _import_lgpio() -> Any:
    """It makes a pipe of one name in the folder where it is imported, and of two processes there one takes it from the other."""
    before, folder = os.getcwd(), tempfile.mkdtemp(prefix="lgpio-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    os.environ["LG_WD"] = folder
    try:
        import lgpio
    finally:
        os.environ.pop("LG_WD")
        os.chdir(before)  # it goes there
    return lgpio


lgpio: Any = _import_lgpio()

HANDLE = 0
_INPUT, _OUTPUT, _ALERT = 0x100, 0x200, 0x400
_KERNEL_OUTPUT = 0x2


@dataclass(slots=True)
class Line:
    """``use``: the lgpio bits, 0 when nobody claimed it. ``debounce``: seconds that a level must hold."""

    level: int = 0
    use: int = 0
    pull: int = 0
    edges: int = 0
    debounce: float = 0.0
    pwm: tuple[float, float] | None = None
    callbacks: list[Callable[..., None]] = field(default_factory=list)


class GpioChip:
    """54 lines. ``taken``: by another program."""

    def __init__(self) -> None:
        self.lines = [Line() for _ in range(54)]
        self.taken: set[int] = set()
        self.is_permitted = True
        self.is_open = False

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in dir(self):
            if name.startswith(("gpio_", "gpiochip_", "tx_")) or name == "callback":
                monkeypatch.setattr(lgpio, name, getattr(self, name))

    def drive(self, gpio: int, level: int) -> None:
        """What a wire does from outside; a level that holds for the debounce time is told."""
        line = self.lines[gpio]
        before, line.level = line.level, level
        wanted = lgpio.RISING_EDGE if level else lgpio.FALLING_EDGE
        if before != level and line.use & _ALERT and line.edges & wanted:
            for callback in tuple(line.callbacks):
                callback(HANDLE, gpio, level, time.monotonic_ns())

    def gpiochip_open(self, number: int) -> int:
        if not self.is_permitted:
            raise lgpio.error("can not open gpiochip")
        self.is_open = True
        return HANDLE

    def gpiochip_close(self, handle: int) -> int:
        self.is_open = False
        return 0

    def gpio_get_chip_info(self, handle: int) -> list[Any]:
        return [0, len(self.lines), "gpiochip0", "pinctrl-bcm2711"]

    def gpio_get_mode(self, handle: int, gpio: int) -> int:
        line = self.lines[gpio]
        return line.use | line.pull | (_KERNEL_OUTPUT if line.use & _OUTPUT else 0) | line.edges << 17

    def gpio_claim_input(self, handle: int, gpio: int, flags: int = 0) -> int:
        line = self._free(gpio)
        line.use, line.pull, line.edges = _INPUT, flags, 0
        if flags == lgpio.SET_PULL_UP:
            line.level = 1
        return 0

    def gpio_claim_output(self, handle: int, gpio: int, level: int = 0, flags: int = 0) -> int:
        line = self._free(gpio)
        line.use, line.level = _OUTPUT, int(level)
        return 0

    def gpio_claim_alert(self, handle: int, gpio: int, edges: int, flags: int = 0) -> int:
        line = self._free(gpio)
        line.use, line.edges, line.pull = _ALERT, edges, flags
        return 0

    def gpio_set_debounce_micros(self, handle: int, gpio: int, micros: int) -> int:
        self._claimed(gpio, _ALERT).debounce = micros / 1e6
        return 0

    def gpio_free(self, handle: int, gpio: int) -> int:
        self._claimed(gpio, _INPUT | _OUTPUT | _ALERT).use = 0
        return 0

    def gpio_read(self, handle: int, gpio: int) -> int:
        # An unclaimed line is claimed by reading it.
        if not self.lines[gpio].use:
            self.gpio_claim_input(handle, gpio)
        return self.lines[gpio].level

    def gpio_write(self, handle: int, gpio: int, level: int) -> int:
        self._claimed(gpio, _OUTPUT).level = int(level)
        return 0

    def tx_pwm(self, handle: int, gpio: int, frequency: float, duty: float, *_: int) -> int:
        line = self._claimed(gpio, _OUTPUT)
        line.pwm = (frequency, duty) if frequency else None
        return 0

    def callback(self, handle: int, gpio: int, edge: int = 1, func: Any = None) -> Any:
        callbacks = self.lines[gpio].callbacks
        callbacks.append(func)
        return _Callback(lambda: callbacks.remove(func))

    def _free(self, gpio: int) -> Line:
        if gpio in self.taken:
            raise lgpio.error("GPIO busy")
        return self.lines[gpio]

    def _claimed(self, gpio: int, use: int) -> Line:
        line = self.lines[gpio]
        if not line.use & use:
            raise lgpio.error("GPIO not allocated")
        return line


@dataclass(frozen=True, slots=True)
class _Callback:
    cancel: Callable[[], None]
