"""``dataConverter`` (contract 5.1, 11.2): bytes to a number and back. Pure; exact, so that there and back is the same number.

The bytes from ``startIndex`` to ``endIndex``, both included, are one whole number, the byte at ``startIndex`` most significant: where
``endIndex`` is the smaller one the bytes are taken in reverse, which is how Bluetooth's own characteristics hold numbers. Then it is
shifted right and left, then ``orderOfOperations`` are done one after the other.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from typing import Any

from mappers.sdk import fields
from mappers.sdk.errors import DeviceRefused, ProfileError, ValueRefused
from mappers.sdk.fields import JsonObject

_MAX_INDEX = 511
"""A value has 512 bytes at most."""

_MAX_WIDTH = 8
_MAX_SHIFT = 63
_MAX_STEPS = 16


class Kind(StrEnum):
    """``operationType``, by the CRD's names."""

    ADD = "Add"
    SUBTRACT = "Subtract"
    MULTIPLY = "Multiply"
    DIVIDE = "Divide"


@dataclass(frozen=True, slots=True)
class Step:
    kind: Kind
    operand: Fraction

    def done(self, number: Fraction) -> Fraction:
        return _calculated(self.kind, number, self.operand)

    def undone(self, number: Fraction) -> Fraction:
        return _calculated(_INVERSE[self.kind], number, self.operand)


@dataclass(frozen=True, slots=True)
class Converter:
    start: int = 0
    end: int = 0
    shift_left: int = 0
    shift_right: int = 0
    steps: tuple[Step, ...] = ()

    @property
    def width(self) -> int:
        """Bytes."""
        return abs(self.end - self.start) + 1

    def number(self, raw: bytes, *, signed: bool) -> Fraction:
        """What ``raw`` stands for. Raises DeviceRefused when it is too short."""
        if len(raw) < self._past:
            raise DeviceRefused(f"bytes {self.start} to {self.end} are asked for, it has {len(raw)}")
        whole = int.from_bytes(self._ordered(raw[self._first : self._past]), "big", signed=signed)
        number = Fraction(whole >> self.shift_right << self.shift_left)
        for step in self.steps:
            number = step.done(number)
        return number

    def raw(self, number: Fraction, before: bytes, *, signed: bool) -> bytes:
        """``before`` with the bytes that stand for the nearest to ``number``; the bits that a shift to the right drops stay as they are.

        Raises:
            ValueRefused: no bytes stand for it.
        """
        for step in reversed(self.steps):
            number = step.undone(number)
        held = before.ljust(self._past, b"\0")
        dropped = int.from_bytes(self._ordered(held[self._first : self._past]), "big") & ((1 << self.shift_right) - 1)
        whole = round(number / (1 << self.shift_left)) << self.shift_right | dropped
        try:
            part = whole.to_bytes(self.width, "big", signed=signed)
        except OverflowError:
            raise ValueRefused(f"it does not fit into {self.width} bytes") from None
        return held[: self._first] + self._ordered(part) + held[self._past :]

    @property
    def _first(self) -> int:
        return min(self.start, self.end)

    @property
    def _past(self) -> int:
        return max(self.start, self.end) + 1

    def _ordered(self, part: bytes) -> bytes:
        """Its own inverse."""
        return part[::-1] if self.end < self.start else part


def converter_of(config: JsonObject, path: str) -> Converter:
    """Raises ProfileError. What is missing is zero, as CloudCore omits zeros: ``{}`` is the first byte."""
    made = Converter(
        fields.integer(config, "startIndex", path, least=0, most=_MAX_INDEX),
        fields.integer(config, "endIndex", path, least=0, most=_MAX_INDEX),
        fields.integer(config, "shiftLeft", path, least=0, most=_MAX_SHIFT),
        fields.integer(config, "shiftRight", path, least=0, most=_MAX_SHIFT),
        _steps(config.get("orderOfOperations"), f"{path}.orderOfOperations"),
    )
    if made.width > _MAX_WIDTH:
        raise ProfileError(f"{path}.endIndex", f"{made.start} to {made.end} are {made.width} bytes, a number has {_MAX_WIDTH} at most")
    return made


def _steps(items: Any, path: str) -> tuple[Step, ...]:
    if items is None:
        return ()
    if not isinstance(items, list) or len(items) > _MAX_STEPS:
        raise ProfileError(path, f"expected a list of at most {_MAX_STEPS} operations")
    return tuple(_step(item, f"{path}[{index}]") for index, item in enumerate(items))


def _step(item: Any, path: str) -> Step:
    if not isinstance(item, dict):
        raise ProfileError(path, f"expected an object, got {fields.kind(item)}")
    name = fields.text(item, "operationType", path)
    if name not in tuple(Kind):
        raise ProfileError(f"{path}.operationType", f"expected {', '.join(Kind)}, got {name[:40]!r}")
    # By its decimal text: what a person wrote as 0.1 is a tenth.
    operand = Fraction(str(fields.number(item, "operationValue", path) or 0))
    if operand == 0 and name in (Kind.MULTIPLY, Kind.DIVIDE):
        raise ProfileError(f"{path}.operationValue", f"to {name} by 0 leaves nothing of the value")
    return Step(Kind(name), operand)


_INVERSE = {Kind.ADD: Kind.SUBTRACT, Kind.SUBTRACT: Kind.ADD, Kind.MULTIPLY: Kind.DIVIDE, Kind.DIVIDE: Kind.MULTIPLY}


def _calculated(kind: Kind, number: Fraction, operand: Fraction) -> Fraction:
    match kind:
        case Kind.ADD:
            return number + operand
        case Kind.SUBTRACT:
            return number - operand
        case Kind.MULTIPLY:
            return number * operand
        case Kind.DIVIDE:
            return number / operand
