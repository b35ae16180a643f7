"""Values of properties: text on MQTT, ``int``, ``float``, ``bool`` or ``str`` here. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from mappers.sdk.errors import ValueRefused
from viaduct.device import MAX_VALUE, is_value
from viaduct.faults import OUT_OF_RANGE

Value = int | float | bool | str

_INT = re.compile(r"[+-]?[0-9]{1,20}")
_FLOAT = re.compile(r"[+-]?([0-9]{1,20}(\.[0-9]{0,20})?|\.[0-9]{1,20})([eE][+-]?[0-9]{1,3})?")
_FLOAT_DIGITS = 12
"""Significant digits of a float as text: fewer than a double has, so that 0.1 x 3 reads ``0.3``."""


class DataType(StrEnum):
    INT = "int"
    FLOAT = "float"
    BOOLEAN = "boolean"
    STRING = "string"

    @classmethod
    def _missing_(cls, value: object) -> DataType | None:
        """``double`` of v1alpha2 and v1beta1: every float here has 64 bits."""
        return cls.FLOAT if value == "double" else None


KINDS: Mapping[DataType, type] = {DataType.INT: int, DataType.FLOAT: float, DataType.BOOLEAN: bool, DataType.STRING: str}


@dataclass(frozen=True, slots=True)
class Limits:
    """Least and greatest value, both included; None: no limit."""

    minimum: float | None = None
    maximum: float | None = None

    def clamp(self, value: int | float) -> int | float:
        """The nearest value inside, as KubeEdge reports what a device holds."""
        if self.minimum is not None and value < self.minimum:
            return self.minimum
        if self.maximum is not None and value > self.maximum:
            return self.maximum
        return value


NO_LIMITS = Limits()


def parse(text: str, data_type: DataType, limits: Limits = NO_LIMITS) -> Value:
    """``text`` as a value of ``data_type`` within ``limits``.

    Raises:
        ValueRefused: saying what was expected.
    """
    if data_type is DataType.STRING:
        if not is_value(text):
            raise ValueRefused(f"expected printable text of at most {MAX_VALUE} characters")
        return text
    if data_type is DataType.BOOLEAN:
        if text not in ("true", "false"):
            raise ValueRefused(f"expected true or false, got {_shown(text)}")
        return text == "true"
    return _within(_number(text, data_type), limits)


def check(value: Value, data_type: DataType, limits: Limits = NO_LIMITS) -> None:
    """What every driver asks before it writes.

    Raises:
        ValueRefused: no ``data_type`` or outside ``limits``; a whole number is a float as well.
    """
    if type(value) is not KINDS[data_type] and not (data_type is DataType.FLOAT and type(value) is int):
        raise ValueRefused(f"expected {data_type}, got {_shown(to_text(value))}")
    if not isinstance(value, str | bool):
        _within(value, limits)


def to_text(value: Value) -> str:
    """As it stands in a twin."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:.{_FLOAT_DIGITS}g}"
    return str(value)


def differs(before: Value, after: Value, deadband: float = 0.0) -> bool:
    """Whether ``after`` is worth reporting when ``before`` was reported; numbers must be more than ``deadband`` apart."""
    if isinstance(before, str | bool) or isinstance(after, str | bool):
        return before != after
    return before != after and abs(after - before) > deadband


def _number(text: str, data_type: DataType) -> int | float:
    if data_type is DataType.INT:
        if not _INT.fullmatch(text):
            raise ValueRefused(f"expected a whole number without a unit, got {_shown(text)}")
        return int(text)
    if not _FLOAT.fullmatch(text):
        raise ValueRefused(f"expected a number without a unit, got {_shown(text)}")
    return float(text)


def _within(value: int | float, limits: Limits) -> int | float:
    if limits.minimum is not None and value < limits.minimum:
        raise ValueRefused(f"{to_text(value)} is less than the minimum {to_text(limits.minimum)}", code=OUT_OF_RANGE)
    if limits.maximum is not None and value > limits.maximum:
        raise ValueRefused(f"{to_text(value)} is more than the maximum {to_text(limits.maximum)}", code=OUT_OF_RANGE)
    return value


def _shown(text: str) -> str:
    return repr(text if len(text) <= 40 else text[:40] + "…")
