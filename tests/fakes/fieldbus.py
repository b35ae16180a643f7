"""Modbus slaves of other makers: modbus-tk on a serial bus that socat makes of two pseudo terminals, pyModbusTCP on TCP.

What they were asked, and when, is noted on their side.
"""

from __future__ import annotations

import logging
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import modbus_tk.defines as tk
import serial
from modbus_tk.modbus_rtu import RtuServer
from pyModbusTCP.server import DataBank, ModbusServer

logging.getLogger("modbus_tk").setLevel(logging.CRITICAL)

SOCAT = shutil.which("socat")
BLOCKS = {"coil": tk.COILS, "discrete": tk.DISCRETE_INPUTS, "input": tk.ANALOG_INPUTS, "holding": tk.HOLDING_REGISTERS}


@dataclass(frozen=True)
class Asked:
    """One question, in monotonic seconds. ``function`` as on the wire."""

    at: float
    unit: int
    function: int
    offset: int
    count: int


class Slaves(RtuServer):  # type: ignore[misc]
    """``silent``: units that hear and say nothing. ``delay``: seconds before each answer."""

    def __init__(self, port: str, baud_rate: int = 19200) -> None:
        super().__init__(serial.Serial(port, baudrate=baud_rate))
        self.asked: list[Asked] = []
        self.silent: set[int] = set()
        self.delay = 0.0

    def _handle(self, request: bytes) -> Any:
        self.asked.append(
            Asked(time.monotonic(), request[0], request[1], int.from_bytes(request[2:4], "big"), int.from_bytes(request[4:6], "big"))
        )
        if request[0] in self.silent:
            return b""
        time.sleep(self.delay)
        return super()._handle(request)

    def add(self, unit: int, table: str = "holding", start: int = 0, values: Sequence[int] = (0,)) -> None:
        """A block of registers: everything beyond it is an illegal address."""
        try:
            slave = self.get_slave(unit)
        except Exception:
            slave = self.add_slave(unit)
        name = f"{table}-{start}"
        slave.add_block(name, BLOCKS[table], start, len(values))
        slave.set_values(name, start, list(values))

    def held(self, unit: int, table: str, start: int, count: int = 1, *, block: int = 0) -> list[int]:
        return list(self.get_slave(unit).get_values(f"{table}-{block}", start, count))

    def times(self, unit: int, since: float = 0.0) -> list[float]:
        return [each.at for each in tuple(self.asked) if each.unit == unit and each.at >= since]


@contextmanager
def cable(folder: Path) -> Iterator[tuple[str, str]]:
    """Two serial ports joined back to back."""
    assert SOCAT is not None
    ends = folder / "master", folder / "slaves"
    process = subprocess.Popen([SOCAT, *(f"pty,raw,echo=0,link={end}" for end in ends)])
    try:
        _await(lambda: all(end.exists() for end in ends))
        yield str(ends[0]), str(ends[1])
    finally:
        process.terminate()
        process.wait(10)


@contextmanager
def serial_bus(folder: Path) -> Iterator[tuple[str, Slaves]]:
    """The master's port, and the slaves on the other end."""
    with cable(folder) as (master, other):
        slaves = Slaves(other)
        slaves.start()
        try:
            yield master, slaves
        finally:
            slaves.stop()


@contextmanager
def serial_device_server(port: str) -> Iterator[int]:
    """A box that passes TCP on to a serial port, as it is: RTU frames over TCP. Its TCP port."""
    assert SOCAT is not None
    with socket.create_server(("127.0.0.1", 0)) as found:
        number = int(found.getsockname()[1])
    process = subprocess.Popen([SOCAT, f"TCP-LISTEN:{number},bind=127.0.0.1,reuseaddr,fork,max-children=1", f"FILE:{port},raw,echo=0"])
    try:
        _await(lambda: _listens(number))
        yield number
    finally:
        process.terminate()
        process.wait(10)


class TcpSlave:
    """``bank`` holds its registers; ``changed`` gets (register, value, time) of each that a master changed."""

    def __init__(self, port: int = 0) -> None:
        self.changed: list[tuple[int, int, float]] = []
        self.news = threading.Condition()
        self.bank = _Bank(self)
        self.port = port or _free_port()
        self._server = ModbusServer("127.0.0.1", self.port, no_block=True, data_bank=self.bank)
        self._server.start()

    def stop(self) -> None:
        self._server.stop()


class _Bank(DataBank):  # type: ignore[misc]
    def __init__(self, slave: TcpSlave) -> None:
        super().__init__()
        self._slave = slave

    def on_holding_registers_change(self, address: int, from_value: int, to_value: int, srv_info: Any) -> None:
        with self._slave.news:
            self._slave.changed.append((address, to_value, time.perf_counter()))
            self._slave.news.notify_all()


def _listens(port: int) -> bool:
    listening = f":{port:04X} 00000000:0000 0A"
    return listening in Path("/proc/net/tcp").read_text()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


def _await(holds: Callable[[], bool], within: float = 10.0) -> None:
    deadline = time.monotonic() + within
    while not holds():
        if time.monotonic() > deadline:
            raise TimeoutError("did not come true in time")
        time.sleep(0.01)
