"""Reads a part of a profile that its protocol knows whole: what nobody asked for is refused, so a misspelt key never passes for a default.

Every refusal names the field by its full path. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from decimal import Decimal
from difflib import get_close_matches
from typing import Any, TypeVar

from mappers.sdk import fields
from mappers.sdk.errors import ProfileError
from mappers.sdk.fields import JsonObject

Meaning = TypeVar("Meaning")

LONGEST_TEXT = 256

_SHOWN = 40
_CODE = re.compile(r"0[xX][0-9a-fA-F]{1,8}")


class Strictly:
    """One object. Ask for every field that there is, then ``end``. Without a default a field must be there; null is a missing one."""

    def __init__(self, body: JsonObject, path: str) -> None:
        self.path = path
        self._body = body
        self._asked: dict[str, None] = {}

    def has(self, key: str) -> bool:
        self._asked[key] = None
        return self._body.get(key) is not None

    def text(self, key: str, default: str | None = None, *, longest: int = LONGEST_TEXT) -> str:
        if not self._is_given(key, default):
            return default or ""
        value = fields.text(self._body, key, self.path)
        if not value and default != "":
            raise self.refused(key, "is empty")
        if len(value) > longest:
            raise self.refused(key, f"is longer than {longest} characters")
        return value

    def integer(self, key: str, default: int | None = None, *, least: int, most: int) -> int:
        if not self._is_given(key, default):
            return default or 0
        return fields.integer(self._body, key, self.path, least=least, most=most)

    def code(self, key: str, *, least: int, most: int) -> int:
        """A number as data sheets write it: JSON has no ``0x76``, so text of that form is taken as well."""
        value = self.raw(key)
        if isinstance(value, str) and _CODE.fullmatch(value):
            return self._within(key, int(value, 16), least, most)
        if isinstance(value, str):
            raise self.refused(key, f"expected a number or text such as 0x76, got {value[:_SHOWN]!r}")
        return self.integer(key, least=least, most=most)

    def number(self, key: str, default: float | None = None, *, least: float, most: float) -> float:
        if not self._is_given(key, default):
            return default or 0.0
        value = fields.number(self._body, key, self.path)
        if value is None or not least <= value <= most:
            raise self.refused(key, f"expected {least:g} to {most:g}, got {value}")
        return float(value)

    def factor(self, key: str, default: int = 1) -> Decimal:
        """As exact as it was written; never 0, through which nothing could be written."""
        value = fields.number(self._body, key, self.path) if self.has(key) else default
        found = Decimal(repr(value))
        if not Decimal("1e-12") <= abs(found) <= Decimal("1e12"):
            raise self.refused(key, f"{found} is too small or too large")
        return found

    def flag(self, key: str, default: bool = False) -> bool:
        return fields.flag(self._body, key, self.path) if self.has(key) else default

    def choice(self, key: str, choices: Mapping[str, Meaning], default: str | None = None) -> Meaning:
        """What the word stands for."""
        word = self.text(key, default)
        if word not in choices:
            raise self.refused(key, f"expected {', '.join(choices)}, got {word[:_SHOWN]!r}")
        return choices[word]

    def table(self, key: str) -> JsonObject:
        """Empty where it is missing."""
        self._asked[key] = None
        return fields.part(self._body, key, self.path)

    def raw(self, key: str) -> Any:
        """None where it is missing."""
        self._asked[key] = None
        return self._body.get(key)

    def refused(self, key: str, reason: str) -> ProfileError:
        return ProfileError(f"{self.path}.{key}", reason)

    def only_with(self, keys: Iterable[str], condition: str) -> None:
        """Refuse the first of ``keys`` that is there though ``condition`` does not hold."""
        for key in keys:
            if self.has(key):
                raise self.refused(key, f"has a meaning only {condition}")

    def end(self) -> None:
        """Raises ProfileError naming the first field that nobody asked for."""
        unknown = sorted(key for key, value in self._body.items() if key not in self._asked and value is not None)
        if unknown:
            raise self.refused(ascii(unknown[0])[1:-1][:64], f"there is no such field; known: {', '.join(self._asked)}")

    def _within(self, key: str, value: int, least: int, most: int) -> int:
        if not least <= value <= most:
            raise self.refused(key, f"expected 0x{least:02x} to 0x{most:02x}, got 0x{value:02x}")
        return value

    def _is_given(self, key: str, default: object) -> bool:
        given = self.has(key)
        if not given and default is None:
            raise self.refused(key, f"is missing{self._misspelt(key)}")
        return given

    def _misspelt(self, key: str) -> str:
        strangers = [other for other in self._body if other not in self._asked and len(other) <= LONGEST_TEXT]
        near = get_close_matches(key.lower(), [other.lower() for other in strangers], 1)
        meant = next((other for other in strangers if [other.lower()] == near), None)
        return f"; is {ascii(meant)[1:-1]} meant to be it?" if meant else ""
