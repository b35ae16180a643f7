"""``bramble-mapper serial --simulate``: an oven that is asked and a position receiver that talks, on pseudo-terminals of this process.

The driver and pyserial are the real ones; only what is at the other end of the line is made up.
"""

from __future__ import annotations

import os
import random
import select
import threading
import time
import tty
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from mappers.sdk import madeup
from mappers.sdk.driver import Family, Simulation
from mappers.sdk.madeup import READ, WRITE, Described
from mappers.serialport.address import PROTOCOL
from mappers.serialport.lines import LineSplitter
from mappers.serialport.nmea import checksum

OVEN = "simulated-oven"
RECEIVER = "simulated-receiver"

BEAT_SECONDS = 1.0

_MOST_BYTES = 4096


class Line:
    """One end of a line; ``path`` is the other. ``answer`` makes of a line what is said to it, ``beat`` what is said each second."""

    def __init__(self, answer: Callable[[bytes], bytes], beat: Callable[[], bytes] = lambda: b"") -> None:
        self._answer = answer
        self._beat = beat
        self._splitter = LineSplitter(b"\n")
        self._ours, self._theirs = os.openpty()
        # The other end is held open: without that, each close by a driver would end the line.
        tty.setraw(self._theirs)
        self.path = os.ttyname(self._theirs)
        os.set_blocking(self._ours, False)
        self._stop_read, self._stop_write = os.pipe()
        self._thread = threading.Thread(target=self._serve, name=f"simulated-{self.path}", daemon=True)
        self._thread.start()

    def __enter__(self) -> Line:
        return self

    def __exit__(self, *_: object) -> None:
        os.write(self._stop_write, b"x")
        self._thread.join()
        for descriptor in (self._ours, self._theirs, self._stop_read, self._stop_write):
            os.close(descriptor)

    def _serve(self) -> None:
        due = time.monotonic() + BEAT_SECONDS
        while True:
            ready, _, _ = select.select([self._ours, self._stop_read], [], [], max(0.0, due - time.monotonic()))
            if self._stop_read in ready:
                return
            if self._ours in ready:
                for line in self._splitter.feed(os.read(self._ours, _MOST_BYTES)):
                    self._say(self._answer(line))
            if time.monotonic() >= due:
                due += BEAT_SECONDS
                self._say(self._beat())

    def _say(self, data: bytes) -> None:
        try:
            os.write(self._ours, data)
        except BlockingIOError:
            # Nobody reads: as on a wire, what is not heard is lost.
            pass


class Oven:
    """Answers ``TEMP?``, ``SET?`` and ``HEAT?``, obeys ``SET x`` and ``HEAT ON|OFF``; says ``ERR`` to everything else."""

    def __init__(self) -> None:
        self.temperature = 21.5
        self.setpoint = 180.0
        self.is_heating = False

    def answer(self, line: bytes) -> bytes:
        word, _, value = line.decode("ascii", "replace").partition(" ")
        match word:
            case "TEMP?":
                return b"TEMP=%.1f C\r\n" % self._drifted()
            case "SET?":
                return b"SET=%.1f C\r\n" % self.setpoint
            case "HEAT?":
                return b"HEAT=ON\r\n" if self.is_heating else b"HEAT=OFF\r\n"
            case "SET" if value.replace(".", "", 1).isdigit():
                self.setpoint = float(value)
                return b"OK\r\n"
            case "HEAT" if value in ("ON", "OFF"):
                self.is_heating = value == "ON"
                return b"OK\r\n"
            case _:
                return b"ERR\r\n"

    def _drifted(self) -> float:
        goal = self.setpoint if self.is_heating else 21.5
        self.temperature += (goal - self.temperature) / 20 + random.uniform(-0.1, 0.1)
        return self.temperature


class Receiver:
    """Somewhere on the river Spree, drifting."""

    def __init__(self) -> None:
        self._minutes = 31.1370

    def beat(self) -> bytes:
        self._minutes += random.uniform(-0.001, 0.001)
        now = time.gmtime()
        clock, date = time.strftime("%H%M%S.00", now), time.strftime("%d%m%y", now)
        place = f"52{self._minutes:07.4f},N,01323.7020,E"
        return sentence(f"GPRMC,{clock},A,{place},1.2,271.5,{date},,,A") + sentence(f"GPGGA,{clock},{place},1,08,1.1,34.0,M,44.9,M,,")


def sentence(body: str) -> bytes:
    """With its dollar, its checksum and its end."""
    return f"${body}*{checksum(body.encode()):02X}\r\n".encode()


@contextmanager
def instruments(family: Callable[[], Family]) -> Iterator[Simulation]:
    with ExitStack() as stack:
        oven = stack.enter_context(Line(Oven().answer))
        receiver = stack.enter_context(Line(lambda line: b"", Receiver().beat))
        yield Simulation(family(), profile(oven.path, receiver.path))


def profile(oven: str, receiver: str) -> bytes:
    number, text = {"dataType": "float"}, {"dataType": "string"}
    switch = {"on": "ON", "off": "OFF"}
    baked: Described = {
        "temperature": ({**number, **READ}, {"send": "TEMP?", "pattern": "TEMP={value} C"}),
        "setpoint": (
            {**number, **WRITE, "minimum": 20, "maximum": 250},
            {"send": "SET?", "pattern": "SET={value} C", "write": "SET {value}", "acknowledge": "OK"},
        ),
        "heating": (
            {**text, **WRITE},
            {"send": "HEAT?", "pattern": "HEAT={value}", "write": "HEAT {value}", "acknowledge": "OK", "values": switch},
        ),
    }
    positioned: dict[str, Any] = {name: ({**number, **READ}, {"quantity": name}) for name in ("latitude", "longitude", "altitude", "speed")}
    return madeup.profile(
        PROTOCOL,
        {
            OVEN: ({"serialPort": oven, "baudRate": 9600}, baked),
            RECEIVER: ({"serialPort": receiver, "format": "nmea"}, positioned | {"time": ({**text, **READ}, {"quantity": "time"})}),
        },
    )
