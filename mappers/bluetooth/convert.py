"""Bytes to values and back. Pure; what ``encode`` writes ``decode`` reads as the same value.

- Where ``dataWrite`` is given, the bytes of an entry are that entry's value, both ways.
- int, float: by ``dataConverter``. Unsigned, unless the property's minimum is negative: then two's complement. int drops the fraction.
- boolean: the number is 0 or not. string: the whole value as UTF-8, without zeros at the end.
- A value read outside the property's limits is reported as the nearest inside, as KubeEdge does; writing one is refused.
"""

from __future__ import annotations

from fractions import Fraction

from mappers.bluetooth.visitors import Visitor
from mappers.sdk.errors import DeviceRefused, ValueRefused
from mappers.sdk.profile import Property
from mappers.sdk.values import DataType, Value, parse, to_text
from viaduct.device import is_value

_LARGEST_TEXT = 512


def decode(raw: bytes, visitor: Visitor, wanted: Property) -> Value:
    """Raises DeviceRefused: too short, or no text."""
    for name, data in visitor.writes.items():
        if data == raw:
            return _entry(name, wanted)
    if wanted.data_type is DataType.STRING:
        return _text(raw)
    number = visitor.converter.number(raw, signed=_is_signed(wanted))
    if wanted.data_type is DataType.BOOLEAN:
        return number != 0
    return _as(wanted, number)


def encode(value: Value, visitor: Visitor, wanted: Property, before: bytes) -> bytes:
    """What to write so that the property holds ``value``. ``before``: what the characteristic holds, whose other bytes stay as they are.

    Raises:
        ValueRefused: no bytes stand for it; the text names the nearest that can be held where there is one.
    """
    text = to_text(value)
    if text in visitor.writes:
        return visitor.writes[text]
    if isinstance(value, str):
        return _characters(value, visitor)
    number = Fraction(int(value)) if isinstance(value, int) else Fraction(text)
    raw = visitor.converter.raw(number, before, signed=_is_signed(wanted))
    held = decode(raw, visitor, wanted)
    if to_text(held) != text:
        raise ValueRefused(f"its bytes cannot hold {text}; the nearest is {to_text(held)}")
    return raw


def _entry(name: str, wanted: Property) -> Value:
    try:
        return parse(name, wanted.data_type, wanted.limits)
    except ValueRefused as exc:
        raise DeviceRefused(f"it holds the bytes of dataWrite's entry {name[:40]!r}: {exc}") from exc


def _is_signed(wanted: Property) -> bool:
    return wanted.limits.minimum is not None and wanted.limits.minimum < 0


def _as(wanted: Property, number: Fraction) -> int | float:
    if wanted.data_type is DataType.INT:
        return int(wanted.limits.clamp(int(number)))
    try:
        return float(wanted.limits.clamp(float(number)))
    except OverflowError:
        raise DeviceRefused("what its bytes stand for is too large for a float") from None


def _text(raw: bytes) -> str:
    try:
        text = raw.rstrip(b"\0").decode("utf-8")
    except UnicodeDecodeError as exc:
        raise DeviceRefused(f"it holds bytes that are no text: {raw[:16].hex(' ')}") from exc
    if not is_value(text):
        raise DeviceRefused(f"it holds text that a twin cannot: {text[:40]!r}")
    return text


def _characters(value: str, visitor: Visitor) -> bytes:
    data = value.encode()
    if visitor.writes:
        raise ValueRefused(f"expected one of {', '.join(visitor.writes)}, got {value[:40]!r}")
    if len(data) > _LARGEST_TEXT:
        raise ValueRefused(f"longer than {_LARGEST_TEXT} bytes")
    return data
