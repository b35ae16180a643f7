"""Registers to values and back (contract 11.1). Pure; what ``encode`` writes ``decode`` reads as the same value.

- ``isRegisterSwap`` turns the order of the registers round, ``isSwap`` the two bytes of each 16-bit register; both ways.
- int, float: the registers, first one most significant, as one whole number times ``scale``. Unsigned, unless the property's minimum is
  negative: then two's complement. int drops the fraction. Coils are binary digits, the first one most significant.
- string: one byte of UTF-8 in each register, zeros at the end. boolean: 0 or not.
- ``encoding`` says otherwise (``mappers.modbus.encoding``), and ``bit`` means one bit of a register.
- A value read outside the property's limits is reported as the nearest inside, as KubeEdge does; writing one is refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal, localcontext

from mappers.modbus import encoding
from mappers.modbus.encoding import Encoding
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
        DeviceRefused: not as many as asked for, or bytes that are no text or no number.
    """
    if len(registers) != visitor.limit:
        raise DeviceRefused(f"asked for {visitor.limit} registers from {visitor.offset} on, got {len(registers)}")
    ordered = _swapped(registers, visitor)
    if visitor.bit is not None:
        is_set = bool(ordered[0] >> visitor.bit & 1)
        return is_set if wanted.data_type is DataType.BOOLEAN else int(is_set)
    if wanted.data_type is DataType.STRING:
        return _text(ordered, visitor)
    if wanted.data_type is DataType.BOOLEAN:
        return ordered[0] != 0
    number = _scaled(_raw(ordered, visitor, wanted.limits), visitor, wanted.data_type)
    return _as(wanted.data_type, wanted.limits.clamp(number))


def encode(value: Value, visitor: Visitor, wanted: Property) -> list[int]:
    """What to write so that the property holds ``value``; for a ``bit`` use ``with_bit``.

    Raises:
        ValueRefused: the registers cannot hold it; the text names the nearest that they can where there is one.
    """
    if isinstance(value, str):
        return _swapped(_characters(value, visitor), visitor)
    if isinstance(value, bool):
        return _swapped([int(value)] + [0] * (visitor.limit - 1), visitor)
    registers = _registers(_unscaled(value, visitor), visitor, wanted.limits)
    held = _as(wanted.data_type, _scaled(_raw(registers, visitor, wanted.limits), visitor, wanted.data_type))
    if to_text(held) != to_text(value):
        raise ValueRefused(f"{_grain(visitor)} the nearest to {to_text(value)} is {to_text(held)}")
    return _swapped(registers, visitor)


def with_bit(register: int, value: Value, visitor: Visitor) -> int:
    """``register`` as it was read, with the visitor's bit set or cleared and all others kept. Raises ValueRefused."""
    if value not in (0, 1) or visitor.bit is None:
        raise ValueRefused(f"a bit holds 0 or 1, not {to_text(value)}")
    mask = 1 << visitor.bit
    (held,) = _swapped([register], visitor)
    return _swapped([held | mask if value else held & ~mask], visitor)[0]


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


def _raw(ordered: Sequence[int], visitor: Visitor, limits: Limits) -> Decimal:
    if visitor.encoding is not None:
        return encoding.number_in(ordered, visitor.encoding)
    number = 0
    for register in ordered:
        number = number << _width(visitor) | register
    bits = _width(visitor) * visitor.limit
    is_negative = _is_signed(limits) and not visitor.table.is_bits and number >> (bits - 1)
    return Decimal(number - (1 << bits) if is_negative else number)


def _registers(raw: Decimal, visitor: Visitor, limits: Limits) -> list[int]:
    if visitor.encoding is not None:
        return encoding.registers_of(raw, visitor.encoding)
    number = int(raw)
    bits = _width(visitor) * visitor.limit
    signed = _is_signed(limits) and not visitor.table.is_bits
    least, most = (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if signed else (0, (1 << bits) - 1)
    if not least <= number <= most:
        raise ValueRefused(f"{number} does not fit into {visitor.limit} {visitor.table} ({least} to {most})")
    number &= (1 << bits) - 1
    mask = (1 << _width(visitor)) - 1
    return [number >> (_width(visitor) * place) & mask for place in reversed(range(visitor.limit))]


def _scaled(raw: Decimal, visitor: Visitor, data_type: DataType) -> int | float:
    # Decimal: 0.1 as a double would make 215 x 0.1 end in …04, and truncation would then lose a whole unit elsewhere.
    with localcontext() as context:
        context.prec = _PRECISION
        exact = raw * visitor.scale
        return int(exact) if data_type is DataType.INT else float(exact)


def _unscaled(value: int | float, visitor: Visitor) -> Decimal:
    with localcontext() as context:
        context.prec = _PRECISION
        if visitor.encoding is not None and visitor.encoding.is_float:
            return Decimal(repr(value)) / visitor.scale
        wanted = Decimal(to_text(value))
        nearest = int((wanted / visitor.scale).to_integral_value())
        # An int drops its fraction when it is read: of a coarse scale the next register is the one that reads as the value.
        for candidate in (nearest, nearest + 1, nearest - 1):
            if Decimal(candidate) * visitor.scale == wanted:
                return Decimal(candidate)
        if isinstance(value, int):
            for candidate in (nearest, nearest + 1, nearest - 1):
                if int(Decimal(candidate) * visitor.scale) == value:
                    return Decimal(candidate)
        return Decimal(nearest)


def _grain(visitor: Visitor) -> str:
    """Why not every value can be held."""
    return f"with scale {visitor.scale}" if visitor.encoding is None or not visitor.encoding.is_float else f"as {visitor.encoding}"


def _as(data_type: DataType, number: int | float) -> int | float:
    return int(number) if data_type is DataType.INT else float(number)


def _text(ordered: Sequence[int], visitor: Visitor) -> str:
    try:
        found = (encoding.text_bytes(ordered) if visitor.encoding is Encoding.TEXT else bytes(ordered).rstrip(b"\0")).decode("utf-8")
    except ValueError as exc:
        raise DeviceRefused(f"registers from {visitor.offset} on hold no text") from exc
    if not is_value(found):
        raise DeviceRefused(f"registers from {visitor.offset} on hold text that cannot be printed")
    return found


def _characters(value: str, visitor: Visitor) -> list[int]:
    encoded = value.encode("utf-8")
    each = 2 if visitor.encoding is Encoding.TEXT else 1
    if len(encoded) > each * visitor.limit:
        raise ValueRefused(f"{len(encoded)} bytes of text do not fit into {visitor.limit} registers")
    if each == 2:
        return encoding.text_registers(encoded, visitor.limit)
    return [*encoded, *[0] * (visitor.limit - len(encoded))]
