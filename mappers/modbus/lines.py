"""Lines that devices share: one connection each, used by one device at a time, and what is known of the slaves on it."""

from __future__ import annotations

import os
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from mappers.modbus.address import Line, SerialLine
from mappers.modbus.breaker import Breaker
from mappers.modbus.link import ModbusLink
from mappers.sdk.errors import DeviceAway
from mappers.sdk.turns import Turns

PATIENCE = 30.0
"""Seconds that a device waits for its turn: as long as many others that do not answer may take."""

CONVOY_SECONDS = 0.5
"""For which a line that could not be reached is not tried by each of its devices in turn."""

_CLOSE_PATIENCE = 2.0


@dataclass(slots=True)
class SharedLine:
    """``units``: how many devices have it open, by the slave that they are on. ``trouble``: why it cannot be reached until that time."""

    line: Line
    link: ModbusLink
    turns: Turns = field(default_factory=Turns)
    breaker: Breaker = field(default_factory=Breaker)
    units: Counter[int] = field(default_factory=Counter)
    trouble: str = ""
    trouble_until: float = 0.0


class Lines:
    """The lines in use, by name: a TCP address or a serial port, whatever symbolic link it was named by."""

    def __init__(self, link_to: Callable[[Line], ModbusLink] = ModbusLink) -> None:
        self._link_to = link_to
        self._lock = threading.Lock()
        self._lines: dict[str, SharedLine] = {}

    def join(self, line: Line, unit: int) -> SharedLine:
        """Raises DeviceAway when another device uses the same line with other settings."""
        with self._lock:
            shared = self._lines.setdefault(_key(line), SharedLine(line, self._link_to(line)))
            if _settings(shared.line) != _settings(line):
                raise DeviceAway(f"{line.name} is in use with other settings: {shared.line}, not {line}")
            shared.units[unit] += 1
            shared.breaker.is_alone = len(shared.units) == 1
            return shared

    def leave(self, shared: SharedLine, unit: int) -> None:
        """The last one that leaves closes the connection."""
        with self._lock:
            shared.units[unit] -= 1
            if shared.units[unit] <= 0:
                del shared.units[unit]
            shared.breaker.is_alone = len(shared.units) == 1
            if shared.units:
                return
            self._lines = {key: kept for key, kept in self._lines.items() if kept is not shared}
        if shared.turns.take(_CLOSE_PATIENCE):
            try:
                shared.link.close()
            finally:
                shared.turns.give()


@contextmanager
def turn(shared: SharedLine) -> Iterator[ModbusLink]:
    """The connection, to oneself. Raises DeviceAway when others keep it for too long."""
    if not shared.turns.take(PATIENCE):
        raise DeviceAway(f"{shared.line.name} is busy with other devices for more than {PATIENCE:g} s")
    try:
        yield shared.link
    finally:
        shared.turns.give()


def _key(line: Line) -> str:
    return os.path.realpath(line.port) if isinstance(line, SerialLine) else line.name


def _settings(line: Line) -> object:
    return replace(line, port="") if isinstance(line, SerialLine) else line
