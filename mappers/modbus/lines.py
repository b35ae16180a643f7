"""Lines that devices share: one connection each, used by one device at a time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from mappers.modbus.address import Line
from mappers.modbus.link import ModbusLink
from mappers.sdk.errors import DeviceAway

PATIENCE = 5.0
"""Seconds that a device waits for its turn: as long as a few others that do not answer may take."""


@dataclass(slots=True)
class SharedLine:
    """``users``: devices that have it open."""

    link: ModbusLink
    turn: threading.Lock = field(default_factory=threading.Lock)
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
        if shared.turn.acquire(timeout=PATIENCE):
            try:
                shared.link.close()
            finally:
                shared.turn.release()


@contextmanager
def turn(line: Line, shared: SharedLine) -> Iterator[ModbusLink]:
    """The connection, to oneself. Raises DeviceAway when others keep it for too long."""
    if not shared.turn.acquire(timeout=PATIENCE):
        raise DeviceAway(f"{line.name} is busy with other devices for more than {PATIENCE:g} s")
    try:
        yield shared.link
    finally:
        shared.turn.release()
