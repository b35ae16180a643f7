"""Registers to values and back (contract 11.1). Pure; what ``encode`` writes ``decode`` reads as the same value.

- ``isRegisterSwap`` turns the order of the registers round, ``isSwap`` the two bytes of each 16-bit register; both ways.
- int, float: the registers, first one most significant, as one whole number times ``scale``. Unsigned, unless the property's minimum is
  negative: then two's complement. int drops the fraction. Coils are binary digits, the first one most significant.
- string: one byte of UTF-8 in each register, zeros at the end. boolean: 0 or not.
- A value read outside the property's limits is reported as the nearest inside, as KubeEdge does; writing one is refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal, localcontext

from mappers.modbus.registers import Visitor
from mappers.sdk.errors import DeviceRefused, ValueRefused
from mappers.sdk.profile import Property
from mappers.sdk.values import DataType, Limits, Value, to_text
from viaduct.device import is_value

_PRECISION = 60
"""Decimal digits: 64 bits times a scale of a double's digits, exactly."""


def decode(registers: Sequence[int], visitor: Visitor, wanted: Property) -> Value:
    """``registers``: 16-bit numbers, or 0 and 1 for coils and discrete inputs.

    Raises:
        DeviceRefused: not as many as asked for, or bytes that are no text.
    """
    if len(registers) != visitor.limit:
        raise DeviceRefused(f"asked for {visitor.limit} registers from {visitor.offset} on, got {len(registers)}")
    ordered = _swapped(registers, visitor)
    if wanted.data_type is DataType.STRING:
        return _text(ordered, visitor)
    if wanted.data_type is DataType.BOOLEAN:
        return ordered[0] != 0
    number = _scaled(_joined(ordered, visitor, wanted.limits), visitor, wanted.data_type)
    return _as(wanted.data_type, wanted.limits.clamp(number))


def encode(value: Value, visitor: Visitor, wanted: Property) -> list[int]:
    """What to write so that the property holds ``value``.

    Raises:
        ValueRefused: the registers cannot hold it; the text names the nearest that they can where there is one.
    """
    if isinstance(value, str):
        return _swapped(_characters(value, visitor), visitor)
    if isinstance(value, bool):
        return _swapped([int(value)] + [0] * (visitor.limit - 1), visitor)
    raw = _unscaled(value, visitor)
    held = _as(wanted.data_type, _scaled(raw, visitor, wanted.data_type))
    if to_text(held) != to_text(value):
        raise ValueRefused(f"with scale {visitor.scale} the nearest to {to_text(value)} is {to_text(held)}")
    return _swapped(_split(raw, visitor, wanted.limits), visitor)


def _swapped(registers: Sequence[int], visitor: Visitor) -> list[int]:
    """Its own inverse: turning round and swapping bytes may be done in either order."""
    ordered = list(reversed(registers)) if visitor.is_register_swap else list(registers)
    if visitor.is_swap and not visitor.table.is_bits:
        ordered = [(register & 0xFF) << 8 | register >> 8 for register in ordered]
    return ordered


def _is_signed(limits: Limits) -> bool:
    return limits.minimum is not None and limits.minimum < 0


def _width(visitor: Visitor) -> int:
    """Bits of one register."""
    return 1 if visitor.table.is_bits else 16


def _joined(ordered: Sequence[int], visitor: Visitor, limits: Limits) -> int:
    number = 0
    for register in ordered:
        number = number << _width(visitor) | register
    bits = _width(visitor) * visitor.limit
    return number - (1 << bits) if _is_signed(limits) and not visitor.table.is_bits and number >> (bits - 1) else number


def _split(raw: int, visitor: Visitor, limits: Limits) -> list[int]:
    bits = _width(visitor) * visitor.limit
    signed = _is_signed(limits) and not visitor.table.is_bits
    least, most = (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if signed else (0, (1 << bits) - 1)
    if not least <= raw <= most:
        raise ValueRefused(f"{raw} does not fit into {visitor.limit} {visitor.table} ({least} to {most})")
    raw &= (1 << bits) - 1
    mask = (1 << _width(visitor)) - 1
    return [raw >> (_width(visitor) * place) & mask for place in reversed(range(visitor.limit))]


def _scaled(raw: int, visitor: Visitor, data_type: DataType) -> int | float:
    # Decimal: 0.1 as a double would make 215 x 0.1 end in …04, and truncation would then lose a whole unit elsewhere.
    with localcontext() as context:
        context.prec = _PRECISION
        exact = Decimal(raw) * visitor.scale
        return int(exact) if data_type is DataType.INT else float(exact)


def _unscaled(value: int | float, visitor: Visitor) -> int:
    with localcontext() as context:
        context.prec = _PRECISION
        exact = Decimal(to_text(value)) / visitor.scale
        nearest = int(exact.to_integral_value())
        # An int drops its fraction when it is read: of a coarse scale the next register is the one that reads as the value.
        for candidate in (nearest, nearest + 1, nearest - 1):
            if Decimal(candidate) * visitor.scale == Decimal(to_text(value)):
                return candidate
        if isinstance(value, int):
            for candidate in (nearest, nearest + 1, nearest - 1):
                if int(Decimal(candidate) * visitor.scale) == value:
                    return candidate
        return nearest


def _as(data_type: DataType, number: int | float) -> int | float:
    return int(number) if data_type is DataType.INT else float(number)


def _text(ordered: Sequence[int], visitor: Visitor) -> str:
    while ordered and ordered[-1] == 0:
        ordered = ordered[:-1]
    try:
        found = bytes(ordered).decode("utf-8")
    except ValueError as exc:
        raise DeviceRefused(f"registers from {visitor.offset} on hold no text") from exc
    if not is_value(found):
        raise DeviceRefused(f"registers from {visitor.offset} on hold text that cannot be printed")
    return found


def _characters(value: str, visitor: Visitor) -> list[int]:
    encoded = value.encode("utf-8")
    if len(encoded) > visitor.limit:
        raise ValueRefused(f"{len(encoded)} bytes of text do not fit into {visitor.limit} registers")
    return [*encoded, *[0] * (visitor.limit - len(encoded))]
