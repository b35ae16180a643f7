"""JSON that came from outside (P1.4): what Python's reader lets through although no peer could write it again is refused here."""

from __future__ import annotations

import json
import math
from typing import Any


class NotText(ValueError):
    """Half of a surrogate pair in the text at ``path`` (``content.metadata.name``, empty for the whole)."""

    def __init__(self, path: str) -> None:
        super().__init__("half of a surrogate pair is not text")
        self.path = path


def read_json(text: str) -> Any:
    """The value of ``text``.

    Raises:
        ValueError: not JSON, nested beyond what can be read, or a number that no double holds (``NaN``, ``1e999``).
        NotText: half of a surrogate pair, which neither UTF-8 nor SQLite can hold.
    """
    try:
        value = _DECODER.decode(text)
    except RecursionError as exc:
        raise ValueError("nested too deeply") from exc
    _require_unicode(text, value)
    return value


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text[:32]} is larger than any number here")
    return number


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


_DECODER = json.JSONDecoder(parse_float=_finite, parse_constant=_no_constant)


def _require_unicode(text: str, value: Any) -> None:
    """Only an escape or text that was never bytes can bring a half; most texts have neither and cost one search."""
    try:
        if not text.isascii():
            text.encode()
        if "\\ud" in text or "\\uD" in text:
            json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError as exc:
        raise NotText(_place_of_half(value)) from exc


def _place_of_half(value: Any) -> str:
    """The path of the first text that is none; of its object where it is a key."""
    place, step = "", value
    while isinstance(step, dict | list):
        inner: Any = step.items() if isinstance(step, dict) else enumerate(step)
        for key, item in inner:
            if isinstance(key, str) and not _is_unicode(key):
                return place
            if not _is_unicode(json.dumps(item, ensure_ascii=False)):
                place, step = f"{place}[{key}]" if isinstance(step, list) else f"{place}.{key[:64]}".lstrip("."), item
                break
    return place


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
