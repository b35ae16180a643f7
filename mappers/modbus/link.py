"""The door to pymodbus as a master: one connection to one line. pymodbus 3.6 to 3.16 name some things differently.

A late answer to a question that was given up must never be taken for the next one's. Newer pymodbus compares unit and transaction, and what
came meanwhile is thrown away before the next question; with older ones the connection is.
"""

from __future__ import annotations

import inspect
import logging
import time
from collections.abc import Callable, Sequence
from typing import Any

import pymodbus.framer
from pymodbus.client import ModbusSerialClient, ModbusTcpClient
from pymodbus.exceptions import ConnectionException, ModbusException

from mappers.modbus import ports
from mappers.modbus.address import RESPONSE_SECONDS, Framing, Line, SerialLine, TcpLine
from mappers.modbus.registers import Table
from mappers.sdk.errors import DeviceAway, DeviceRefused
from viaduct.faults import TIMEOUT

# It reports at error level what is told to us as well, for a device that is merely switched off.
logging.getLogger("pymodbus").setLevel(logging.CRITICAL)

_UNIT_NAME = "device_id" if "device_id" in inspect.signature(ModbusTcpClient.read_coils).parameters else "slave"

# Not typed: before 3.7 it has another name.
_FRAMERS: Any = pymodbus.framer
RTU_FRAMES = (getattr(_FRAMERS, "FramerType", None) or _FRAMERS.Framer).RTU

_EXCEPTIONS = {
    1: "illegal function: it cannot do this with this kind of register",
    2: "illegal data address: it has no such register",
    3: "illegal data value",
    4: "device failure",
    5: "it needs longer (acknowledge)",
    6: "busy",
    8: "memory parity error",
}
_READERS = {
    Table.COIL: "read_coils",
    Table.DISCRETE: "read_discrete_inputs",
    Table.INPUT: "read_input_registers",
    Table.HOLDING: "read_holding_registers",
}
_LATE = 0.9
"""Of the patience: a failure after that is silence, one before it is something else."""

_NOT_THERE = {10: "the gateway has no path to it", 11: "the gateway got no answer from it"}
"""Exceptions that a gateway says in the place of a device that does not answer."""


class Unreachable(DeviceAway):
    """The line itself: no connection, no such port."""


class Silent(DeviceAway):
    """The line is there, this slave did not answer."""

    usual = TIMEOUT


class Refusal(DeviceRefused):
    """``exception``: the number that the slave answered with."""

    def __init__(self, reason: str, exception: int) -> None:
        super().__init__(reason)
        self.exception = exception


