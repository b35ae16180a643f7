"""``configData`` of an ``i2c`` visitor: a quantity of a known sensor, or registers and what their bits mean. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from mappers.i2c.address import Address
from mappers.i2c.sensors.sensor import Sensor
from mappers.sdk import values
from mappers.sdk.errors import DeviceRefused, ValueRefused
from mappers.sdk.profile import Property
from mappers.sdk.quantity import as_number, as_value, whole
from mappers.sdk.strictly import Strictly
from mappers.sdk.values import DataType, Value
from viaduct.device import is_value

MAX_NUMBER, MAX_TEXT = 8, 32
"""Bytes; 32 is what one SMBus transfer takes."""

_ORDERS = {"big": True, "little": False}


@dataclass(frozen=True, slots=True)
class Quantity:
    """``scale``: what one unit of it is worth in the property."""

    name: str
    scale: Decimal = Decimal(1)


@dataclass(frozen=True, slots=True)
class Registers:
    """``first`` None: the chip has no registers, it is read and written as it is.

    Of the number that ``length`` bytes make, ``bits`` from ``shift`` on (counted from the least significant) are the property's.
    """

    first: int | None
    length: int = 1
    is_big_endian: bool = True
    is_signed: bool = False
    shift: int = 0
    bits: int = 8
    scale: Decimal = Decimal(1)
    offset: Decimal = Decimal(0)

    @property
    def is_part(self) -> bool:
        """Whether other bits share the bytes, and must be kept when these are written."""
        return self.bits < 8 * self.length

    @property
    def mask(self) -> int:
        return (1 << self.bits) - 1


Visitor = Quantity | Registers


def visitor_of(wanted: Property, address: Address, sensor: Sensor | None) -> Visitor:
    """Raises ProfileError naming the field at fault."""
    config = Strictly(wanted.visitor, wanted.path)
    found = _registers(wanted, config, address) if sensor is None else _quantity(wanted, config, sensor)
    config.end()
    return found


def decode(data: bytes, where: Registers, wanted: Property) -> Value:
    """Raises DeviceRefused."""
    if wanted.data_type is DataType.STRING and where.bits == 8 * where.length and where.scale == 1 and not where.offset:
        return _text(data)
    number = _joined(data, where) >> where.shift & where.mask
    if where.is_signed and number >> (where.bits - 1):
        number -= 1 << where.bits
    exact = Decimal(number) * where.scale + where.offset
    return as_value(exact, wanted)


def encode(value: Value, where: Registers, wanted: Property, before: bytes) -> bytes:
    """``before``: what the registers hold, of which other bits are kept. Raises ValueRefused."""
    values.check(value, wanted.data_type, wanted.limits)
    if isinstance(value, str) and where.bits == 8 * where.length and where.scale == 1 and not where.offset:
        return _characters(value, where.length)
    exact = (as_number(value, wanted) - where.offset) / where.scale
    least, most = (-(where.mask + 1) // 2, where.mask // 2) if where.is_signed else (0, where.mask)
    number = whole(exact, least, most) & where.mask
    kept = _joined(before, where) & ~(where.mask << where.shift) if where.is_part else 0
    joined = kept | number << where.shift
    return joined.to_bytes(where.length, "big" if where.is_big_endian else "little")


def _quantity(wanted: Property, config: Strictly, sensor: Sensor) -> Quantity:
    name = config.choice("quantity", {each: each for each in sensor.quantities})
    if wanted.writable:
        raise config.refused("quantity", "what is measured cannot be written but accessMode is ReadWrite")
    if name in sensor.texts and wanted.data_type is not DataType.STRING:
        raise config.refused("quantity", f"{name} is text, but the property is {wanted.data_type}")
    return Quantity(name, config.factor("scale"))


def _registers(wanted: Property, config: Strictly, address: Address) -> Registers:
    first = config.code("register", least=0, most=256**address.register_bytes - 1) if config.has("register") else None
    is_text = wanted.data_type is DataType.STRING and not config.has("scale")
    length = config.integer("length", 1, least=1, most=MAX_TEXT if is_text else MAX_NUMBER)
    is_big_endian = config.choice("byteOrder", _ORDERS, "big")
    shift = config.integer("shift", 0, least=0, most=8 * length - 1)
    bits = config.integer("bits", 8 * length - shift, least=1, most=8 * length - shift)
    offset = Decimal(repr(config.number("offset", 0.0, least=-1e12, most=1e12)))
    return Registers(first, length, is_big_endian, config.flag("signed"), shift, bits, config.factor("scale"), offset)


def _joined(data: bytes, where: Registers) -> int:
    return int.from_bytes(data, "big" if where.is_big_endian else "little")


def _text(data: bytes) -> str:
    try:
        found = data.rstrip(b"\0\xff ").decode("ascii")
    except UnicodeDecodeError as exc:
        raise DeviceRefused(f"{data.hex()} is no text") from exc
    if not is_value(found):
        raise DeviceRefused(f"{data.hex()} is text that cannot be printed")
    return found


def _characters(value: str, length: int) -> bytes:
    if not value.isascii() or len(value) > length or not is_value(value):
        raise ValueRefused(f"expected at most {length} printable ASCII characters")
    return value.encode().ljust(length, b"\0")
