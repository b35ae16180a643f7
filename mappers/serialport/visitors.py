"""``configData`` of a ``serial`` visitor: what to say for a property, and what to hear. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from mappers.sdk import fields, values
from mappers.sdk.errors import DeviceRefused, ProfileError, ValueRefused
from mappers.sdk.profile import Property
from mappers.sdk.quantity import as_number, as_value
from mappers.sdk.strictly import Strictly
from mappers.sdk.values import DataType, Value
from mappers.serialport import nmea
from mappers.serialport.pattern import VALUE, Pattern, pattern_of
from viaduct.device import is_value

_NUMBER = re.compile(r"[+-]?([0-9]{1,20}(\.[0-9]{0,20})?|\.[0-9]{1,20})([eE][+-]?[0-9]{1,2})?")


@dataclass(frozen=True, slots=True)
class Told:
    """The device says it by itself, in lines of this pattern."""

    pattern: Pattern


@dataclass(frozen=True, slots=True)
class Asked:
    """The device says it when it is asked."""

    question: str
    pattern: Pattern


@dataclass(frozen=True, slots=True)
class Positioned:
    """A quantity of NMEA sentences."""

    quantity: str


Source = Told | Asked | Positioned


@dataclass(frozen=True, slots=True)
class Command:
    """``template`` has ``{value}``. ``acknowledgement`` None: nothing is answered."""

    template: str
    acknowledgement: Pattern | None = None


@dataclass(frozen=True, slots=True)
class Visitor:
    """``source`` None: it can only be written. ``words``: what the device says for a value's text, where that is not the text itself."""

    source: Source | None
    command: Command | None = None
    scale: Decimal = Decimal(1)
    words: Mapping[str, str] = field(default_factory=dict)


def visitor_of(wanted: Property, *, is_nmea: bool) -> Visitor:
    """Raises ProfileError naming the field at fault."""
    config = Strictly(wanted.visitor, wanted.path)
    found = _positioned(wanted, config) if is_nmea else _line(wanted, config)
    config.end()
    return found


def decode(text: str, visitor: Visitor, wanted: Property) -> Value:
    """What the device said to the property's value. Raises DeviceRefused."""
    if visitor.words:
        for name, word in visitor.words.items():
            if word == text:
                return values.parse(name, wanted.data_type)
        raise DeviceRefused(f"it says {text[:60]!r}, which is none of values")
    if wanted.data_type is DataType.STRING and visitor.scale == 1:
        if not is_value(text):
            raise DeviceRefused("it says what cannot be printed")
        return text
    return as_value(number_of(text), wanted, visitor.scale)


def encode(value: Value, visitor: Visitor, wanted: Property) -> str:
    """The property's value as the device wants to hear it. Raises ValueRefused."""
    values.check(value, wanted.data_type, wanted.limits)
    if visitor.words:
        name = values.to_text(value)
        if name not in visitor.words:
            raise ValueRefused(f"expected {', '.join(visitor.words)}, got {name[:40]!r}")
        return visitor.words[name]
    if isinstance(value, str) and visitor.scale == 1:
        if not is_value(value):
            raise ValueRefused("it cannot be printed")
        return value
    return f"{as_number(value, wanted, visitor.scale).normalize():f}"


def number_of(text: str) -> Decimal:
    """Raises DeviceRefused."""
    if not _NUMBER.fullmatch(text):
        raise DeviceRefused(f"it says {text[:60]!r}, which is no number")
    return Decimal(text)


def _positioned(wanted: Property, config: Strictly) -> Visitor:
    quantity = config.choice("quantity", {name: name for name in nmea.QUANTITIES})
    if wanted.writable:
        raise config.refused("quantity", "a position cannot be written but accessMode is ReadWrite")
    if quantity in nmea.TEXTS and wanted.data_type is not DataType.STRING:
        raise config.refused("quantity", f"{quantity} is text, but the property is {wanted.data_type}")
    return Visitor(Positioned(quantity), scale=config.factor("scale"))


def _line(wanted: Property, config: Strictly) -> Visitor:
    command = _command(wanted, config)
    source = _source(config)
    words = _words(wanted, config)
    if words:
        config.only_with(("scale",), "without values")
    scale = config.factor("scale")
    if source is None and command is None:
        # A misspelt one is the likelier reason.
        config.end()
        raise config.refused("pattern", "is missing, and so are send and write: nothing says how to reach it")
    return Visitor(source, command, scale, words)


def _source(config: Strictly) -> Source | None:
    if config.has("send"):
        pattern = pattern_of(config.text("pattern", VALUE), f"{config.path}.pattern", with_value=True)
        return Asked(_one_line(config, "send"), pattern)
    if config.has("pattern"):
        return Told(pattern_of(config.text("pattern"), f"{config.path}.pattern", with_value=True))
    return None


def _command(wanted: Property, config: Strictly) -> Command | None:
    if not wanted.writable:
        config.only_with(("write", "acknowledge"), "where accessMode is ReadWrite")
        return None
    template = _one_line(config, "write")
    if template.count(VALUE) != 1:
        raise config.refused("write", f"expected {VALUE} once, got it {template.count(VALUE)} times")
    if not config.has("acknowledge"):
        return Command(template)
    return Command(template, pattern_of(config.text("acknowledge"), f"{config.path}.acknowledge", with_value=False))


def _one_line(config: Strictly, key: str) -> str:
    text = config.text(key)
    if not text.isprintable():
        raise config.refused(key, "expected printable text; lineEnding of the Device is added to it")
    return text


def _words(wanted: Property, config: Strictly) -> Mapping[str, str]:
    table = config.table("values")
    if table and wanted.data_type not in (DataType.STRING, DataType.BOOLEAN):
        raise config.refused("values", f"is for string and boolean, but the property is {wanted.data_type}")
    if not table and wanted.data_type is DataType.BOOLEAN:
        return {"true": "1", "false": "0"}
    if wanted.data_type is DataType.BOOLEAN and set(table) != {"true", "false"}:
        raise config.refused("values", "expected true and false")
    words = {name: _word(word, f"{config.path}.values.{name[:64]}") for name, word in table.items()}
    if len(set(words.values())) < len(words):
        raise config.refused("values", "two values have the same text")
    return words


def _word(word: object, path: str) -> str:
    if not isinstance(word, str) or not word or not word.isprintable():
        raise ProfileError(path, f"expected text, got {fields.kind(word) if not isinstance(word, str) else repr(word[:40])}")
    return word.strip()
