"""``bramble-modbus-simulator``: a thermometer that speaks Modbus TCP or RTU, for people without one and for tests.

Holding 0 is the temperature in tenths of a degree, which drifts towards the setpoint in holding 1; coil 0 is a fan; input 0 is the
humidity in tenths of a percent. Any Modbus master can read and change it, ``python -m mappers.modbus.poke`` is one.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from mappers.modbus.address import Framing
from mappers.modbus.registers import Table
from mappers.modbus.registertext import parse_registers
from mappers.modbus.slave import REGISTERS, Slave, SlaveError
from mappers.sdk.errors import SettingError

THERMOMETER = "holding:0=215,1=180 input:0=473 coil:0=0"

_DRIFT_SECONDS = 2.0
_MAX_FILE_BYTES = 1024 * 1024


def main(arguments: Sequence[str] | None = None) -> int:
    """0 after SIGTERM or Ctrl-C, 1 when the port or line cannot be served, 2 for wrong flags."""
    parser = _parser()
    flags = parser.parse_args(arguments)
    try:
        registers = parse_registers(_text(flags.registers), key="--registers", size=REGISTERS)
    except SettingError as exc:
        parser.error(str(exc))
    try:
        asyncio.run(_serve(flags, Slave(registers, unit=flags.unit)))
    except SlaveError as exc:
        sys.stderr.write(f"{exc}\n")
        return 1
    return 0


def drifted(temperature: int, setpoint: int, chance: float) -> int:
    """The next temperature: mostly one tenth nearer to the setpoint, sometimes away from it. ``chance``: 0 to 1."""
    nearer = (setpoint > temperature) - (setpoint < temperature)
    step = nearer if nearer and chance < 0.7 else (1 if chance > 0.85 else -1)
    return min(max(temperature + step, 0), 65535)


async def _serve(flags: argparse.Namespace, slave: Slave) -> None:
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    if flags.serial:
        await slave.serve_serial(flags.serial, baud_rate=flags.baud)
        where = flags.serial
    else:
        where = f"{flags.host}:{await slave.serve_tcp(flags.host, flags.port, Framing(flags.framing))}"
    sys.stdout.write(f"listening on {where}\n")
    sys.stdout.flush()
    drift = None if flags.still else asyncio.create_task(_drift(slave))
    await ended.wait()
    if drift is not None:
        drift.cancel()
    await slave.stop()


async def _drift(slave: Slave) -> None:
    while True:
        await asyncio.sleep(_DRIFT_SECONDS)
        temperature, setpoint = await slave.read(Table.HOLDING, 0), await slave.read(Table.HOLDING, 1)
        await slave.write(Table.HOLDING, 0, drifted(temperature, setpoint, random.random()))


def _text(given: str) -> str:
    """Contents of the file of that name, where there is one, else what was given."""
    path = Path(given)
    if "=" in given and not path.is_file():
        return given
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_FILE_BYTES + 1)
        if len(data) > _MAX_FILE_BYTES:
            raise SettingError("--registers", f"{given} is larger than {_MAX_FILE_BYTES} bytes")
        return data.decode("utf-8")
    except (OSError, ValueError) as exc:
        raise SettingError("--registers", f"{given[:200]!r} is neither TABLE:REGISTER=VALUE nor a text file: {exc}") from exc


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="bramble-modbus-simulator", description="A simulated Modbus thermometer.")
    line = parser.add_mutually_exclusive_group()
    line.add_argument("--port", type=_port, default=5020, help="TCP port; 0 lets the system choose (default 5020)")
    line.add_argument("--serial", metavar="TTY", help="serve RTU on this serial port instead of TCP")
    parser.add_argument("--framing", choices=list(Framing), default=Framing.TCP, help="rtu: RTU frames over TCP (default tcp)")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default 127.0.0.1)")
    parser.add_argument("--baud", type=_positive, default=9600, help="baud rate of the serial port, 8N1 (default 9600)")
    parser.add_argument("--unit", type=_unit, default=0, help="answer only for this unit (default: for every one)")
    parser.add_argument(
        "--registers", default=THERMOMETER, help=f"file, or text such as 'holding:0=215,1=180 coil:0=1' (default: {THERMOMETER})"
    )
    parser.add_argument("--still", action="store_true", help="let the temperature be; else it drifts towards the setpoint")
    return parser


def _bounded(text: str, least: int, most: int) -> int:
    if not text.isascii() or not text.isdigit() or not least <= int(text) <= most:
        raise argparse.ArgumentTypeError(f"expected {least} to {most}, got {text[:40]!r}")
    return int(text)


def _port(text: str) -> int:
    return _bounded(text, 0, 65535)


def _unit(text: str) -> int:
    return _bounded(text, 0, 247)


def _positive(text: str) -> int:
    return _bounded(text, 50, 4_000_000)


if __name__ == "__main__":
    sys.exit(main())
