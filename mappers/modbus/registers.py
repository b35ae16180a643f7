"""``visitorConfig`` of contract 5.2 to the registers that hold a property. Pure.

``offset`` is the first register and ``limit`` how many there are, as the CRD says; KubeEdge's own mapper read ``index`` and ``offset``.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

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
    """Where a property is and how its registers are to be read; ``scale`` is what one unit of the register is worth."""

    table: Table
    offset: int
    limit: int
    scale: Decimal = Decimal(1)
    is_swap: bool = False
    is_register_swap: bool = False


def visitor_of(wanted: Property) -> Visitor:
    """Raises ProfileError naming the part of ``visitorConfig`` at fault."""
    config, path = wanted.visitor, wanted.path
    table = _table(fields.required_text(config, "register", path), f"{path}.register")
    offset = fields.integer(config, "offset", path, least=0, most=MAX_ADDRESS)
    limit = fields.integer(config, "limit", path, least=1, most=_most(wanted.data_type, table, path))
    if offset + limit - 1 > MAX_ADDRESS:
        raise ProfileError(f"{path}.limit", f"{limit} registers from {offset} on end after {MAX_ADDRESS}")
    if wanted.writable and not table.is_writable:
        raise ProfileError(f"{path}.register", f"a {table} cannot be written but accessMode is ReadWrite")
    swaps = fields.flag(config, "isSwap", path), fields.flag(config, "isRegisterSwap", path)
    return Visitor(table, offset, limit, _scale(wanted), *swaps)


def _table(name: str, path: str) -> Table:
    try:
        return Table(name)
    except ValueError:
        raise ProfileError(path, f"expected {', '.join(Table)}, got {name!r}") from None


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
