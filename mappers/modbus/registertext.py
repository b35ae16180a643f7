"""Registers as a person writes them: ``holding:0=215,1=180 coil:0=1``, or one such part a line with ``#`` comments. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping

from mappers.modbus.registers import Table
from mappers.sdk.errors import SettingError

TABLES: Mapping[str, Table] = {"holding": Table.HOLDING, "input": Table.INPUT, "coil": Table.COIL, "discrete": Table.DISCRETE}

_PART = re.compile(r"(?:([a-z]+):)?([0-9]{1,5})=([0-9]{1,5})")


def parse_registers(text: str, *, key: str, size: int) -> dict[Table, dict[int, int]]:
    """``key`` is what errors name; ``size`` is how many registers a table has. Raises SettingError."""
    found: dict[Table, dict[int, int]] = {}
    table: Table | None = None
    for word in _words(text):
        match = _PART.fullmatch(word)
        if match is None:
            raise SettingError(key, f"expected TABLE:REGISTER=VALUE such as holding:0=215, got {word[:60]!r}")
        name, register, value = match[1], int(match[2]), int(match[3])
        table = table_of(name, key=key) if name else table
        if table is None:
            raise SettingError(key, f"{word!r} does not name a table ({', '.join(TABLES)})")
        if register >= size:
            raise SettingError(key, f"register {register} is more than {size - 1}")
        check_value(table, value, key=key)
        found.setdefault(table, {})[register] = value
    return found


def table_of(name: str, *, key: str) -> Table:
    """Raises SettingError."""
    if name not in TABLES:
        raise SettingError(key, f"expected {', '.join(TABLES)}, got {name!r}")
    return TABLES[name]


def check_value(table: Table, value: int, *, key: str) -> None:
    """Raises SettingError when a register of ``table`` cannot hold ``value``."""
    most = 1 if table.is_bits else 65535
    if not 0 <= value <= most:
        raise SettingError(key, f"expected a value of 0 to {most}, got {value}")


def _words(text: str) -> list[str]:
    lines = (line.partition("#")[0] for line in text.splitlines())
    return [word for line in lines for word in re.split(r"[,\s]+", line) if word]
