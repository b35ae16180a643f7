"""``visitorConfig`` of contract 5.2 to the registers that hold a property. Pure.

``offset`` is the first register and ``limit`` how many there are, as the CRD says; KubeEdge's own mapper read ``index`` and ``offset``.
``encoding`` and ``bit`` are ours (decision 0078): a profile without them means what it means to KubeEdge.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from mappers.modbus.encoding import Encoding
from mappers.sdk import fields
from mappers.sdk.errors import ProfileError
from mappers.sdk.profile import Property
from mappers.sdk.values import DataType

MAX_ADDRESS = 65535
_MAX_NUMBER = 4
"""Registers of a whole number: 16, 32, 48 or 64 bits."""

_MAX_COILS = 64
_MAX_TEXT = 123
"""Registers that one request can write."""

_SCALE_SPAN = Decimal(10) ** 12


class Table(StrEnum):
    """The four tables of a Modbus device, by the CRD's names."""

    COIL = "CoilRegister"
    DISCRETE = "DiscreteInputRegister"
    INPUT = "InputRegister"
    HOLDING = "HoldingRegister"

    @property
    def is_bits(self) -> bool:
        return self in (Table.COIL, Table.DISCRETE)

    @property
    def is_writable(self) -> bool:
        return self in (Table.COIL, Table.HOLDING)


@dataclass(frozen=True, slots=True)
class Visitor:
    """Where a property is and how its registers are to be read; ``scale`` is what one unit of the register is worth.

    ``bit``: the one of a 16-bit register that is meant, 0 the least significant; None: the whole register.
    """

    table: Table
    offset: int
    limit: int
    scale: Decimal = Decimal(1)
    is_swap: bool = False
    is_register_swap: bool = False
    encoding: Encoding | None = None
    bit: int | None = None


def visitor_of(wanted: Property) -> Visitor:
    """Raises ProfileError naming the part of ``visitorConfig`` at fault."""
    config, path = wanted.visitor, wanted.path
    table = _table(fields.required_text(config, "register", path), f"{path}.register")
    encoding, bit = _encoding(wanted, table), _bit(wanted, table)
    offset = fields.integer(config, "offset", path, least=0, most=MAX_ADDRESS)
    limit = _limit(wanted, table, encoding, bit)
    if offset + limit - 1 > MAX_ADDRESS:
        raise ProfileError(f"{path}.limit", f"{limit} registers from {offset} on end after {MAX_ADDRESS}")
    if wanted.writable and not table.is_writable:
        raise ProfileError(f"{path}.register", f"{table} cannot be written but accessMode is ReadWrite")
    swaps = fields.flag(config, "isSwap", path), fields.flag(config, "isRegisterSwap", path)
    return Visitor(table, offset, limit, _scale(wanted), *swaps, encoding, bit)


def _table(name: str, path: str) -> Table:
    try:
        return Table(name)
    except ValueError:
        raise ProfileError(path, f"expected {', '.join(Table)}, got {name!r}") from None


def _encoding(wanted: Property, table: Table) -> Encoding | None:
    name, path = fields.text(wanted.visitor, "encoding", wanted.path), f"{wanted.path}.encoding"
    if not name:
        return None
    if name not in tuple(Encoding):
        raise ProfileError(path, f"expected {', '.join(Encoding)}, got {name!r}")
    if table.is_bits:
        raise ProfileError(path, f"a {table} holds bits, not {name}")
    encoding = Encoding(name)
    fitting = (DataType.STRING,) if encoding is Encoding.TEXT else (DataType.INT, DataType.FLOAT)
    if wanted.data_type not in fitting:
        raise ProfileError(path, f"{name} is for a property of type {' or '.join(fitting)}, {wanted.name} is {wanted.data_type}")
    return encoding


def _bit(wanted: Property, table: Table) -> int | None:
    if wanted.visitor.get("bit") is None:
        return None
    bit, path = fields.integer(wanted.visitor, "bit", wanted.path, least=0, most=15), f"{wanted.path}.bit"
    if table.is_bits:
        raise ProfileError(path, f"a {table} is a bit; give its number as offset")
    if wanted.data_type not in (DataType.INT, DataType.BOOLEAN):
        raise ProfileError(path, f"a bit is for a property of type int or boolean, {wanted.name} is {wanted.data_type}")
    for key in ("encoding", "scale"):
        if wanted.visitor.get(key) not in (None, "", 0, 1):
            raise ProfileError(f"{wanted.path}.{key}", "a single bit has none")
    return bit


def _limit(wanted: Property, table: Table, encoding: Encoding | None, bit: int | None) -> int:
    path = wanted.path
    most = _most(wanted.data_type, table, path)
    limit = fields.integer(wanted.visitor, "limit", path, least=1, most=1 if bit is not None else most)
    if encoding is not None and encoding.registers not in (0, limit):
        raise ProfileError(f"{path}.limit", f"{encoding} takes {encoding.registers} of them, got {limit}")
    return limit


def _most(data_type: DataType, table: Table, path: str) -> int:
    if table.is_bits and data_type is DataType.STRING:
        raise ProfileError(f"{path}.register", f"text does not fit into a {table}")
    if data_type is DataType.BOOLEAN:
        return 1
    if table.is_bits:
        return _MAX_COILS
    return _MAX_TEXT if data_type is DataType.STRING else _MAX_NUMBER


def _scale(wanted: Property) -> Decimal:
    """1 where it is missing or 0: KubeEdge omits a zero, and nothing can be written through one."""
    found = Decimal(repr(fields.number(wanted.visitor, "scale", wanted.path) or 1))
    if not 1 / _SCALE_SPAN <= abs(found) <= _SCALE_SPAN:
        raise ProfileError(f"{wanted.path}.scale", f"{found} is too small or too large")
    return found
