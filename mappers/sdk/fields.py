"""Reads fields of JSON objects; every refusal names the path. What is missing is what KubeEdge omits: zero. Pure."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from mappers.sdk.errors import ProfileError

JsonObject = Mapping[str, Any]

_LARGEST = sys.float_info.max


def text(body: JsonObject, key: str, path: str) -> str:
    """ "" where it is missing."""
    value = body.get(key)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise ProfileError(f"{path}.{key}", f"expected text, got {kind(value)}")
    return value


def required_text(body: JsonObject, key: str, path: str) -> str:
    value = text(body, key, path)
    if not value:
        raise ProfileError(f"{path}.{key}", "is missing")
    return value


def integer(body: JsonObject, key: str, path: str, *, least: int, most: int) -> int:
    """0 where it is missing."""
    value = body.get(key)
    if value is None:
        value = 0
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise ProfileError(f"{path}.{key}", f"expected a whole number, got {kind(value)}")
    if not least <= value <= most:
        found = "is missing" if key not in body else f"expected {least} to {most}, got {value}"
        raise ProfileError(f"{path}.{key}", found)
    return value


def number(body: JsonObject, key: str, path: str) -> int | float | None:
    """None where it is missing."""
    value = body.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= _LARGEST:
        raise ProfileError(f"{path}.{key}", f"expected a number, got {kind(value)}")
    return value


def flag(body: JsonObject, key: str, path: str) -> bool:
    """False where it is missing."""
    value = body.get(key)
    if value is None:
        return False
    if not isinstance(value, bool):
        raise ProfileError(f"{path}.{key}", f"expected true or false, got {kind(value)}")
    return value


def part(body: JsonObject, key: str, path: str) -> JsonObject:
    """Empty where it is missing."""
    value = body.get(key)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ProfileError(f"{path}.{key}", f"expected an object, got {kind(value)}")
    return value


def kind(value: Any) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true or false"
    names = {dict: "an object", list: "a list", str: "text", int: "a number", float: "a number"}
    return names.get(type(value), type(value).__name__)
