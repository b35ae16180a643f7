"""A condition: checked once, then evaluated over what devices reported.

Three-valued: True, False, or None where a value is missing that could change the answer (``false and missing`` is False). A reference has
the type of its twin, which the text does not tell; what it is compared with tells what it must be, and a twin that is not is a fault.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from viaduct.rules.fault import ExpressionFault
from viaduct.rules.parser import parse
from viaduct.rules.syntax import Arithmetic, Both, Comparison, Either, Literal, Negative, Node, Opposite, Reference, Value


class Kind(StrEnum):
    NUMBER = "number"
    TEXT = "text"
    TRUTH = "true or false"


@dataclass(frozen=True, slots=True)
class Reading:
    """What a device reported last: the type of its twin (contract 6.4) and the value as text."""

    type: str
    text: str


Place = tuple[str, str]
"""(device, property)"""

Lookup = Callable[[Place], Reading | None]
"""None: there is no value (yet)."""

_ORDERS: Mapping[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_SUMS: Mapping[str, Callable[[float, float], float]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "%": operator.mod,
}
_EXACT = 2**63
_LONGEST_NUMBER = 400


class Condition:
    """``places``: the values that it reads, each once.

    Raises ExpressionFault where ``text`` is none.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self._root = parse(text)
        self._kinds: dict[Place, Kind] = {}
        self._seen: dict[Place, int] = {}
        self._check(self._root, Kind.TRUTH)
        self.places = tuple(self._seen)
        if not self.places:
            raise ExpressionFault("it reads no device: expected at least one DEVICE.PROPERTY", text, 0)

    def evaluate(self, lookup: Lookup) -> bool | None:
        """Raises ExpressionFault: a value is not of the kind that the text takes it for, or a number cannot be reckoned."""
        found = self._value(self._root, lookup)
        return found if found is None else bool(found)

    # Once: kinds

    def _check(self, node: Node, wanted: Kind | None) -> Kind | None:
        """The kind of ``node``, None where only its twin will tell."""
        match node:
            case Literal(value, at):
                return self._agreed(kind_of(value), wanted, at, f"the {kind_of(value)} {_shown(value)}")
            case Reference():
                return self._check_reference(node, wanted)
            case Negative(operand, at):
                self._check(operand, Kind.NUMBER)
                return self._agreed(Kind.NUMBER, wanted, at, "a number")
            case Arithmetic(first, steps, at):
                self._check(first, Kind.NUMBER)
                for step in steps:
                    self._check(step.operand, Kind.NUMBER)
                return self._agreed(Kind.NUMBER, wanted, at, "a number")
            case Comparison(_, _, _, at):
                self._check_comparison(node)
                return self._agreed(Kind.TRUTH, wanted, at, "a comparison")
            case Opposite(operand, at):
                self._check(operand, Kind.TRUTH)
                return self._agreed(Kind.TRUTH, wanted, at, "a condition")
            case Both(parts, at) | Either(parts, at):
                for part in parts:
                    self._check(part, Kind.TRUTH)
                return self._agreed(Kind.TRUTH, wanted, at, "a condition")

    def _check_comparison(self, node: Comparison) -> None:
        if node.operator in _ORDERS:
            self._check(node.left, Kind.NUMBER)
            self._check(node.right, Kind.NUMBER)
            return
        left, right = self._check(node.left, None), self._check(node.right, None)
        if left is not None and right is not None and left is not right:
            raise self._fault(f"a {_word(left)} is compared with a {_word(right)}", node.at)
        self._check(node.left, right)
        self._check(node.right, left)

    def _check_reference(self, node: Reference, wanted: Kind | None) -> Kind | None:
        self._seen.setdefault(node.place, node.at)
        known = self._kinds.get(node.place)
        if known is not None and wanted is not None and known is not wanted:
            raise self._fault(f"{node} is taken for a {_word(wanted)} here and for a {_word(known)} elsewhere", node.at)
        if wanted is not None:
            self._kinds[node.place] = wanted
        return wanted

    def _agreed(self, kind: Kind, wanted: Kind | None, at: int, what: str) -> Kind:
        if wanted is not None and kind is not wanted:
            raise self._fault(f"expected a {_word(wanted)}, got {what}", at)
        return kind

    # Each time: values

    def _value(self, node: Node, lookup: Lookup) -> Value | None:
        match node:
            case Literal(value, _):
                return value
            case Reference():
                return self._read(node, lookup)
            case Negative(operand, at):
                number = self._value(operand, lookup)
                return None if number is None else self._bounded(-self._number(number, at), at)
            case Arithmetic():
                return self._reckon(node, lookup)
            case Comparison():
                return self._compare(node, lookup)
            case Opposite(operand, _):
                truth = self._value(operand, lookup)
                return None if truth is None else not truth
            case Both(parts, _):
                return self._joined(parts, lookup, deciding=False)
            case Either(parts, _):
                return self._joined(parts, lookup, deciding=True)

    def _joined(self, parts: tuple[Node, ...], lookup: Lookup, *, deciding: bool) -> bool | None:
        """``and`` (False decides) and ``or`` (True decides): a missing value counts only where no part decides."""
        is_missing = False
        for part in parts:
            value = self._value(part, lookup)
            if value is deciding:
                return deciding
            is_missing = is_missing or value is None
        return None if is_missing else not deciding

    def _compare(self, node: Comparison, lookup: Lookup) -> bool | None:
        left, right = self._value(node.left, lookup), self._value(node.right, lookup)
        if left is None or right is None:
            return None
        if node.operator in _ORDERS:
            return _ORDERS[node.operator](self._number(left, node.at), self._number(right, node.at))
        if kind_of(left) is not kind_of(right):
            raise self._fault(f"a {_word(kind_of(left))} is compared with a {_word(kind_of(right))}", node.at)
        return (left == right) == (node.operator == "==")

    def _reckon(self, node: Arithmetic, lookup: Lookup) -> Value | None:
        first = self._value(node.first, lookup)
        if first is None:
            return None
        result = self._number(first, node.at)
        for step in node.steps:
            value = self._value(step.operand, lookup)
            if value is None:
                return None
            number = self._number(value, step.at)
            if number == 0 and step.operator in "/%":
                raise self._fault("division by zero", step.at)
            result = self._bounded(_SUMS[step.operator](result, number), step.at)
        return result

    def _bounded(self, number: float, at: int) -> float:
        """Whole numbers stay exact as far as twins have them; beyond that they are floats, so none grows without end."""
        if isinstance(number, float) and not math.isfinite(number):
            raise self._fault("the number is too large", at)
        return float(number) if abs(number) > _EXACT else number

    def _number(self, value: Value, at: int) -> float:
        if isinstance(value, bool | str):
            raise self._fault(f"expected a number, got the {kind_of(value)} {_shown(value)}", at)
        return value

    def _read(self, node: Reference, lookup: Lookup) -> Value | None:
        reading = lookup(node.place)
        if reading is None:
            return None
        wanted = self._kinds.get(node.place) or _declared(reading.type)
        if wanted is Kind.TEXT:
            if _declared(reading.type) is not Kind.TEXT:
                raise self._fault(f"{node} is a {_word(_declared(reading.type))}, not a text", node.at)
            return reading.text
        if not reading.text:
            return None
        if reading.type not in ("", "string") and _declared(reading.type) is not wanted:
            raise self._fault(f"{node} is of type {reading.type[:40]}, not a {_word(wanted)}", node.at)
        return self._read_number(node, reading.text) if wanted is Kind.NUMBER else self._read_truth(node, reading.text)

    def _read_number(self, node: Reference, text: str) -> Value | None:
        try:
            if len(text) > _LONGEST_NUMBER:
                raise ValueError
            number: float = int(text) if text.lstrip("+-").isdecimal() else float(text)
        except ValueError:
            raise self._fault(f"{node} is {_shown(text)}, which is no number", node.at) from None
        if isinstance(number, float) and not math.isfinite(number):
            return None
        return self._bounded(number, node.at) if abs(number) < 1e300 else None

    def _read_truth(self, node: Reference, text: str) -> Value | None:
        if text not in ("true", "false"):
            raise self._fault(f"{node} is {_shown(text)}, which is neither true nor false", node.at)
        return text == "true"

    def _fault(self, reason: str, at: int) -> ExpressionFault:
        return ExpressionFault(reason, self.text, at)


def kind_of(value: Value) -> Kind:
    if isinstance(value, bool):
        return Kind.TRUTH
    return Kind.TEXT if isinstance(value, str) else Kind.NUMBER


def _declared(twin_type: str) -> Kind:
    if twin_type in ("int", "float"):
        return Kind.NUMBER
    return Kind.TRUTH if twin_type == "boolean" else Kind.TEXT


def _word(kind: Kind) -> str:
    return "truth value" if kind is Kind.TRUTH else str(kind)


def _shown(value: Value) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return f'"{value[:40]}"' if isinstance(value, str) else str(value)[:40]
