"""Kubernetes quantities (``500m``, ``64Mi``, ``1.5G``, ``2e3``) as exact numbers, and what a cgroup is told for them. Pure."""

from __future__ import annotations

import math
import re
from fractions import Fraction

_FORM = re.compile(r"([+-]?(?:\d{1,30}(?:\.\d{0,30})?|\.\d{1,30}))(?:([eE])([+-]?\d{1,2})|([numkMGTPE]|[KMGTPE]i)?)")
_SUFFIXES = {
    "n": Fraction(1, 10**9),
    "u": Fraction(1, 10**6),
    "m": Fraction(1, 1000),
    **{suffix: Fraction(1000**power) for power, suffix in enumerate(("k", "M", "G", "T", "P", "E"), start=1)},
    **{suffix: Fraction(1024**power) for power, suffix in enumerate(("Ki", "Mi", "Gi", "Ti", "Pi", "Ei"), start=1)},
}

QUOTA_PERIOD = 100_000
_LEAST_SHARES = 2
_LEAST_QUOTA = 1000


def quantity(value: object) -> Fraction:
    """The exact number.

    Raises:
        ValueError: not a quantity; the text says what was found.
    """
    match = _FORM.fullmatch(str(value).strip())
    if match is None or isinstance(value, bool):
        raise ValueError(f"expected a quantity such as 500m or 64Mi, got {str(value)[:40]!r}")
    number, exponent, power, suffix = match.groups()
    if exponent:
        return Fraction(number) * Fraction(10) ** int(power)
    return Fraction(number) * _SUFFIXES.get(suffix or "", Fraction(1))


def whole(value: object) -> int:
    """Rounded up, as Kubernetes does (bytes, counts)."""
    return math.ceil(quantity(value))


def milli(value: object) -> int:
    """Thousandths, rounded up (CPU)."""
    return math.ceil(quantity(value) * 1000)


def cpu_shares(milli_cpu: int) -> int:
    """Weight of a CPU request in the cgroup."""
    return max(_LEAST_SHARES, milli_cpu * 1024 // 1000)


def cpu_quota(milli_cpu: int) -> int:
    """Microseconds of CPU per period of 100 ms for a CPU limit."""
    return max(_LEAST_QUOTA, milli_cpu * QUOTA_PERIOD // 1000)
