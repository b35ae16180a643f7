"""The door to the module ``RPi.GPIO``: of ``rpi-lgpio`` (Raspberry Pi 5, new kernels) or of ``RPi.GPIO`` itself (older ones).

They differ in debouncing: RPi.GPIO reports the first edge and is deaf for that long, rpi-lgpio reports an edge when the level has held for
that long. The level is read at each edge and at each poll, so both end at the true one.
"""

from __future__ import annotations

import atexit
import logging
import os
import shutil
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mappers.gpio.pins import Edge, Pull
from mappers.sdk.errors import DeviceAway, MapperError

logger = logging.getLogger(__name__)

_REVISION = Path("/sys/firmware/devicetree/base/system/linux,revision")

_HINTS = {
    "busy": "another program has it",
    "edge detection": "RPi.GPIO cannot watch pins on this kernel: install rpi-lgpio in its place",
    "/dev/mem": "the mapper's user must be in the group gpio",
    "permission": "the mapper's user must be in the group gpio",
    "can not open gpiochip": "the mapper's user must be in the group gpio, and RPI_LGPIO_CHIP must name the right chip",
}


class RpiPins:
    """The pins of this board. RPi.GPIO is one for the whole process, so there is one of this, too."""

    def __init__(self) -> None:
        """Raises MapperError: there is no such module, or no such board."""
        self._gpio = _imported()
        self._pulls = {Pull.NONE: self._gpio.PUD_OFF, Pull.UP: self._gpio.PUD_UP, Pull.DOWN: self._gpio.PUD_DOWN}
        self._edges = {Edge.RISING: self._gpio.RISING, Edge.FALLING: self._gpio.FALLING, Edge.BOTH: self._gpio.BOTH}
        self._pwms: dict[int, Any] = {}
        # RPi.GPIO says nothing of threads, and keeps what it knows of pins in plain tables.
        self._lock = threading.Lock()
        self._is_ready = False

    def set_input(self, pin: int, pull: Pull) -> None:
        self._done(pin, lambda: self._gpio.setup(pin, self._gpio.IN, pull_up_down=self._pulls[pull]))

    def set_output(self, pin: int, level: bool | None) -> None:
        self._done(pin, lambda: self._gpio.setup(pin, self._gpio.OUT, **({} if level is None else {"initial": int(level)})))

    def read(self, pin: int) -> bool:
        return bool(self._done(pin, lambda: self._gpio.input(pin)))

    def write(self, pin: int, level: bool) -> None:
        self._done(pin, lambda: self._gpio.output(pin, int(level)))

    def watch(self, pin: int, edge: Edge, debounce_ms: int, seen: Callable[[], None]) -> None:
        bounce = {"bouncetime": debounce_ms} if debounce_ms else {}
        self._done(pin, lambda: self._gpio.add_event_detect(pin, self._edges[edge], callback=lambda channel: seen(), **bounce))

    def start_pwm(self, pin: int, frequency: float, percent: float) -> None:
        def start() -> None:
            self._gpio.setup(pin, self._gpio.OUT, initial=0)
            made = self._pwms[pin] = self._gpio.PWM(pin, frequency)
            made.start(percent)

        self._done(pin, start)

    def set_duty(self, pin: int, percent: float) -> None:
        self._done(pin, lambda: self._pwms[pin].ChangeDutyCycle(percent))

    def release(self, pin: int) -> None:
        with self._lock:
            self._end_pwm(pin)
            self._try(pin, lambda: self._gpio.remove_event_detect(pin))
            self._try(pin, lambda: self._gpio.cleanup(pin))

    def let_go(self, pin: int) -> None:
        """Nothing is done: what is not cleaned up keeps its level, also when the process ends (as far as the kernel lets it)."""

    def _done(self, pin: int, step: Callable[[], Any]) -> Any:
        try:
            with self._lock:
                self._make_ready()
                return step()
        except Exception as exc:
            # RuntimeError, ValueError, lgpio.error: what is refused comes in many kinds.
            raise DeviceAway(f"GPIO{pin}: {_said(exc)}") from exc

    def _make_ready(self) -> None:
        """Here, because the chip's file may get its permissions after a mapper that starts with the board."""
        if not self._is_ready:
            self._gpio.setwarnings(False)
            self._gpio.setmode(self._gpio.BCM)
            self._is_ready = True

    def _end_pwm(self, pin: int) -> None:
        """It must be gone before its pin is cleaned up: it writes once more when it is collected, and a pin has one at most."""
        pwm = self._pwms.pop(pin, None)
        if pwm is not None:
            self._try(pin, pwm.stop)

    def _try(self, pin: int, step: Callable[[], Any]) -> None:
        try:
            step()
        except Exception as exc:
            logger.debug("GPIO%d: %s", pin, exc)


def _imported() -> Any:
    _prepare(os.environ)
    try:
        # Here, because it looks for its board while it is imported.
        import RPi.GPIO as GPIO
    except ImportError as exc:
        raise MapperError(
            f"protocol 'gpio' needs the module RPi.GPIO: install python3-rpi-lgpio (or pip install rpi-lgpio): {exc}"
        ) from exc
    except Exception as exc:
        raise MapperError(f"the pins of this board cannot be used: {_said(exc)}") from exc
    return GPIO


def _prepare(environment: Any) -> None:
    """What lgpio and rpi-lgpio look for where a confined service may not: they write into the working directory and read all of /proc."""
    if "LG_WD" not in environment:
        # A folder of our own: what another user's program left in a shared one would stop it.
        folder = environment["LG_WD"] = tempfile.mkdtemp(prefix="bramble-gpio-")
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
    try:
        environment.setdefault("RPI_LGPIO_REVISION", _REVISION.read_bytes()[:4].hex())
    except OSError:
        # No Raspberry Pi, or one that says so elsewhere.
        pass


def _said(exc: Exception) -> str:
    said = str(exc).strip("'") or type(exc).__name__
    hint = next((hint for word, hint in _HINTS.items() if word in said.lower()), "")
    return f"{said} ({hint})" if hint else said
