"""``configData`` of a ``gpio`` visitor: which pin, and what it is used for. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from mappers.gpio.pins import FIRST_PIN, LAST_PIN, Edge, Pull
from mappers.sdk import values
from mappers.sdk.errors import ProfileError, ValueRefused
from mappers.sdk.profile import Device, Property
from mappers.sdk.quantity import as_number, as_value
from mappers.sdk.strictly import Strictly
from mappers.sdk.values import DataType, Value
from viaduct.device import is_value

PROTOCOL = "gpio"

DEFAULT_DEBOUNCE_MS = 10
_MAX_DEBOUNCE_MS = 5000
_MAX_FREQUENCY = 10_000
"""Hertz. It is made by a thread: beyond some hundred the edges wander visibly."""

_PULLS = {str(pull): pull for pull in Pull}
_EDGES = {str(edge): edge for edge in Edge}
_LEVELS: dict[str, bool | None] = {"keep": None, "on": True, "off": False}


@dataclass(frozen=True, slots=True)
class Words:
    """What on and off are called where the property is text."""

    on: str = "ON"
    off: str = "OFF"


@dataclass(frozen=True, slots=True)
class Input:
    pin: int
    pull: Pull = Pull.NONE
    is_active_low: bool = False
    debounce_ms: int = DEFAULT_DEBOUNCE_MS
    words: Words = Words()


@dataclass(frozen=True, slots=True)
class Output:
    """``initial`` and ``when_closed``: on, off, or None: as it is."""

    pin: int
    is_active_low: bool = False
    initial: bool | None = None
    when_closed: bool | None = None
    words: Words = Words()


@dataclass(frozen=True, slots=True)
class Pwm:
    """The property is the percentage of on times ``scale``."""

    pin: int
    frequency: float
    scale: Decimal = Decimal(1)


@dataclass(frozen=True, slots=True)
class Counter:
    """The property is the number of edges times ``scale``."""

    pin: int
    edge: Edge = Edge.RISING
    pull: Pull = Pull.NONE
    debounce_ms: int = 0
    scale: Decimal = Decimal(1)


Visitor = Input | Output | Pwm | Counter


def check_device(device: Device) -> None:
    """A Device has no settings of its own. Raises ProfileError naming the one that is there."""
    config = Strictly(device.config, device.path)
    unknown = next((key for key, value in device.config.items() if value is not None), None)
    if unknown is not None:
        raise config.refused(ascii(unknown)[1:-1][:64], "a gpio Device has no settings; pins are described in its model")


def visitor_of(wanted: Property) -> Visitor:
    """Raises ProfileError naming the field at fault."""
    config = Strictly(wanted.visitor, wanted.path)
    pin = config.integer("pin", least=FIRST_PIN, most=LAST_PIN)
    found = config.choice("mode", _MODES)(wanted, config, pin)
    config.end()
    return found


def decode_level(level: bool, where: Input | Output, wanted: Property) -> Value:
    is_on = level != where.is_active_low
    if wanted.data_type is DataType.STRING:
        return where.words.on if is_on else where.words.off
    return as_value(Decimal(is_on), wanted)


def encode_level(value: Value, where: Output, wanted: Property) -> bool:
    """The level. Raises ValueRefused."""
    values.check(value, wanted.data_type, wanted.limits)
    if isinstance(value, str):
        if value not in (where.words.on, where.words.off):
            raise ValueRefused(f"expected {where.words.on} or {where.words.off}, got {value[:40]!r}")
        is_on = value == where.words.on
    elif value not in (0, 1):
        raise ValueRefused(f"expected 0 or 1, got {values.to_text(value)}")
    else:
        is_on = bool(value)
    return is_on != where.is_active_low


def encode_percent(value: Value, where: Pwm, wanted: Property) -> Decimal:
    """0 to 100. Raises ValueRefused."""
    values.check(value, wanted.data_type, wanted.limits)
    percent = as_number(value, wanted, where.scale)
    if not 0 <= percent <= 100:
        raise ValueRefused(f"{values.to_text(value)} would be on for {percent:.6g} % of the time")
    return percent


def encode_count(value: Value, where: Counter, wanted: Property) -> int:
    """Raises ValueRefused: no number of edges makes this."""
    values.check(value, wanted.data_type, wanted.limits)
    exact = as_number(value, wanted, where.scale)
    nearest = int(exact.to_integral_value())
    if as_value(Decimal(nearest), wanted, where.scale) != value:
        raise ValueRefused(f"no count makes {values.to_text(value)} with scale {where.scale}")
    return nearest


def _input(wanted: Property, config: Strictly, pin: int) -> Input:
    _read_only(wanted, config, "an input")
    pull = config.choice("pull", _PULLS, Pull.NONE)
    debounce_ms = config.integer("debounceMs", DEFAULT_DEBOUNCE_MS, least=0, most=_MAX_DEBOUNCE_MS)
    return Input(pin, pull, config.flag("activeLow"), debounce_ms, _words(wanted, config))


def _output(wanted: Property, config: Strictly, pin: int) -> Output:
    return Output(pin, config.flag("activeLow"), _level(config, "initial"), _level(config, "whenClosed"), _words(wanted, config))


def _level(config: Strictly, key: str) -> bool | None:
    """None: as it is. YAML makes a boolean of an ``off`` without quotes, and the meaning is plain."""
    given = config.raw(key)
    return given if isinstance(given, bool) else config.choice(key, _LEVELS, "keep")


def _pwm(wanted: Property, config: Strictly, pin: int) -> Pwm:
    if wanted.data_type is DataType.BOOLEAN:
        raise config.refused("mode", "pwm is a number, but the property is boolean")
    return Pwm(pin, config.number("frequency", least=0.1, most=_MAX_FREQUENCY), config.factor("scale"))


def _counter(wanted: Property, config: Strictly, pin: int) -> Counter:
    if wanted.data_type is DataType.BOOLEAN:
        raise config.refused("mode", "counter is a number, but the property is boolean")
    pull, edge = config.choice("pull", _PULLS, Pull.NONE), config.choice("edge", _EDGES, Edge.RISING)
    return Counter(pin, edge, pull, config.integer("debounceMs", 0, least=0, most=_MAX_DEBOUNCE_MS), config.factor("scale"))


_MODES: Mapping[str, Callable[[Property, Strictly, int], Visitor]] = {"input": _input, "output": _output, "pwm": _pwm, "counter": _counter}


def _read_only(wanted: Property, config: Strictly, what: str) -> None:
    if wanted.writable:
        raise config.refused("mode", f"{what} cannot be written but accessMode is ReadWrite")


def _words(wanted: Property, config: Strictly) -> Words:
    if wanted.data_type is not DataType.STRING:
        config.only_with(("onText", "offText"), f"where the property is string, not {wanted.data_type}")
        return Words()
    found = Words(config.text("onText", "ON"), config.text("offText", "OFF"))
    for key, word in (("onText", found.on), ("offText", found.off)):
        if not is_value(word):
            raise config.refused(key, "expected printable text")
    if found.on == found.off:
        raise config.refused("offText", f"is the same as onText: {found.off!r}")
    return found


def pin_twice(visitors: dict[str, Visitor], wanted: Property, found: Visitor) -> ProfileError | None:
    """A pin has one use."""
    other = next((name for name, visitor in visitors.items() if visitor.pin == found.pin), None)
    return ProfileError(f"{wanted.path}.pin", f"{found.pin} is used by {other} already") if other else None