class ModbusLink:
    """One line. Not for two threads at once."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self._client: Any = None

    def connect(self, patience: float = RESPONSE_SECONDS) -> None:
        """Raises Unreachable."""
        if self._client is not None:
            return
        client = self._made(patience)
        try:
            connected = client.connect()
        except Exception as exc:
            # pymodbus lets through what pyserial and termios raise, which is of many kinds.
            raise self._unreachable(str(exc)) from exc
        if not connected:
            client.close()
            raise self._unreachable("")
        self._client = client

    def read(self, table: Table, offset: int, count: int, *, unit: int, patience: float = RESPONSE_SECONDS) -> list[int]:
        """``count`` registers, 0 or 1 each for coils and discrete inputs. Raises Unreachable, Silent, DeviceRefused."""
        name = _READERS[table]
        answer = self._asked(unit, patience, lambda client: getattr(client, name)(offset, count=count, **{_UNIT_NAME: unit}))
        found = getattr(answer, "bits" if table.is_bits else "registers", None)
        if not found or len(found) < count:
            raise DeviceRefused(f"unit {unit} answered with {len(found or ())} registers, {count} were asked for")
        return [int(item) for item in found[:count]]

    def write(self, table: Table, offset: int, values: Sequence[int], *, unit: int, patience: float = RESPONSE_SECONDS) -> None:
        """One register by function 5 or 6, several by 15 or 16. Raises Unreachable, Silent, DeviceRefused."""
        given = [bool(value) for value in values] if table.is_bits else list(values)
        name = ("write_coil" if table.is_bits else "write_register") + ("s" if len(given) > 1 else "")
        what = given if len(given) > 1 else given[0]
        self._asked(unit, patience, lambda client: getattr(client, name)(offset, what, **{_UNIT_NAME: unit}))

    def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            client.close()

    def _made(self, patience: float) -> Any:
        line = self._line
        if isinstance(line, TcpLine):
            framer = {} if line.framing is Framing.TCP else {"framer": RTU_FRAMES}
            return ModbusTcpClient(line.host, port=line.port, timeout=patience, retries=0, **framer)
        return ModbusSerialClient(
            line.port,
            baudrate=line.baud_rate,
            bytesize=line.data_bits,
            parity=line.parity,
            stopbits=line.stop_bits,
            timeout=patience,
            retries=0,
        )

    def _unreachable(self, reason: str) -> Unreachable:
        reason = (ports.complaint(self._line) if isinstance(self._line, SerialLine) else "") or reason
        return Unreachable(f"{self._line.name} cannot be reached{': ' if reason else ''}{reason}")

    def _asked(self, unit: int, patience: float, ask: Callable[[Any], Any]) -> Any:
        client = self._ready(patience)
        asked_at = time.monotonic()
        try:
            answer = ask(client)
        except Exception as exc:
            # An answer of garbage makes pymodbus fail in many ways (struct.error, IndexError …), not only with its own.
            raise self._away(unit, exc, time.monotonic() - asked_at, patience) from exc
        if isinstance(answer, ModbusException):
            # pymodbus before 3.7 hands the failure back.
            raise self._away(unit, answer, time.monotonic() - asked_at, patience)
        if answer.isError():
            raise self._refusal(unit, int(getattr(answer, "exception_code", 0)))
        return answer

    def _ready(self, patience: float) -> Any:
        """The connection, without what came after it was given up; made anew where the other end closed it while nobody asked."""
        self.connect()
        if not _drained(self._client):
            self.close()
            self.connect()
        self._client.comm_params.timeout_connect = patience
        if isinstance(self._line, SerialLine):
            # pymodbus before 3.7 waits as long as the port was told when it was opened.
            self._client.socket.timeout = patience
        return self._client

    def _away(self, unit: int, fault: Exception, took: float, patience: float) -> DeviceAway:
        is_late = took >= _LATE * patience
        was_cut = isinstance(fault, ConnectionException | OSError)
        if was_cut or not is_late or not _tells_answers_apart(self._client):
            self.close()
        if was_cut:
            return Unreachable(f"{self._line.name} broke off: {fault}")
        return Silent(f"unit {unit} on {self._line.name} does not answer{f' within {patience:.2g} s' if is_late else f': {fault}'}")

    def _refusal(self, unit: int, code: int) -> DeviceAway | DeviceRefused:
        if code in _NOT_THERE:
            return Silent(f"unit {unit} on {self._line.name}: {_NOT_THERE[code]}")
        return Refusal(f"unit {unit} on {self._line.name} refused: {_EXCEPTIONS.get(code, f'exception {code}')}", code)


def _tells_answers_apart(client: Any) -> bool:
    framer = getattr(getattr(client, "transaction", None), "framer", None)
    handle = getattr(framer, "handleFrame", None)
    return handle is not None and {"exp_devid", "exp_tid"} <= set(inspect.signature(handle).parameters)


def _drained(client: Any) -> bool:
    """False when the other end closed the connection. A serial client does that before each question by itself."""
    connection = getattr(client, "socket", None)
    if not isinstance(client, ModbusTcpClient) or connection is None:
        return True
    try:
        connection.setblocking(False)
        while connection.recv(4096):
            pass
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False
