"""Numbers that an instrument measures, as values of a property and back. Pure.

The value is the number times ``scale``, exactly: an int is the nearest whole one, text is the number as text, a boolean whether it is not
0. Outside the property's limits it is reported as the nearest inside, as KubeEdge does; writing such a value is refused.
"""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal, localcontext

from mappers.sdk.errors import DeviceRefused, ValueRefused
from mappers.sdk.profile import Property
from mappers.sdk.values import DataType, Value, parse, to_text
from viaduct.faults import OUT_OF_RANGE

_PRECISION = 40


def as_value(number: Decimal, wanted: Property, scale: Decimal = Decimal(1)) -> Value:
    """Raises DeviceRefused for what is no number (not a number, infinite)."""
    if not number.is_finite():
        raise DeviceRefused(f"it says {number}, which is no number")
    with localcontext() as context:
        context.prec = _PRECISION
        scaled = number * scale
    match wanted.data_type:
        case DataType.INT:
            return int(wanted.limits.clamp(int(scaled.to_integral_value(ROUND_HALF_EVEN))))
        case DataType.FLOAT:
            return float(wanted.limits.clamp(float(scaled)))
        case DataType.BOOLEAN:
            return scaled != 0
        case _:
            return to_text(float(scaled))


def as_number(value: Value, wanted: Property, scale: Decimal = Decimal(1)) -> Decimal:
    """The number that reads as ``value``. Raises ValueRefused: text that is no number."""
    if isinstance(value, bool):
        value = int(value)
    elif isinstance(value, str):
        value = parse(value, DataType.FLOAT)
    with localcontext() as context:
        context.prec = _PRECISION
        return Decimal(to_text(value)) / scale


def decimal(number: float, digits: int) -> Decimal:
    """Of a computed number the digits that its instrument can stand for."""
    return Decimal(repr(round(number, digits)))


def whole(number: Decimal, least: int, most: int) -> int:
    """Raises ValueRefused: not whole or outside."""
    if number != number.to_integral_value() or not least <= number <= most:
        raise ValueRefused(f"expected a whole number of {least} to {most} after scaling, got {number.normalize():f}", code=OUT_OF_RANGE)
    return int(number)
