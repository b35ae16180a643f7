"""Parts of a JSON object that may be missing or of another type. Pure."""

from __future__ import annotations

from typing import Any

from cloudcore.ports import JsonObject


def part(value: Any, key: str) -> JsonObject:
    found = value.get(key) if isinstance(value, dict) else None
    return found if isinstance(found, dict) else {}


def items(value: Any, key: str, naming: str) -> dict[str, JsonObject]:
    """The objects of a list by their names, which ``naming`` holds; of two of one name the last."""
    found = value.get(key) if isinstance(value, dict) else None
    entries = found if isinstance(found, list) else []
    return {item[naming]: item for item in entries if isinstance(item, dict) and isinstance(item.get(naming), str) and item[naming]}


def objects(value: Any, key: str) -> tuple[JsonObject, ...]:
    """The objects of a list, as they are."""
    found = value.get(key) if isinstance(value, dict) else None
    return tuple(item for item in found if isinstance(item, dict)) if isinstance(found, list) else ()


def text(value: Any, key: str) -> str:
    found = value.get(key) if isinstance(value, dict) else None
    return found if isinstance(found, str) else ""


def filled(**values: Any) -> JsonObject:
    """Those that say something."""
    return {key: value for key, value in values.items() if value not in (None, "", {}, [])}
