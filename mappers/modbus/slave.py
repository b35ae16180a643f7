"""The door to pymodbus as a slave: what the simulator is made of. pymodbus 3.6 to 3.16 name some things differently."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Mapping
from typing import Any

import pymodbus.datastore
import pymodbus.exceptions
import pymodbus.server

from mappers.modbus.address import Framing
from mappers.modbus.link import RTU_FRAMES
from mappers.modbus.registers import Table
from mappers.sdk.errors import MapperError

REGISTERS = 112
"""Registers of each table; a multiple of 16, because newer pymodbus keeps coils in words."""

_START_LIMIT = 5.0
_READ_CODES = {Table.COIL: 1, Table.DISCRETE: 2, Table.HOLDING: 3, Table.INPUT: 4}
_BLOCKS = {Table.COIL: "co", Table.DISCRETE: "di", Table.HOLDING: "hr", Table.INPUT: "ir"}
# Not typed: each release has other signatures, and types must not depend on which is installed.
_DATASTORE: Any = pymodbus.datastore
_EXCEPTIONS: Any = pymodbus.exceptions
_SERVER: Any = pymodbus.server
_ABSENT: type[Exception] = getattr(_EXCEPTIONS, "NoSuchIdException", None) or _EXCEPTIONS.NoSuchSlaveException
_DEVICE: Any = getattr(_DATASTORE, "ModbusDeviceContext", None) or _DATASTORE.ModbusSlaveContext

# It warns of names that only its newest releases have a successor for.
logging.getLogger("pymodbus").setLevel(logging.CRITICAL)


class SlaveError(MapperError):
    """The port or line cannot be served."""


Registers = Mapping[Table, Mapping[int, int]]


class Slave:
    """One simulated device; ``unit`` 0 answers whatever unit is asked, another is silent for all others."""

    def __init__(self, registers: Registers, *, unit: int = 0) -> None:
        self._unit = unit
        blocks = {_BLOCKS[table]: _block(table, registers.get(table, {})) for table in Table}
        device = _DEVICE(**blocks)
        self._context = _DATASTORE.ModbusServerContext({unit: device} if unit else device, single=not unit)
        self._server: Any = None
        self._serving: asyncio.Task[None] | None = None

    async def serve_tcp(self, host: str, port: int, framing: Framing = Framing.TCP) -> int:
        """The port that it listens on. Raises SlaveError."""
        framer = {"framer": RTU_FRAMES} if framing is Framing.RTU else {}
        self._server = _SERVER.ModbusTcpServer(self._context, address=(host, port), **framer, **_silence(_SERVER.ModbusTcpServer))
        await self._start(f"{host}:{port}")
        return int(self._server.transport.sockets[0].getsockname()[1])

    async def serve_serial(self, tty: str, *, baud_rate: int) -> None:
        """RTU, 8N1. Raises SlaveError."""
        self._server = _SERVER.ModbusSerialServer(
            self._context, port=tty, baudrate=baud_rate, bytesize=8, parity="N", stopbits=1, **_silence(_SERVER.ModbusSerialServer)
        )
        await self._start(tty)

    async def read(self, table: Table, register: int) -> int:
        code = _READ_CODES[table]
        if hasattr(self._server, "async_getValues"):
            return int((await self._server.async_getValues(self._unit, code, register, 1))[0])
        return int(self._context[self._unit].getValues(code, register, 1)[0])

    async def write(self, table: Table, register: int, value: int) -> None:
        code = _READ_CODES[table]
        if hasattr(self._server, "async_setValues"):
            await self._server.async_setValues(self._unit, code, register, [bool(value) if table.is_bits else value])
        else:
            self._context[self._unit].setValues(code, register, [value])

    async def stop(self) -> None:
        if self._server is not None:
            await self._server.shutdown()
        if self._serving is not None:
            await asyncio.wait([self._serving], timeout=1.0)

    async def _start(self, where: str) -> None:
        context = self._server.context
        if self._unit and hasattr(context, "async_getValues"):
            self._server.context = _OneUnit(context, self._unit)
        self._serving = asyncio.create_task(self._server.serve_forever())
        deadline = asyncio.get_running_loop().time() + _START_LIMIT
        while self._server.transport is None:
            if self._serving.done() or asyncio.get_running_loop().time() > deadline:
                self._serving.cancel()
                raise SlaveError(f"{where} cannot be served: is it in use, or does it not exist?") from _reason(self._serving)
            await asyncio.sleep(0.01)


class _OneUnit:
    """Newer pymodbus answers for units that are not there with a failure: here they are not there, so nobody answers."""

    def __init__(self, inner: Any, unit: int) -> None:
        self._inner = inner
        self._unit = unit

    def device_ids(self) -> list[int]:
        return [self._unit]

    async def async_getValues(self, unit: int, *arguments: Any) -> Any:
        return await self._of(unit).async_getValues(unit, *arguments)

    async def async_setValues(self, unit: int, *arguments: Any) -> Any:
        return await self._of(unit).async_setValues(unit, *arguments)

    def _of(self, unit: int) -> Any:
        if unit != self._unit:
            raise _ABSENT(f"unit {unit}")
        return self._inner


def _silence(server: Any) -> dict[str, bool]:
    """The option that keeps a server silent for units that are not there; an older serial server takes it without naming it."""
    names = inspect.signature(server.__init__).parameters
    return {"ignore_missing_devices" if "ignore_missing_devices" in names else "ignore_missing_slaves": True}


def _block(table: Table, values: Mapping[int, int]) -> Any:
    # Blocks count from 1, as the numbers in manuals do; requests count from 0.
    held = [values.get(register, 0) for register in range(REGISTERS)]
    return _DATASTORE.ModbusSequentialDataBlock(1, [bool(value) for value in held] if table.is_bits else held)


def _reason(task: asyncio.Task[None]) -> BaseException | None:
    return task.exception() if task.done() and not task.cancelled() else None
