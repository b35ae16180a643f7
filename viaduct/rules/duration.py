"""Times as Kubernetes writes them: ``1h30m``, ``10s``, ``500ms``."""

from __future__ import annotations

import re

MOST = 31 * 86_400.0
"""Seconds."""

PATTERN = r"([0-9]+(\.[0-9]+)?(h|m|s|ms))+"
_WHOLE = re.compile(PATTERN)
_PART = re.compile(r"([0-9]+(?:\.[0-9]+)?)(h|ms|m|s)")
_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}


def seconds(text: str) -> float | None:
    """None: it is no time, or a longer one than ``MOST``."""
    if len(text) > 40 or not _WHOLE.fullmatch(text):
        return None
    found = sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(text))
    return found if found <= MOST else None
