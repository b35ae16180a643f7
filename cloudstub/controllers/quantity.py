"""Resource quantities (``100m``, ``1.5``, ``64Mi``, ``1e3``) as whole thousandths."""

from __future__ import annotations

import re
from decimal import Decimal
from functools import lru_cache
from typing import Any

_QUANTITY = re.compile(r"([+-]?(?:\d+(?:\.\d*)?|\.\d+))(?:([eE][+-]?\d{1,2})|([numkMGTPE]|[KMGTPE]i)?)")
_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY = {"Ki": 1, "Mi": 2, "Gi": 3, "Ti": 4, "Pi": 5, "Ei": 6}


def milli(value: Any) -> int:
    """``value`` in thousandths of its unit, rounded up; 0 where it cannot be read (the API refused such a one before)."""
    return _milli(str(value))


@lru_cache(maxsize=4096)
def _milli(text: str) -> int:
    found = _QUANTITY.fullmatch(text.strip())
    if found is None or len(text) > 64:
        return 0
    number, exponent, suffix = found.groups()
    if suffix in _BINARY:
        factor = Decimal(1024) ** _BINARY[suffix]
    else:
        factor = Decimal(10) ** (int(exponent[1:]) if exponent else _DECIMAL[suffix or ""])
    scaled = Decimal(number) * factor * 1000
    return int(scaled.to_integral_value(rounding="ROUND_CEILING"))
