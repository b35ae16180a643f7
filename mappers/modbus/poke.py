"""``python -m mappers.modbus.poke HOST:PORT TABLE REGISTER [VALUE]``: read a register of any Modbus TCP device, or write it first.

Prints ``holding 0 = 215``.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from mappers.modbus.address import TcpLine
from mappers.modbus.link import ModbusLink
from mappers.modbus.registers import MAX_ADDRESS, Table
from mappers.modbus.registertext import TABLES, check_value, table_of
from mappers.sdk.errors import MapperError, SettingError


def main(arguments: Sequence[str] | None = None) -> int:
    """0; 1 when the device does not answer or refuses; 2 for wrong arguments."""
    parser = _parser()
    given = parser.parse_args(arguments)
    try:
        line, table = _line(given.device), table_of(given.table, key="TABLE")
        _check(table, given.register, given.value)
    except SettingError as exc:
        parser.error(str(exc))
    link = ModbusLink(line)
    try:
        if given.value is not None:
            link.write(table, given.register, [given.value], unit=given.unit)
        held = link.read(table, given.register, 1, unit=given.unit)[0]
    except MapperError as exc:
        sys.stderr.write(f"{exc}\n")
        return 1
    finally:
        link.close()
    sys.stdout.write(f"{given.table} {given.register} = {held}\n")
    return 0


def _line(text: str) -> TcpLine:
    host, colon, port = text.rpartition(":")
    if not colon or not host or not port.isascii() or not port.isdigit() or not 0 < int(port) < 65536:
        raise SettingError("HOST:PORT", f"expected something like 127.0.0.1:5020, got {text[:80]!r}")
    return TcpLine(host.strip("[]"), int(port))


def _check(table: Table, register: int, value: int | None) -> None:
    if not 0 <= register <= MAX_ADDRESS:
        raise SettingError("REGISTER", f"expected 0 to {MAX_ADDRESS}, got {register}")
    if value is None:
        return
    if not table.is_writable:
        raise SettingError("VALUE", "only holding and coil registers can be written")
    check_value(table, value, key="VALUE")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m mappers.modbus.poke", description="Read or write one register of a Modbus TCP device.")
    parser.add_argument("device", metavar="HOST:PORT")
    parser.add_argument("table", metavar="TABLE", help=", ".join(TABLES))
    parser.add_argument("register", metavar="REGISTER", type=int, help="counted from 0")
    parser.add_argument("value", metavar="VALUE", type=int, nargs="?", help="write this first")
    parser.add_argument("--unit", type=int, default=1, choices=range(256), metavar="UNIT", help="unit (slave) number, default 1")
    return parser


if __name__ == "__main__":
    sys.exit(main())
