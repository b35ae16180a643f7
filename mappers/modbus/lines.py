"""Lines that devices share: one connection each, used by one device at a time."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from mappers.modbus.address import Line
from mappers.modbus.link import ModbusLink
from mappers.sdk.errors import DeviceAway

PATIENCE = 30.0
"""Seconds that a device waits for its turn: as long as many others that do not answer may take."""

_CLOSE_PATIENCE = 2.0


class Turns:
    """A lock that goes to who waited longest. With Python's own, a device that reads many registers in a row would starve others."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: deque[threading.Event] = deque()
        self._is_taken = False

    def take(self, patience: float) -> bool:
        """Whether it is one's turn within ``patience`` seconds; then ``give`` it on."""
        with self._lock:
            if not self._is_taken:
                self._is_taken = True
                return True
            mine = threading.Event()
            self._waiting.append(mine)
        if mine.wait(patience):
            return True
        with self._lock:
            if mine.is_set():
                return True
            self._waiting.remove(mine)
            return False

    def give(self) -> None:
        with self._lock:
            if self._waiting:
                self._waiting.popleft().set()
            else:
                self._is_taken = False


@dataclass(slots=True)
class SharedLine:
    """``users``: devices that have it open."""

    link: ModbusLink
    turns: Turns = field(default_factory=Turns)
    users: int = 0


class Lines:
    """The lines in use, by name: a TCP address or a serial port."""

    def __init__(self, link_to: Callable[[Line], ModbusLink] = ModbusLink) -> None:
        self._link_to = link_to
        self._lock = threading.Lock()
        self._lines: dict[str, tuple[Line, SharedLine]] = {}

    def join(self, line: Line) -> SharedLine:
        """Raises DeviceAway when another device uses the same serial port with other settings."""
        with self._lock:
            known, shared = self._lines.get(line.name, (line, None))
            if shared is None:
                shared = SharedLine(self._link_to(line))
            elif known != line:
                raise DeviceAway(f"{line.name} is in use with other settings: {known}")
            shared.users += 1
            self._lines[line.name] = (line, shared)
            return shared

    def leave(self, line: Line, shared: SharedLine) -> None:
        """The last one that leaves closes the connection."""
        with self._lock:
            shared.users -= 1
            if shared.users > 0:
                return
            self._lines.pop(line.name, None)
        if shared.turns.take(_CLOSE_PATIENCE):
            try:
                shared.link.close()
            finally:
                shared.turns.give()


@contextmanager
def turn(line: Line, shared: SharedLine) -> Iterator[ModbusLink]:
    """The connection, to oneself. Raises DeviceAway when others keep it for too long."""
    if not shared.turns.take(PATIENCE):
        raise DeviceAway(f"{line.name} is busy with other devices for more than {PATIENCE:g} s")
    try:
        yield shared.link
    finally:
        shared.turns.give()
