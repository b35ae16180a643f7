"""The door to pymodbus as a master: one connection to one line. pymodbus 3.6 to 3.16 name some things differently.

After any failure the connection is thrown away: a late answer to a question that was given up can then never be taken for the next one's.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Sequence
from typing import Any

from pymodbus.client import ModbusSerialClient, ModbusTcpClient
from pymodbus.exceptions import ModbusException

from mappers.modbus.address import Line, TcpLine
from mappers.modbus.registers import Table
from mappers.sdk.errors import DeviceAway, DeviceRefused

TIMEOUT = 1.0
"""Seconds for a connection and for each answer."""

# It reports at error level what is told to us as well, for a device that is merely switched off.
logging.getLogger("pymodbus").setLevel(logging.CRITICAL)

_UNIT_NAME = "device_id" if "device_id" in inspect.signature(ModbusTcpClient.read_coils).parameters else "slave"

_EXCEPTIONS = {
    1: "illegal function: it cannot do this with this kind of register",
    2: "illegal data address: it has no such register",
    3: "illegal data value",
    4: "device failure",
    5: "it needs longer (acknowledge)",
    6: "busy",
    8: "memory parity error",
}
_NOT_THERE = {10: "the gateway has no path to it", 11: "the gateway got no answer from it"}
"""Exceptions that a gateway says in the place of a device that does not answer."""


class ModbusLink:
    """One line. Not for two threads at once."""

    def __init__(self, line: Line, *, timeout: float = TIMEOUT) -> None:
        self._line = line
        self._timeout = timeout
        self._client: Any = None

    def connect(self) -> None:
        """Raises DeviceAway."""
        if self._client is not None:
            return
        client = self._made()
        try:
            connected = client.connect()
        except Exception as exc:
            # pymodbus lets through what pyserial and termios raise, which is of many kinds.
            raise DeviceAway(f"{self._line.name} cannot be reached: {exc}") from exc
        if not connected:
            client.close()
            raise DeviceAway(f"{self._line.name} cannot be reached")
        self._client = client

    def read(self, table: Table, offset: int, count: int, *, unit: int) -> list[int]:
        """``count`` registers, 0 or 1 each for coils and discrete inputs. Raises DeviceAway, DeviceRefused."""
        self.connect()
        client = self._client
        readers: dict[Table, Callable[..., Any]] = {
            Table.COIL: client.read_coils,
            Table.DISCRETE: client.read_discrete_inputs,
            Table.INPUT: client.read_input_registers,
            Table.HOLDING: client.read_holding_registers,
        }
        answer = self._asked(unit, lambda: readers[table](offset, count=count, **{_UNIT_NAME: unit}))
        found = getattr(answer, "bits" if table.is_bits else "registers", None)
        if not found or len(found) < count:
            raise DeviceRefused(f"unit {unit} answered with {len(found or ())} registers, {count} were asked for")
        return [int(item) for item in found[:count]]

    def write(self, table: Table, offset: int, values: Sequence[int], *, unit: int) -> None:
        """One register by function 5 or 6, several by 15 or 16. Raises DeviceAway, DeviceRefused."""
        self.connect()
        client, where = self._client, {_UNIT_NAME: unit}
        if table is Table.COIL and len(values) == 1:
            self._asked(unit, lambda: client.write_coil(offset, bool(values[0]), **where))
        elif table is Table.COIL:
            self._asked(unit, lambda: client.write_coils(offset, [bool(value) for value in values], **where))
        elif len(values) == 1:
            self._asked(unit, lambda: client.write_register(offset, values[0], **where))
        else:
            self._asked(unit, lambda: client.write_registers(offset, list(values), **where))

    def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            client.close()

    def _made(self) -> Any:
        line = self._line
        if isinstance(line, TcpLine):
            return ModbusTcpClient(line.host, port=line.port, timeout=self._timeout, retries=0)
        return ModbusSerialClient(
            line.port,
            baudrate=line.baud_rate,
            bytesize=line.data_bits,
            parity=line.parity,
            stopbits=line.stop_bits,
            timeout=self._timeout,
            retries=0,
        )

    def _asked(self, unit: int, ask: Callable[[], Any]) -> Any:
        try:
            answer = ask()
        except Exception as exc:
            # An answer of garbage makes pymodbus fail in many ways (struct.error, IndexError …), not only with its own.
            self.close()
            raise DeviceAway(f"unit {unit} on {self._line.name} does not answer: {exc}") from exc
        if isinstance(answer, ModbusException):
            # pymodbus before 3.7 hands the failure back.
            self.close()
            raise DeviceAway(f"unit {unit} on {self._line.name} does not answer: {answer}")
        if answer.isError():
            raise self._refusal(unit, int(getattr(answer, "exception_code", 0)))
        return answer

    def _refusal(self, unit: int, code: int) -> DeviceAway | DeviceRefused:
        if code in _NOT_THERE:
            return DeviceAway(f"unit {unit} on {self._line.name}: {_NOT_THERE[code]}")
        return DeviceRefused(f"unit {unit} on {self._line.name} refused: {_EXCEPTIONS.get(code, f'exception {code}')}")
