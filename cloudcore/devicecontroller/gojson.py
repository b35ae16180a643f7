"""JSON text byte for byte as Go's encoder writes it: no spaces, ``<``, ``>``, ``&`` escaped, 1.0 as 1. Pure."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

_ESCAPED = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}


def go_json(value: Any) -> str:
    """``value`` from dicts (their order is kept), lists, text, numbers, booleans and None."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{_text(str(key))}:{go_json(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(go_json, value)) + "]"
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, float):
        return _number(value)
    return json.dumps(value)


def _text(value: str) -> str:
    text = json.dumps(value, ensure_ascii=False)
    for char, escape in _ESCAPED.items():
        text = text.replace(char, escape)
    return text


def _number(value: float) -> str:
    """Go leaves plain notation below 1e-6 and from 1e21 on, and writes exponents without leading zeros."""
    if value == 0 or 1e-6 <= abs(value) < 1e21:
        text = format(Decimal(repr(value)), "f")
        return text.rstrip("0").rstrip(".") if "." in text else text
    mantissa, _, exponent = repr(value).partition("e")
    sign = exponent[0] if exponent[0] in "+-" else "+"
    return f"{mantissa.removesuffix('.0')}e{sign}{exponent.lstrip('+-').lstrip('0').zfill(2 if sign == '+' else 1)}"
