"""Values of command line flags, as kubectl writes them. Each may raise argparse.ArgumentTypeError, which is said with the flag's name."""

from __future__ import annotations

import argparse
import re
import time
from datetime import datetime

_DURATION = re.compile(r"(?:\d+(?:\.\d+)?(?:h|m|s|ms))+", re.ASCII)
_PART = re.compile(r"(\d+(?:\.\d+)?)(h|ms|m|s)", re.ASCII)
MOST_SAMPLES = 1_000_000
_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}


def count(text: str) -> int:
    """``12``: of lines or bytes."""
    if not (text.isascii() and text.isdecimal() and len(text) <= 15):
        raise argparse.ArgumentTypeError(f"expected a whole number, got {text[:40]!r}")
    return int(text)


def duration(text: str) -> float:
    """``1h30m`` in seconds."""
    if not _DURATION.fullmatch(text) or len(text) > 40:
        raise argparse.ArgumentTypeError(f"expected a time such as 30s, 5m or 1h30m, got {text[:40]!r}")
    return sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(text))


def time_or_age(text: str) -> int:
    """``10m`` (that long ago) or ``2026-01-31T12:00:00Z``, as epoch milliseconds."""
    if _DURATION.fullmatch(text) and len(text) <= 40:
        return max(0, int((time.time() - duration(text)) * 1000))
    try:
        return moment(text) * 1000
    except argparse.ArgumentTypeError:
        raise argparse.ArgumentTypeError(f"expected a time such as 10m, 24h or 2026-01-31T12:00:00Z, got {text[:40]!r}") from None


def samples(text: str) -> int:
    """``500``: how many."""
    if not (text.isascii() and text.isdecimal() and len(text) <= 7 and 0 < int(text) <= MOST_SAMPLES):
        raise argparse.ArgumentTypeError(f"expected a number from 1 to {MOST_SAMPLES}, got {text[:40]!r}")
    return int(text)


def moment(text: str) -> int:
    """``2026-01-31T12:00:00Z`` as epoch seconds; a time without a zone is refused, it would mean another hour elsewhere."""
    try:
        found = datetime.fromisoformat(text)
        seconds = int(found.timestamp())
    except (ValueError, OverflowError):
        found, seconds = None, -1
    if found is None or found.tzinfo is None or seconds < 0:
        raise argparse.ArgumentTypeError(f"expected a time such as 2026-01-31T12:00:00Z, got {text[:40]!r}")
    return seconds
